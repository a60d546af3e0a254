//go:build linux && (amd64 || arm64)

package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// starter NAME FORCED: open, work and leave until told. A process that is
	// attached works on the segment that the name leads to, or it is told
	// ErrRetired. Without force it is never told so.
	shmtest.Register("starter", func(args []string) {
		forced := args[1] == "true"
		stop := atomic.Bool{}
		line := stdin()
		go func() { line(); stop.Store(true) }()
		fmt.Println("ready")
		opened, refused, retired := 0, 0, 0
		for !stop.Load() {
			w := &world.World{}
			s, err := shm.Open(args[0], w, nil)
			if err != nil {
				if !told(err) {
					fmt.Println("open:", err)
				}
				refused++
				continue
			}
			opened++
			j, err := w.Jobs.New(context.Background())
			if err == nil {
				err = w.Todo.TryPut(j)
			}
			if err == nil {
				j, err = w.Todo.Get(context.Background())
			}
			if err == nil {
				err = j.Free()
			}
			if err != nil && !(forced && errors.Is(err, shm.ErrRetired)) {
				fmt.Println("work:", err)
			}
			if orphan(args[0]) { // the name leads elsewhere, or nowhere
				select {
				case <-s.Done():
				case <-time.After(time.Minute):
					fmt.Println("on a removed segment, and not told")
				}
			}
			if err := s.Err(); err != nil {
				retired++
				if !forced || !errors.Is(err, shm.ErrRetired) {
					fmt.Println("ended:", err)
				}
			}
			if err := s.Close(); err != nil && !errors.Is(err, shm.ErrBusy) {
				fmt.Println("close:", err)
			}
		}
		fmt.Println("end", opened, "opened,", refused, "refused,", retired, "told")
	})
	// cleaner NAME FORCED HOW: remove or reset until told.
	shmtest.Register("cleaner", func(args []string) {
		forced := args[1] == "true"
		stop := atomic.Bool{}
		line := stdin()
		go func() { line(); stop.Store(true) }()
		fmt.Println("ready")
		done, refused := 0, 0
		for !stop.Load() {
			var err error
			switch args[2] {
			case "remove":
				err = shm.Remove(args[0], nil, forced)
			case "reset":
				err = shm.Reset(args[0], nil, forced)
			case "sweep":
				var s *shm.Segment
				if s, err = shm.Attach(args[0], &world.World{}, nil); err == nil {
					_, err = s.Sweep(context.Background())
					err = errors.Join(err, s.Close())
				}
			}
			switch {
			case err == nil:
				done++
			case told(err):
				refused++
			default:
				fmt.Println(args[2]+":", err)
			}
		}
		fmt.Println("end", args[2], done, "done,", refused, "refused")
	})
}

// orphan tells whether the segment that this process has open is no longer the
// one that the name leads to.
func orphan(name string) bool {
	var at, now, fd syscall.Stat_t
	world.Check(syscall.Stat(dir(), &at))
	named := syscall.Lstat(pathOf(name), &now) == nil
	list, err := os.ReadDir("/proc/self/fd")
	world.Check(err)
	for _, e := range list { // mappings of segments that were closed stay for a while, descriptors do not
		if syscall.Stat("/proc/self/fd/"+e.Name(), &fd) == nil && fd.Dev == at.Dev && fd.Mode&syscall.S_IFMT == syscall.S_IFREG {
			return !named || fd.Ino != now.Ino
		}
	}
	return false
}

func race(t *testing.T, forced bool) {
	long := 3 * time.Second
	if full {
		long = time.Minute
	}
	name := shmtest.Name(t)
	var ps []*shmtest.Process
	for range 3 {
		ps = append(ps, shmtest.Child(t, "starter", name, fmt.Sprint(forced)))
	}
	for _, how := range []string{"remove", "reset", "sweep"} {
		ps = append(ps, shmtest.Child(t, "cleaner", name, fmt.Sprint(forced), how))
	}
	for _, p := range ps {
		p.Want("ready")
	}
	time.Sleep(long)
	for _, p := range ps {
		p.Say("stop")
	}
	for _, p := range ps {
		ended := false
		for line, ok := p.Line(); ok; line, ok = p.Line() {
			if rest, ok := strings.CutPrefix(line, "end "); ok {
				ended = true
				t.Log(rest)
				if strings.HasPrefix(rest, "0 ") || strings.Contains(rest, " 0 done") {
					t.Error("nothing happened")
				}
			} else {
				t.Error(line)
			}
		}
		if err := p.Wait(); err != nil || !ended {
			t.Errorf("a child died: %v", err)
		}
	}
	entries, err := os.ReadDir(dir())
	world.Must(t, err)
	for _, e := range entries {
		if strings.Contains(e.Name(), name+",") {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}

// iceoryx2: a process that opened or created a service while another cleaned up
// after a dead node was left with a service whose files were gone, or failed with
// an internal error. Here a cleaner that is not forced finds nobody attached, by
// the kernel's word, or goes away; a starter is attached or it is not.
func TestCleanerRacesStarter(t *testing.T) { race(t, false) }

// The same with force: whoever is attached to a segment that was removed is told.
func TestForceRacesStarter(t *testing.T) { race(t, true) }

// iceoryx2, frequently asked: a restart after a kill was refused for exceeding
// the maximum of processes, because the parent had not yet waited for the killed
// one. Here a zombie holds nothing, and its place is the next one's at once.
func TestZombieRefusesRestart(t *testing.T) {
	w, s := posted(t, &shm.Options{Capacity: map[string]int{"processes": 1}})
	_ = w
	world.Must(t, s.Close())
	p := shmtest.Child(t, "holder", s.Name())
	p.Want("claimed")
	if _, err := shm.Attach(s.Name(), &world.World{}, nil); !errors.Is(err, shm.ErrFull) {
		t.Fatalf("a second process of one: %v", err)
	}
	world.Must(t, p.Cmd.Process.Kill()) // and no Wait
	eventually(t, "the child is a zombie", func() bool { return state(p.Cmd.Process.Pid) == "Z" })
	again := &world.World{}
	eventually(t, "its last thread has ended", func() bool {
		a, err := shm.Attach(s.Name(), again, nil)
		if err != nil && !errors.Is(err, shm.ErrFull) {
			t.Fatal(err)
		}
		if err == nil {
			s = a
		}
		return err == nil
	})
	defer s.Close()
	comesBack(t, again)
	if state(p.Cmd.Process.Pid) != "Z" {
		t.Fatal("the zombie is gone: nothing was tested")
	}
	shmtest.Verify(t, s)
}

// iceoryx2: with the queue full and no overflow, a sender polled for ever when
// its receiver was killed and no third process cleaned up. Here whoever waits for
// room has a death watch of its own.
func TestSenderStuckOnKilledReceiver(t *testing.T) {
	w := &world.World{}
	s := shmtest.New(t, w, nil)
	for range world.Jobs {
		post(w)
	}
	p := shmtest.Child(t, "receiver", s.Name())
	p.Want("claimed")
	got := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		j, err := w.Jobs.New(ctx)
		if err == nil {
			err = j.Free()
		}
		got <- err
	}()
	p.Kill()
	world.Must(t, <-got)
	shmtest.Verify(t, s)
}

func init() {
	// receiver NAME: take all jobs, work on new versions of them, and stay.
	shmtest.Register("receiver", func(args []string) {
		w := &world.World{}
		_, err := shm.Attach(args[0], w, nil)
		world.Check(err)
		for range world.Jobs {
			world.Check(claim(w).Free())
		}
		for range world.Jobs {
			_, err := w.Jobs.TryNew()
			world.Check(err)
		}
		fmt.Println("claimed")
		stdin()()
	})
}

// A segment of an earlier boot is refused at attach (LMDB and SQLite reset such
// leftovers by hand-shakes on first open). It can go without force: nobody can be
// attached to it.
func TestEarlierBootCanGo(t *testing.T) {
	_, s := posted(t, nil)
	world.Must(t, s.Close())
	f, err := os.OpenFile(pathOf(s.Name()), os.O_RDWR, 0)
	world.Must(t, err)
	_, err = f.WriteAt([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 72) // the boot id, see docs/format.md
	world.Must(t, err)
	world.Must(t, f.Close())
	if _, err := shm.Open(s.Name(), &world.World{}, nil); !errors.Is(err, shm.ErrBoot) {
		t.Fatalf("opened a segment of an earlier boot: %v", err)
	}
	world.Must(t, shm.Remove(s.Name(), nil, false))
	again, err := shm.Open(s.Name(), &world.World{}, nil)
	world.Must(t, err)
	world.Must(t, again.Remove())
}

// A starter that found a retired segment removed what lay under the name by the
// time it had decided to: a new segment with work in it. (Our own bug, of the kind
// that iceoryx2 had.)
func TestStarterRemovesOnlyTheRetired(t *testing.T) {
	long := 2 * time.Second
	if full {
		long = 30 * time.Second
	}
	w := &world.World{}
	name := shmtest.Name(t)
	s, err := shm.Create(name, w, nil)
	world.Must(t, err)
	world.Must(t, s.Close())
	var ps []*shmtest.Process
	for range 2 {
		p := shmtest.Child(t, "opener", name)
		p.Want("ready")
		ps = append(ps, p)
	}
	resets := 0
	for end := time.Now().Add(long); time.Now().Before(end); {
		if err := shm.Reset(name, nil, false); errors.Is(err, shm.ErrInUse) {
			continue
		} else if err != nil {
			t.Fatalf("after %d resets: %v", resets, err)
		}
		resets++
		w := &world.World{}
		s, err := shm.Attach(name, w, nil)
		if err != nil {
			t.Fatalf("reset number %d: %v", resets, err)
		}
		post(w)
		world.Must(t, s.Close())
		w = &world.World{}
		if s, err = shm.Attach(name, w, nil); err != nil || w.Todo.Len() != 1 {
			t.Fatalf("reset number %d: the job is gone: %v", resets, err)
		}
		world.Must(t, s.Close())
	}
	for _, p := range ps {
		p.Kill()
	}
	t.Logf("%d resets", resets)
	if resets == 0 {
		t.Error("nothing happened")
	}
}

func init() {
	shmtest.Register("opener", func(args []string) {
		fmt.Println("ready")
		for {
			s, err := shm.Open(args[0], &world.World{}, nil)
			if err == nil {
				world.Check(s.Close())
			} else if !told(err) {
				panic(err)
			}
		}
	})
}
