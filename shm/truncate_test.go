//go:build linux && (amd64 || arm64)

package shm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// A file that is cut off under its users: everything that blocks or inspects
// returns ErrSegmentFault. The victims are child processes, so that a SIGBUS is
// seen as a death. Each victim says ready, hears that the file was cut, does its
// work, and says what is not as it should be, or fine.

func fault(what string, err error) {
	if !errors.Is(err, shm.ErrSegmentFault) {
		fmt.Printf("%s: %v\n", what, err)
	}
}

// faultOrFine is for calls that may find all they need in what is left.
func faultOrFine(what string, err error) {
	if err != nil {
		fault(what, err)
	}
}

func isFault(f shm.Finding) bool {
	return strings.Contains(f.What, shm.ErrSegmentFault.Error())
}

var truncationVictims = map[string]func(name string, line func() string){
	// Blocked before the cut, and no other call: also the death watch, which
	// works beside it, must live on. Few sleep in the kernel; many share a thread.
	"blocked":      func(name string, line func() string) { blockedVictim(name, 2, line) },
	"blocked-many": func(name string, line func() string) { blockedVictim(name, 60, line) },
	"inspecting": func(name string, line func() string) {
		m, err := shm.Inspect(name, nil)
		check1(err)
		fmt.Println("ready")
		line()
		_, err = m.Verify()
		fault("Verify", err)
		_, err = m.Stats()
		fault("Stats", err)
		_, err = m.Processes()
		fault("Processes", err)
		_, err = m.Counters("count")
		fault("Counters", err)
		n := 0
		for _, err := range m.Records("jobs") {
			fault("Records", err)
			n++
		}
		if n != 1 {
			fmt.Println("Records yielded", n)
		}
		check1(m.Close())
	},
	"sweeping": func(name string, line func() string) {
		s, err := shm.Attach(name, &farm{}, nil)
		check1(err)
		fmt.Println("ready")
		line()
		_, err = s.Sweep(tctx)
		fault("Sweep", err)
		n := 0
		for f := range s.Verify() {
			if !isFault(f) {
				fmt.Println("Verify:", f)
			}
			n++
		}
		if n != 1 {
			fmt.Println("Verify yielded", n)
		}
		fault("Close", s.Close())
	},
	// Blocking calls that start after the cut. The first try of each is a fast
	// path and not guarded, so it is made on a word that does not fault.
	"waiting": func(name string, line func() string) {
		f := &farm{}
		s, err := shm.Attach(name, f, nil)
		check1(err)
		fmt.Println("ready")
		line()
		fault("Wait", f.Change.Wait(tctx, func() (bool, error) { return false, nil }))
		faultOrFine("Close", s.Close())
	},
}

func blockedVictim(name string, n int, line func() string) {
	f := &farm{}
	s, err := shm.Attach(name, f, nil)
	check1(err)
	c, err := f.Jobs.TryNew()
	check1(err)
	check1(f.Picky.Put(c))
	// A Get has left its fast path when it looks at the one record, which suits
	// nobody, for the second time.
	errs, inside := make(chan error, n), make(chan bool, n)
	for range n {
		go func() {
			looks := 0
			_, err := f.Picky.Get(tctx, func(shm.Ref[job], *job) bool {
				if looks++; looks == 2 {
					inside <- true
				}
				return false
			})
			errs <- err
		}()
	}
	for range n {
		<-inside
	}
	fmt.Println("ready")
	line()
	for range n {
		fault("Get", <-errs)
	}
	<-s.Done()
	// The housekeeping goes round once a second: let it.
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		_, err := s.Sweep(tctx)
		fault("Sweep", err)
	}
	faultOrFine("Close", s.Close())
}

func init() {
	shmtest.Register("victim", func(args []string) {
		truncationVictims[args[1]](args[0], stdin())
		fmt.Println("fine")
	})
}

// noRace skips a test of faults: the race detector makes atomic accesses in C
// code, from which no fault comes back.
func noRace(t *testing.T) {
	t.Helper()
	if raceEnabled {
		t.Skip("under the race detector a fault cannot be recovered from")
	}
}

func TestTruncated(t *testing.T) {
	noRace(t)
	for victim := range truncationVictims {
		for _, size := range []int64{0, 4096} { // 4096: the header is left
			t.Run(fmt.Sprintf("victim=%s/size=%d", victim, size), func(t *testing.T) {
				t.Parallel()
				name := brokenName(t)
				must(t, create(t, name, &farm{}, nil).Close())
				p := shmtest.Child(t, "victim", name, victim)
				p.Want("ready")
				must(t, os.Truncate(pathOf(name), size))
				p.Say("cut")
				p.Want("fine")
				if err := p.Wait(); err != nil {
					t.Errorf("the victim: %v", err)
				}
			})
		}
	}
}

// After the cut, nobody gets in.
func TestTruncated_Attach(t *testing.T) {
	for size, want := range map[int64]error{0: shm.ErrNotSegment, 100: shm.ErrNotSegment, 4096: shm.ErrCorrupt, 1 << 16: shm.ErrCorrupt} {
		name := brokenName(t)
		must(t, create(t, name, &farm{}, nil).Close())
		must(t, os.Truncate(pathOf(name), size))
		if _, err := shm.Attach(name, &farm{}, nil); !errors.Is(err, want) {
			t.Errorf("attach to %d bytes: %v, want %v", size, err, want)
		}
		if _, err := shm.Inspect(name, nil); !errors.Is(err, want) {
			t.Errorf("inspect %d bytes: %v, want %v", size, err, want)
		}
		if err := shm.Reset(name, nil, true); !errors.Is(err, want) {
			t.Errorf("reset %d bytes: %v, want %v", size, err, want)
		}
		if err := shm.Remove(name, nil, false); err == nil {
			t.Errorf("removed %d bytes without force", size)
		}
		// Force removes what is corrupt, but no file that is not a segment.
		if err := shm.Remove(name, nil, true); size < 4096 != errors.Is(err, shm.ErrNotSegment) || size >= 4096 && err != nil {
			t.Errorf("removed %d bytes by force: %v", size, err)
		}
	}
}

// The file is cut and restored, again and again, under attaching and inspecting
// processes: typed errors or success, and no death.
func TestTruncated_Race(t *testing.T) {
	noRace(t)
	name, m := makeImage(t)
	p := shmtest.Child(t, "cut-race", name)
	p.Want("ready")
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for range 2000 {
			_ = os.Truncate(pathOf(name), 0)
			if f, err := os.OpenFile(pathOf(name), os.O_WRONLY, 0); err == nil {
				_, _ = f.Write(m.b)
				_ = f.Close()
			}
		}
	}()
	<-stop
	p.Say("end")
	p.Want("fine")
	if err := p.Wait(); err != nil {
		t.Errorf("the victim: %v", err)
	}
}

func init() {
	shmtest.Register("cut-race", func(args []string) {
		ctx, cancel := context.WithCancel(context.Background())
		line := stdin()
		go func() { line(); cancel() }()
		fmt.Println("ready")
		typed := func(what string, err error) {
			for _, ok := range []error{nil, shm.ErrSegmentFault, shm.ErrNotSegment, shm.ErrCorrupt, shm.ErrVersion, shm.ErrBoot} {
				if errors.Is(err, ok) {
					return
				}
			}
			fmt.Printf("%s: %v\n", what, err)
		}
		for ctx.Err() == nil {
			m, err := shm.Inspect(args[0], nil)
			typed("inspect", err)
			if err == nil {
				_, err = m.Verify()
				typed("verify", err)
				_, err = m.Stats()
				typed("stats", err)
				for _, err := range m.Records("jobs") {
					typed("records", err)
				}
				check1(m.Close())
			}
		}
		fmt.Println("fine")
	})
}
