//go:build linux && (amd64 || arm64)

package shm_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
	"golang.org/x/sys/unix"
)

// dirOf is the directory that tests without a directory of their own use.
func dirOf() string {
	if dir := os.Getenv("SHM_DIR"); dir != "" {
		return dir
	}
	return shm.DefaultDir
}

func pathOf(name string) string { return filepath.Join(dirOf(), name) }

// create makes a segment without closing it at the end, unlike shmtest.New.
func create(t testing.TB, name string, app shm.Definer, o *shm.Options) *shm.Segment {
	t.Helper()
	s, err := shm.Create(name, app, o)
	must(t, err)
	return s
}

// brokenName is shmtest.Name for a file that the test makes unfit for Remove.
func brokenName(t testing.TB) string {
	t.Helper()
	name := shmtest.Name(t)
	t.Cleanup(func() { _ = os.Remove(pathOf(name)) })
	return name
}

// limit bounds the wait for something that is to happen: only a defect reaches it.
func limit(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits for a condition that has no event of its own.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func ended(t testing.TB, s *shm.Segment, want error) {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(time.Minute):
		t.Fatal("Done stays open")
	}
	if err := s.Err(); !errors.Is(err, want) {
		t.Fatalf("Err %v, want %v", err, want)
	}
}

// blocked starts calls that find nothing, many of them: some sleep in the
// kernel, the others share a thread.
func blocked(f *farm, n int) chan error {
	errs := make(chan error, n)
	for range n {
		go func() {
			_, err := f.Todo.Get(context.Background())
			errs <- err
		}()
	}
	return errs
}

func allReturn(t testing.TB, errs chan error, want error) {
	t.Helper()
	for range cap(errs) {
		select {
		case err := <-errs:
			if !errors.Is(err, want) {
				t.Fatalf("blocked call: %v, want %v", err, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("a blocked call never returned, want %v", want)
		}
	}
}

func stdin() (line func() string) {
	in := bufio.NewScanner(os.Stdin)
	return func() string { in.Scan(); return in.Text() }
}

func init() {
	// racer NAME: wait for the start, open, post one job, stay until told.
	shmtest.Register("racer", func(args []string) {
		line := stdin()
		f := &farm{}
		fmt.Println("ready")
		line()
		s, err := shm.Open(args[0], f, nil)
		check1(err)
		c, err := f.Jobs.TryNew()
		check1(err)
		c.Record().Number = uint64(os.Getpid())
		check1(f.Todo.TryPut(c))
		fmt.Println("open")
		line()
		check1(s.Close())
		fmt.Println("bye")
	})
	// hog NAME: own a claim, a new record, a held one, a permit, and wait.
	shmtest.Register("hog", func(args []string) {
		f := &farm{}
		_, err := shm.Attach(args[0], f, nil)
		check1(err)
		_, err = f.Todo.TryGet()
		check1(err)
		_, err = f.Jobs.TryNew()
		check1(err)
		c, err := f.Jobs.TryNew()
		check1(err)
		_, err = c.Hold()
		check1(err)
		_, err = f.Slots.TryAcquire()
		check1(err)
		fmt.Println("owning")
		stdin()()
	})
}

// check1 is for child processes: whatever goes wrong there ends them.
func check1(err error) {
	if err != nil {
		panic(err)
	}
}

func TestOpen_RaceOfGoroutines(t *testing.T) {
	for range 20 {
		name := shmtest.Name(t)
		const n = 16
		var wg sync.WaitGroup
		segs := make([]*shm.Segment, n)
		start := make(chan struct{})
		for i := range n {
			wg.Go(func() {
				<-start
				f := &farm{}
				s, err := shm.Open(name, f, nil)
				if err != nil {
					t.Error(err)
					return
				}
				segs[i] = s
				if c, err := f.Jobs.TryNew(); err != nil || f.Todo.TryPut(c) != nil {
					t.Error(err)
				}
			})
		}
		close(start)
		wg.Wait()
		if t.Failed() {
			t.FailNow()
		}
		slots := map[int]bool{}
		for _, s := range segs {
			slots[s.Slot()] = true
			if got := used(s, "todo"); got != n || len(s.Processes()) != n {
				t.Fatalf("%d jobs and %d openings in one's segment, want %d", got, len(s.Processes()), n)
			}
		}
		if len(slots) != n {
			t.Fatalf("%d slots for %d openings", len(slots), n)
		}
		shmtest.Verify(t, segs[0])
		for _, s := range segs {
			must(t, s.Close())
		}
		nothingLeftOf(t, name, true)
	}
}

// nothingLeftOf checks the directory for side files, and for the name itself.
func nothingLeftOf(t testing.TB, name string, segment bool) {
	t.Helper()
	entries, err := os.ReadDir(dirOf())
	must(t, err)
	for _, e := range entries {
		if strings.Contains(e.Name(), name+",") || e.Name() == name && !segment {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}

func TestOpen_RaceOfProcesses(t *testing.T) {
	for range 3 {
		name := shmtest.Name(t)
		var ps []*shmtest.Process
		for range 6 {
			ps = append(ps, shmtest.Child(t, "racer", name))
		}
		for _, p := range ps {
			p.Want("ready")
		}
		for _, p := range ps {
			p.Say("go")
		}
		for _, p := range ps {
			p.Want("open")
		}
		f := &farm{}
		s, err := shm.Attach(name, f, nil)
		must(t, err)
		if f.Todo.Len() != len(ps) || len(s.Processes()) != len(ps)+1 {
			t.Fatalf("%d jobs, %d processes", f.Todo.Len(), len(s.Processes()))
		}
		pids := map[uint64]bool{}
		for range ps {
			c, err := f.Todo.TryGet()
			must(t, err)
			pids[c.Record().Number] = true
			must(t, c.Free())
		}
		if len(pids) != len(ps) {
			t.Fatalf("jobs of %d processes", len(pids))
		}
		for _, p := range ps {
			p.Say("end")
		}
		for _, p := range ps {
			p.Want("bye")
			must(t, p.Wait())
		}
		must(t, s.Close())
	}
}

func TestStop_RestartsWithTheNext(t *testing.T) {
	name := shmtest.Name(t)
	f := &farm{}
	s := create(t, name, f, nil)
	errs := blocked(f, 30)
	s.Stop()
	allReturn(t, errs, shm.ErrStopped)
	ended(t, s, shm.ErrStopped)
	if _, err := shm.Attach(name, &farm{}, nil); !errors.Is(err, shm.ErrStopped) {
		t.Fatalf("attach while stopped and in use: %v", err)
	}
	must(t, f.Todo.TryPut(newJob(t, f, "", 1))) // what does not block goes on
	must(t, s.Close())
	g := &farm{}
	s, err := shm.Attach(name, g, nil)
	must(t, err)
	defer s.Close()
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	c, err := g.Todo.Get(limit(t))
	must(t, err)
	must(t, c.Free())
}

func TestUnlinked(t *testing.T) {
	name := shmtest.Name(t)
	f := &farm{}
	s := create(t, name, f, nil)
	defer s.Close()
	errs := blocked(f, 30)
	must(t, os.Remove(pathOf(name)))
	allReturn(t, errs, shm.ErrRetired)
	ended(t, s, shm.ErrRetired)
	// The name is free for a new segment, which the old one leaves alone.
	s2 := create(t, name, &farm{}, nil)
	must(t, s.Remove())
	if s2.Err() != nil {
		t.Fatal(s2.Err())
	}
	must(t, s2.Remove())
}

func TestRemove(t *testing.T) {
	name := shmtest.Name(t)
	f := &farm{}
	s := create(t, name, f, nil)
	side, err := s.SideFile("notes.txt")
	must(t, err)
	must(t, os.WriteFile(side, []byte("x"), 0o600))
	if err := shm.Remove(name, nil, false); !errors.Is(err, shm.ErrInUse) {
		t.Fatalf("Remove while attached: %v", err)
	}
	if s.Err() != nil {
		t.Fatal("a refused Remove has retired the segment")
	}
	errs := blocked(f, 20)
	must(t, shm.Remove(name, nil, true))
	allReturn(t, errs, shm.ErrRetired)
	ended(t, s, shm.ErrRetired)
	must(t, s.Close())
	nothingLeftOf(t, name, false)
	if err := shm.Remove(name, nil, false); !errors.Is(err, shm.ErrNotExist) {
		t.Fatal(err)
	}
	s = create(t, name, &farm{}, nil)
	must(t, s.Close())
	must(t, shm.Remove(name, nil, false))
	nothingLeftOf(t, name, false)
	s = create(t, name, &farm{}, nil)
	must(t, s.Remove())
	nothingLeftOf(t, name, false)
	if err := s.Close(); !errors.Is(err, shm.ErrClosed) {
		t.Fatal(err)
	}
}

// The clock that is not asked each time goes as the kernel's does.
func TestNow(t *testing.T) {
	for range 1000 {
		var before, after unix.Timespec
		must(t, unix.ClockGettime(unix.CLOCK_BOOTTIME, &before))
		now := shm.Now()
		must(t, unix.ClockGettime(unix.CLOCK_BOOTTIME, &after))
		const slack = time.Millisecond
		if int64(now) < before.Nano()-int64(slack) || int64(now) > after.Nano()+int64(slack) {
			t.Fatalf("%v, and the kernel says %v to %v", now, time.Duration(before.Nano()), time.Duration(after.Nano()))
		}
	}
}
