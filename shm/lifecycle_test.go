//go:build linux && (amd64 || arm64)

package shm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func TestReset(t *testing.T) {
	name := shmtest.Name(t)
	f := &farm{}
	s := create(t, name, f, &shm.Options{Mode: 0o640, Capacity: map[string]int{"jobs": 7, "slots": 2, "processes": 5}})
	must(t, f.Todo.TryPut(newJob(t, f, "", 1)))
	side, err := s.SideFile("notes.txt")
	must(t, err)
	must(t, os.WriteFile(side, []byte("x"), 0o600))
	if err := shm.Reset(name, nil, false); !errors.Is(err, shm.ErrInUse) {
		t.Fatalf("Reset while attached: %v", err)
	}
	if s.Err() != nil || f.Todo.Len() != 1 {
		t.Fatal("a refused Reset has done something")
	}
	errs := blocked2(f, 20)
	must(t, shm.Reset(name, nil, true))
	allReturn(t, errs, shm.ErrRetired)
	ended(t, s, shm.ErrRetired)
	must(t, s.Close())
	for range 2 { // by force, then in peace
		g := &farm{}
		s, err := shm.Attach(name, g, nil)
		must(t, err)
		if g.Jobs.Cap() != 7 || g.Slots.Free() != 2 || g.Todo.Len() != 0 || used(s, "jobs") != 0 {
			t.Fatalf("after Reset: %d records, %d permits, %d waiting", g.Jobs.Cap(), g.Slots.Free(), g.Todo.Len())
		}
		shmtest.Verify(t, s)
		st, err := os.Stat(pathOf(name))
		must(t, err)
		if st.Mode().Perm() != 0o640 {
			t.Fatalf("mode %o after Reset", st.Mode().Perm())
		}
		nothingLeftOf(t, name, true)
		must(t, g.Todo.TryPut(newJob(t, g, "", 1)))
		must(t, s.Close())
		must(t, shm.Reset(name, nil, false))
	}
}

// blocked2 blocks on an empty ring of a farm whose todo is not empty.
func blocked2(f *farm, n int) chan error {
	errs := make(chan error, n)
	for range n {
		go func() {
			_, err := f.Done.Get(context.Background())
			errs <- err
		}()
	}
	return errs
}

func TestRegistryFull(t *testing.T) {
	name := shmtest.Name(t)
	s := create(t, name, &farm{}, &shm.Options{Capacity: map[string]int{"processes": 2}})
	defer s.Close()
	s2, err := shm.Attach(name, &farm{}, nil)
	must(t, err)
	if _, err := shm.Attach(name, &farm{}, nil); !errors.Is(err, shm.ErrFull) {
		t.Fatalf("a third of two: %v", err)
	}
	must(t, s2.Close())
	s3, err := shm.Attach(name, &farm{}, nil)
	must(t, err)
	must(t, s3.Close())
	shmtest.Verify(t, s)
}

// Every registry slot belongs to a dead process that owned records: the next to
// attach takes one over and loses nothing.
func TestAllKilled(t *testing.T) {
	const n = 3
	name := shmtest.Name(t)
	f := &farm{}
	s := create(t, name, f, &shm.Options{Capacity: map[string]int{"processes": n}})
	for i := range n + 1 {
		must(t, f.Todo.TryPut(newJob(t, f, "", uint64(i))))
	}
	must(t, s.Close())
	var ps []*shmtest.Process
	for range n {
		p := shmtest.Child(t, "hog", name)
		p.Want("owning")
		ps = append(ps, p)
	}
	for _, p := range ps { // stopped first: the last to die must not sweep the others
		must(t, p.Cmd.Process.Signal(unix.SIGSTOP))
	}
	for _, p := range ps {
		p.Kill()
	}
	g := &farm{}
	s, err := shm.Attach(name, g, nil)
	must(t, err)
	defer s.Close()
	_, err = s.Sweep(t.Context())
	must(t, err)
	shmtest.Verify(t, s)
	if len(s.Processes()) != 1 || g.Slots.Free() != 3 || used(s, "jobs") != n+1 || g.Todo.Len() != n+1 {
		t.Fatalf("processes %+v, %d permits, %d records, %d waiting", s.Processes(), g.Slots.Free(), used(s, "jobs"), g.Todo.Len())
	}
	for seen := map[uint64]bool{}; len(seen) < n+1; {
		c, err := g.Todo.TryGet()
		must(t, err)
		if k := c.Record().Number; seen[k] || k > n {
			t.Fatalf("job %d twice", k)
		} else {
			seen[k] = true
		}
		must(t, c.Free())
	}
}

func TestNoLeaks(t *testing.T) {
	name := shmtest.Name(t)
	f := &farm{}
	s := create(t, name, f, nil)
	defer s.Close()
	once := func() {
		g := &farm{}
		s, err := shm.Attach(name, g, nil)
		must(t, err)
		must(t, g.Todo.TryPut(newJob(t, g, "", 1)))
		c, err := g.Todo.Get(t.Context())
		must(t, err)
		must(t, c.Free())
		eventually(t, "both openings watch the child", func() bool { return pidfds(t) >= 2 })
		must(t, s.Close())
	}
	fds := func() int {
		l, err := os.ReadDir("/proc/self/fd")
		must(t, err)
		return len(l)
	}
	maps := func() int {
		b, err := os.ReadFile("/proc/self/maps")
		must(t, err)
		return strings.Count(string(b), dirOf()+"/")
	}
	must(t, f.Todo.TryPut(newJob(t, f, "", 1)))
	p := shmtest.Child(t, "holder", name) // a neighbour to be watched
	p.Want("claimed")
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // no finalizer closes for us
	once()                                           // what Go opens once: its poller
	runtime.GC()                                     // mappings alone are left to it
	fds0, maps0, routines := fds(), maps(), runtime.NumGoroutine()
	for range 200 {
		once()
	}
	for range 20 { // refused attaches, too
		if _, err := shm.Attach(name, definer(func(l *shm.Layout) {}), nil); !errors.Is(err, shm.ErrLayout) {
			t.Fatal(err)
		}
	}
	eventually(t, fmt.Sprintf("%d descriptors, %d mappings, %d goroutines again", fds0, maps0, routines), func() bool {
		ok := fds() <= fds0
		runtime.GC()
		return ok && maps() <= maps0 && runtime.NumGoroutine() <= routines
	})
}

// pidfds counts the processes that this one watches.
func pidfds(t *testing.T) (n int) {
	t.Helper()
	l, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, e := range l {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.Contains(to, "pidfd") {
			n++
		}
	}
	return n
}

type definer func(l *shm.Layout)

func (f definer) Define(l *shm.Layout) { f(l) }

func TestTwoOpeningsInOneProcess(t *testing.T) {
	name := shmtest.Name(t)
	f, g := &farm{}, &farm{}
	s := create(t, name, f, nil)
	defer s.Close()
	s2, err := shm.Attach(name, g, nil)
	must(t, err)
	if s.Slot() == s2.Slot() {
		t.Fatal("one slot for both")
	}
	got := make(chan error)
	go func() {
		c, err := g.Todo.Get(limit(t))
		if err == nil {
			err = c.Free()
		}
		got <- err
	}()
	c := newJob(t, f, "", 1)
	must(t, f.Todo.TryPut(c))
	must(t, <-got)
	p, err := g.Lock.TryLock()
	must(t, err)
	if _, err := f.Lock.TryLock(); !errors.Is(err, shm.ErrEmpty) {
		t.Fatalf("locked by both: %v", err)
	}
	// Neither takes the other for dead: its lock is not our lock.
	for range 3 {
		r, err := s.Sweep(t.Context())
		must(t, err)
		if r != (shm.Report{}) {
			t.Fatalf("swept the other opening: %+v", r)
		}
	}
	must(t, p.Release())
	must(t, s2.Close())
	if s.Err() != nil || len(s.Processes()) != 1 {
		t.Fatal("closing one has hurt the other")
	}
	shmtest.Verify(t, s)
}

// Two that remove a segment at the same time take its name from nobody who makes a
// new one meanwhile.
func TestRemove_TwoAndACreator(t *testing.T) {
	name := shmtest.Name(t)
	rounds := 0
	for end := time.Now().Add(time.Second); time.Now().Before(end); rounds++ {
		var both [2]*shm.Segment
		for i := range both {
			var err error
			both[i], err = shm.Open(name, &farm{jobs: 4}, nil)
			must(t, err)
		}
		var fresh *shm.Segment
		var all sync.WaitGroup
		for _, s := range both {
			all.Go(func() { _ = s.Remove() })
		}
		all.Go(func() {
			var err error
			for fresh == nil {
				if fresh, err = shm.Create(name, &farm{jobs: 4}, nil); err != nil && !errors.Is(err, shm.ErrExist) {
					t.Error(err)
					return
				}
			}
		})
		all.Wait()
		if err := fresh.Err(); err != nil {
			t.Fatalf("round %d: the new segment: %v", rounds, err)
		}
		m, err := shm.Inspect(name, nil)
		if err != nil {
			t.Fatalf("round %d: the new segment lost its name: %v", rounds, err)
		}
		must(t, m.Close())
		must(t, fresh.Remove())
	}
	t.Log(rounds, "rounds")
}
