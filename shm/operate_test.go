//go:build linux && (amd64 || arm64)

package shm_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// anchoredApp is an application whose records are anchored by a cell, which no
// description tells.
type anchoredApp struct {
	Items shm.Arena[job]
	Todo  shm.Ring[job]
	Root  shm.Cell
	Lock  shm.Mutex
}

func (a *anchoredApp) Define(l *shm.Layout) {
	a.Items.Anchored = func(r shm.Ref[job], _ *job) bool { return a.Root.Load() == r.Uint64() }
	a.Items.Define(l, "items", 8)
	a.Todo.Define(l, "todo", &a.Items)
	a.Root.Define(l, "root")
	a.Lock.Define(l, "lock")
}

func init() {
	// operate-anchored NAME: make a record, anchor it, take the lock, and wait.
	shmtest.Register("operate-anchored", func(args []string) {
		a := &anchoredApp{}
		_, err := shm.Attach(args[0], a, nil)
		check1(err)
		c, err := a.Items.TryNew()
		check1(err)
		c.Record().Number = 7
		check1(c.Aim(&a.Todo))
		a.Root.CompareAndSwap(0, c.Ref().Uint64())
		_, err = a.Lock.TryLock()
		check1(err)
		fmt.Println("ready")
		stdin()()
	})
}

func inspect(t *testing.T, name string) *shm.Image {
	t.Helper()
	m, err := shm.Inspect(name, nil)
	must(t, err)
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// A sweep without the program frees the lock of the dead, and leaves to the
// program what only the program can judge.
func TestSweepSegment_LeavesWhatItCannotJudge(t *testing.T) {
	a, name := &anchoredApp{}, shmtest.Name(t)
	s, err := shm.Create(name, a, nil)
	must(t, err)
	must(t, s.Close())
	p := shmtest.Child(t, "operate-anchored", name)
	p.Want("ready")
	m := inspect(t, name)
	if held, err := m.Permits("lock"); err != nil || len(held) != 1 || !held[0].Alive || held[0].Died {
		t.Fatalf("%+v %v", held, err)
	}
	p.Kill()
	if held, err := m.Permits("lock"); err != nil || len(held) != 1 || held[0].Alive {
		t.Fatalf("%+v %v", held, err)
	}
	r, err := shm.SweepSegment(t.Context(), name, nil)
	if err != nil || r.Permits != 1 || r.Dead != 0 || r.Freed != 0 {
		t.Fatalf("%+v %v", r, err)
	}
	if held, err := m.Permits("lock"); err != nil || len(held) != 1 || held[0].Held || !held[0].Died {
		t.Fatalf("%+v %v", held, err)
	}
	if list, err := m.Processes(); err != nil || len(list) != 1 || list[0].State != "dead" {
		t.Fatalf("the slot is not left to the program: %+v %v", list, err)
	}
	s, err = shm.Attach(name, a, nil)
	must(t, err)
	_, err = s.Sweep(t.Context())
	must(t, err)
	c, err := a.Todo.TryGet()
	must(t, err)
	if c.Record().Number != 7 {
		t.Error("another record")
	}
	must(t, c.Free())
	shmtest.Verify(t, s)
	must(t, s.Close())
}

func TestSweepSegment_WithoutDoubts(t *testing.T) {
	name := shmtest.Name(t)
	f := &farm{}
	s, err := shm.Create(name, f, nil)
	must(t, err)
	must(t, f.Todo.TryPut(newJob(t, f, "", 1)))
	must(t, s.Close())
	p := shmtest.Child(t, "operate-farm", name)
	p.Want("ready")
	p.Kill()
	r, err := shm.SweepSegment(t.Context(), name, nil)
	if err != nil || r.Posted != 1 || r.Permits != 1 || r.Dead != 1 {
		t.Fatalf("%+v %v", r, err)
	}
	m := inspect(t, name)
	if found, err := m.Verify(); err != nil || len(found) != 0 {
		t.Errorf("%v %v", found, err)
	}
	if q, err := m.Queue("todo"); err != nil || q.Posted != 2 || q.Taken != 1 || q.Oldest == "" {
		t.Errorf("%+v %v", q, err)
	}
	if r, err := shm.SweepSegment(t.Context(), name, nil); err != nil || r != (shm.Report{}) {
		t.Errorf("a second sweep: %+v %v", r, err)
	}
}

func init() {
	// operate-farm NAME: claim a job and the lock, and wait to be killed.
	shmtest.Register("operate-farm", func(args []string) {
		f := &farm{}
		_, err := shm.Attach(args[0], f, nil)
		check1(err)
		_, err = f.Todo.TryGet()
		check1(err)
		_, err = f.Lock.TryLock()
		check1(err)
		fmt.Println("ready")
		stdin()()
	})
}

func TestStopSegment(t *testing.T) {
	f := &farm{}
	s := shmtest.New(t, f, nil)
	must(t, shm.StopSegment(s.Name(), nil))
	if <-s.Done(); !errors.Is(s.Err(), shm.ErrStopped) {
		t.Errorf("the attached see %v", s.Err())
	}
	must(t, shm.StopSegment(s.Name(), nil)) // it is stopped: done
	// A sweep does not start it again.
	_, err := shm.SweepSegment(t.Context(), s.Name(), nil)
	must(t, err)
	if !errors.Is(s.Err(), shm.ErrStopped) {
		t.Errorf("after a sweep the attached see %v", s.Err())
	}
	must(t, s.Close())
	if err := shm.StopSegment(s.Name(), nil); !errors.Is(err, shm.ErrUnused) {
		t.Errorf("nobody is attached: %v", err)
	}
}

func TestKillProcess(t *testing.T) {
	name := shmtest.Name(t)
	f := &farm{}
	s, err := shm.Create(name, f, nil)
	must(t, err)
	must(t, f.Todo.TryPut(newJob(t, f, "", 1)))
	must(t, s.Close())
	p := shmtest.Child(t, "operate-farm", name)
	p.Want("ready")
	m := inspect(t, name)
	list, err := m.Processes()
	if must(t, err); len(list) != 1 || list[0].PID != p.Cmd.Process.Pid {
		t.Fatalf("%+v", list)
	}
	for what, wrong := range map[string]func(*shm.Process){
		"generation":    func(q *shm.Process) { q.Gen++ },
		"slot":          func(q *shm.Process) { q.Slot++ },
		"process id":    func(q *shm.Process) { q.PID = 1 },
		"joined before": func(q *shm.Process) { q.Joined = time.Nanosecond },
	} {
		q := list[0]
		wrong(&q)
		if err := shm.KillProcess(t.Context(), name, q, nil); !errors.Is(err, shm.ErrGone) {
			t.Errorf("another %s: %v", what, err)
		}
	}
	q := list[0]
	if q.Namespace++; shm.KillProcess(t.Context(), name, q, nil) == nil {
		t.Error("a process of another namespace was killed")
	}
	if now, err := m.Processes(); err != nil || len(now) != 1 || now[0].State != "alive" {
		t.Fatalf("it was killed for another: %+v %v", now, err)
	}
	must(t, shm.KillProcess(t.Context(), name, list[0], nil))
	eventually(t, "the kernel lets go of its lock", func() bool {
		now, err := m.Processes()
		must(t, err)
		return now[0].State == "dead"
	})
	if err := shm.KillProcess(t.Context(), name, list[0], nil); !errors.Is(err, shm.ErrGone) {
		t.Errorf("killed twice: %v", err)
	}
}

func TestMoves(t *testing.T) {
	f := &farm{}
	s := shmtest.New(t, f, nil)
	m := inspect(t, s.Name())
	x, err := m.Moves()
	must(t, err)
	look := func() []shm.Move {
		t.Helper()
		list, err := x.Next()
		must(t, err)
		return list
	}
	c := newJob(t, f, "", 1)
	if got := look(); len(got) != 1 || got[0].From.State != "free" || got[0].To.State != "new" || got[0].Same {
		t.Errorf("made: %+v", got)
	}
	must(t, f.Todo.TryPut(c))
	got := look()
	if len(got) != 1 || got[0].To.Queue != "todo" || got[0].To.State != "posted" || !got[0].Same || got[0].Arena != "jobs" {
		t.Errorf("posted: %+v", got)
	}
	if arena, rec, err := m.Find(got[0].Ref); err != nil || arena != "jobs" || rec.Queue != "todo" {
		t.Errorf("%s %+v %v", arena, rec, err)
	}
	if got := look(); len(got) != 0 {
		t.Errorf("nothing moved: %+v", got)
	}
	if c, err = f.Todo.TryGet(); err != nil {
		t.Fatal(err)
	}
	must(t, c.Free())
	if got := look(); len(got) != 1 || got[0].From.Queue != "todo" || got[0].To.State != "free" {
		t.Errorf("freed: %+v", got)
	}
	if _, _, err := m.Find(got[0].Ref); !errors.Is(err, shm.ErrGone) {
		t.Errorf("a freed record: %v", err)
	}
	if !m.Current() {
		t.Error("the segment is said to be gone")
	}
	must(t, s.Remove())
	if m.Current() {
		t.Error("the removed segment is said to be there")
	}
}

func TestIndexInfo(t *testing.T) {
	f := &farm{}
	s := shmtest.New(t, f, nil)
	_, _, err := f.ByName.Insert(newNamed(t, f, "k", 4), &f.Queue)
	must(t, err)
	m := inspect(t, s.Name())
	if x, err := m.Index("by-name"); err != nil || x.Entries != 1 || x.Fullest != 1 || x.Places < 64 || x.Open != 0 {
		t.Errorf("%+v %v", x, err)
	}
	if list, err := m.Claims(); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
}
