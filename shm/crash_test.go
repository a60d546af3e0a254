//go:build crashpoint

package shm_test

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// Every operation is killed at every access to a shared word, before and after
// it. Afterwards a process attaches, sweeps and counts: everything acknowledged
// is there exactly once, nothing is owned by the dead, nothing has leaked.

const crashJobs = 6

// operations are run by a child that is killed in the middle. Each starts on a
// segment with two jobs in todo (1, 2), one in picky (3) and one in queue ("k").
// ack tells the parent what the operation has acknowledged.
var operations = map[string]func(f *farm, s *shm.Segment, ack func(string)){
	"put": func(f *farm, s *shm.Segment, ack func(string)) {
		c, err := f.Jobs.TryNew()
		check(err)
		c.Record().Number = 10
		check(f.Todo.TryPut(c))
		ack("posted 10")
	},
	"get-free": func(f *farm, s *shm.Segment, ack func(string)) {
		c, err := f.Todo.TryGet()
		check(err)
		check(c.Free())
		ack("freed 1")
	},
	"drain": func(f *farm, s *shm.Segment, ack func(string)) {
		ack("draining")
		for range 2 {
			c, err := f.Todo.TryGet()
			check(err)
			check(c.Free())
		}
		ack("freed 1")
	},
	"get-put": func(f *farm, s *shm.Segment, ack func(string)) {
		c, err := f.Todo.TryGet()
		check(err)
		c.Record().Result.Sum = 1
		check(c.SetBlob(&f.Data, &c.Record().Result.Text, []byte("result")))
		check(c.SetBlob(&f.Data, &c.Record().Result.Text, []byte("better")))
		check(f.Done.TryPut(c))
		ack("done 1")
	},
	"get-release": func(f *farm, s *shm.Segment, ack func(string)) {
		c, err := f.Todo.TryGet()
		check(err)
		check(c.Release())
	},
	"bag": func(f *farm, s *shm.Segment, ack func(string)) {
		c, err := f.Picky.TryGet(func(_ shm.Ref[job], j *job) bool { return j.Number == 3 })
		check(err)
		r := c.Ref()
		check(f.Picky.Put(c))
		check(f.Picky.Move(r, &f.Urgent))
		c, err = f.Urgent.Take(r)
		check(err)
		check(f.Picky.Put(c))
	},
	"launch": func(f *farm, s *shm.Segment, ack func(string)) {
		c, err := f.Named.TryNew()
		check(err)
		c.Record().Key = key("new")
		check(c.SetBlob(&f.Data, &c.Record().Data, []byte("payload")))
		_, ok, err := f.ByName.Insert(c, &f.Queue)
		check(err)
		if ok {
			ack("launched")
		}
	},
	"launch-existing": func(f *farm, s *shm.Segment, ack func(string)) {
		c, err := f.Named.TryNew()
		check(err)
		c.Record().Key = key("k")
		_, ok, err := f.ByName.Insert(c, &f.Queue)
		check(err)
		if ok {
			panic("two records of one key")
		}
	},
	"settle-retire": func(f *farm, s *shm.Segment, ack func(string)) {
		c, err := f.Queue.TryGet()
		check(err)
		r := c.Ref()
		check(c.SetBlob(&f.Data, &c.Record().Data, []byte("payload")))
		check(c.Settle())
		c, err = f.Named.Retire(r)
		check(err)
		check(c.Free())
		ack("retired")
	},
	"hold": func(f *farm, s *shm.Segment, ack func(string)) {
		c, err := f.Named.TryNew()
		check(err)
		c.Record().Key = key("held")
		held, _, _, err := f.ByName.InsertHeld(c)
		check(err)
		check(held.Free())
	},
	"semaphore": func(f *farm, s *shm.Segment, ack func(string)) {
		p, err := f.Slots.TryAcquire()
		check(err)
		check(p.Release())
		p, err = f.Lock.TryLock()
		check(err)
		check(p.Release())
	},
	"close": func(f *farm, s *shm.Segment, ack func(string)) {
		_, err := f.Todo.TryGet()
		check(err)
		_, err = f.Slots.TryAcquire()
		check(err)
		_ = s.Close()
	},
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func init() {
	// crash-op NAME OPERATION N: kill yourself at the N-th access of the operation.
	shmtest.Register("crash-op", func(args []string) {
		f := &farm{jobs: crashJobs}
		s, err := shm.Attach(args[0], f, nil)
		check(err)
		n, err := strconv.ParseInt(args[2], 10, 64)
		check(err)
		shm.CrashAfter(n)
		operations[args[1]](f, s, func(line string) { fmt.Println(line) })
		shm.CrashAfter(0)
		fmt.Println("end")
	})
	// crash-attach NAME N: kill yourself at the N-th access of attach and leave.
	shmtest.Register("crash-attach", func(args []string) {
		n, err := strconv.ParseInt(args[1], 10, 64)
		check(err)
		shm.CrashAfter(n)
		s, err := shm.Attach(args[0], &farm{jobs: crashJobs}, nil)
		check(err)
		check(s.Close())
		shm.CrashAfter(0)
		fmt.Println("end")
	})
	shmtest.Register("crash-create", func(args []string) {
		n, err := strconv.ParseInt(args[1], 10, 64)
		check(err)
		shm.CrashAfter(n)
		_, err = shm.Create(args[0], &farm{jobs: 2}, nil)
		check(err)
		shm.CrashAfter(0)
		fmt.Println("end")
	})
	// crash-mess NAME: leave as much half done as one process can, and die.
	shmtest.Register("crash-mess", func(args []string) {
		f := &farm{jobs: crashJobs}
		s, err := shm.Attach(args[0], f, nil)
		check(err)
		c, err := f.Todo.TryGet()
		check(err)
		check(c.SetBlob(&f.Data, &c.Record().Result.Text, []byte("half")))
		_, err = f.Picky.TryGet(nil)
		check(err)
		c, err = f.Jobs.TryNew()
		check(err)
		check(c.SetBlob(&f.Data, &c.Record().Data, []byte("new")))
		c, err = f.Jobs.TryNew()
		check(err)
		_, err = c.Hold()
		check(err)
		_, err = f.Slots.TryAcquire()
		check(err)
		_, err = f.Lock.TryLock()
		check(err)
		c, err = f.Named.TryNew()
		check(err)
		c.Record().Key = key("held")
		_, _, _, err = f.ByName.InsertHeld(c)
		check(err)
		c, err = f.Queue.TryGet()
		check(err)
		r := c.Ref()
		check(c.Settle())
		_, err = f.Named.Retire(r)
		check(err)
		_ = s
		fmt.Println("end")
		p, _ := os.FindProcess(os.Getpid())
		_ = p.Kill() // no Close, no goodbye
		select {}
	})
	shmtest.Register("crash-sweep", func(args []string) {
		f := &farm{jobs: crashJobs}
		n, err := strconv.ParseInt(args[1], 10, 64)
		check(err)
		shm.CrashAfter(n)
		s, err := shm.Attach(args[0], f, nil)
		check(err)
		_, err = s.Sweep(tctx)
		check(err)
		shm.CrashAfter(0)
		fmt.Println("end")
	})
}

// stage makes a segment in the state that operations start from.
func stage(t *testing.T, processes int) string {
	t.Helper()
	name := shmtest.Name(t)
	f := &farm{jobs: crashJobs}
	s, err := shm.Create(name, f, &shm.Options{Capacity: map[string]int{"processes": processes}})
	must(t, err)
	must(t, f.Todo.TryPut(newJob(t, f, "", 1)))
	must(t, f.Todo.TryPut(newJob(t, f, "", 2)))
	must(t, f.Picky.Put(newJob(t, f, "", 3)))
	_, _, err = f.ByName.Insert(newNamed(t, f, "k", 4), &f.Queue)
	must(t, err)
	must(t, s.Close())
	return name
}

// audit attaches after the death, sweeps, verifies and takes everything out.
func audit(t *testing.T, name string, acks map[string]bool) {
	t.Helper()
	f := &farm{jobs: crashJobs}
	s, err := shm.Attach(name, f, nil)
	must(t, err)
	defer s.Close()
	_, err = s.Sweep(t.Context())
	must(t, err)
	shmtest.Verify(t, s)
	if r, err := s.Sweep(t.Context()); err != nil || r != (shm.Report{}) {
		t.Errorf("a second sweep found work: %+v %v", r, err)
	}
	if n := len(s.Processes()); n != 1 {
		t.Errorf("%d processes registered: %+v", n, s.Processes())
	}
	// Whatever lags in the ring after the death, it goes on working, also when
	// nothing is got from its head for laps.
	for range 5 * crashJobs {
		for r, st := range f.Jobs.All() {
			if st.Queue() == "todo" {
				c, err := f.Todo.Take(r)
				must(t, err)
				must(t, f.Todo.TryPut(c))
			}
		}
	}
	where := map[uint64]string{}
	drain := func(q string, get func() (shm.Claim[job], error)) {
		for {
			c, err := get()
			if errors.Is(err, shm.ErrEmpty) {
				return
			}
			must(t, err)
			n := c.Record().Number
			if where[n] != "" {
				t.Errorf("job %d is in %s and in %s", n, where[n], q)
			}
			where[n] = q
			must(t, c.Free())
		}
	}
	names := 0
	for {
		c, err := f.Queue.TryGet()
		if errors.Is(err, shm.ErrEmpty) {
			break
		}
		must(t, err)
		names++
		if _, ok, _ := f.ByName.Lookup(c.Record().Key); !ok {
			t.Errorf("queued, but not in the index")
		}
		must(t, c.Free())
	}
	drain("todo", f.Todo.TryGet)
	drain("done", f.Done.TryGet)
	any := func() (shm.Claim[job], error) { return f.Picky.TryGet(nil) }
	drain("picky", any)
	drain("urgent", func() (shm.Claim[job], error) { return f.Urgent.TryGet(nil) })
	for n, q := range map[uint64][]string{2: {"todo"}, 3: {"picky", "urgent"}} {
		if where[n] != q[0] && where[n] != q[len(q)-1] && !(n == 2 && acks["draining"] && where[n] == "") {
			t.Errorf("job %d is in %q, want %v", n, where[n], q)
		}
	}
	switch {
	case acks["freed 1"] && where[1] != "":
		t.Errorf("freed job 1 came back in %s", where[1])
	case acks["done 1"] && where[1] != "done":
		t.Errorf("finished job 1 is in %q", where[1])
	case acks["posted 10"] && where[10] != "todo":
		t.Errorf("posted job 10 is in %q", where[10])
	case acks["launched"] && names != 2:
		t.Errorf("launched, and %d in the queue", names)
	case acks["retired"] && names != 0:
		t.Errorf("retired, and %d in the queue", names)
	}
	for _, o := range []string{"jobs", "slots", "lock"} {
		if n := used(s, o); n != 0 {
			t.Errorf("%s: %d left", o, n)
		}
	}
	for r, st := range f.Named.All() { // settled by a kill between settle and retire
		if st.State() != shm.Settled {
			t.Errorf("record %v is %v", r, st.State())
			continue
		}
		c, err := f.Named.Retire(r)
		must(t, err)
		must(t, c.Free())
	}
	if n := used(s, "named") + used(s, "data-64") + used(s, "data-256"); n != 0 {
		t.Errorf("named and blobs: %d left", n)
	}
}

// each runs test for n = 1, 2, ... until a child survives.
func each(t *testing.T, run func(t *testing.T, n int) (survived bool)) {
	for n := 1; ; n++ {
		survived := false
		ok := t.Run(fmt.Sprint("at=", n), func(t *testing.T) { survived = run(t, n) })
		if !ok {
			t.Fatal("stopped at the first failure")
		}
		if survived {
			t.Logf("%d points", n-1)
			if n < 10 {
				t.Errorf("only %d points: the operation was not instrumented", n-1)
			}
			return
		}
	}
}

// lines reads the child's output to its end.
func lines(p *shmtest.Process) map[string]bool {
	acks := map[string]bool{}
	for {
		line, ok := p.Line()
		if !ok {
			// A thread that runs on until the signal reaches it may still have
			// said "end": the exit status decides.
			if p.Wait() != nil {
				delete(acks, "end")
			}
			return acks
		}
		acks[line] = true
	}
}

func TestCrash_Operations(t *testing.T) {
	for op := range operations {
		t.Run("op="+op, func(t *testing.T) {
			each(t, func(t *testing.T, n int) bool {
				name := stage(t, 64)
				acks := lines(shmtest.Child(t, "crash-op", name, op, fmt.Sprint(n)))
				audit(t, name, acks)
				return acks["end"]
			})
		})
	}
}

func TestCrash_Attach(t *testing.T) {
	each(t, func(t *testing.T, n int) bool {
		name := stage(t, 64)
		acks := lines(shmtest.Child(t, "crash-attach", name, fmt.Sprint(n)))
		audit(t, name, acks)
		return acks["end"]
	})
}

// Creation is killed at each step: the name leads to nothing, or to a whole
// segment.
func TestCrash_Create(t *testing.T) {
	steps := 0
	for n := int64(1); ; n++ {
		name := shmtest.Name(t)
		acks := lines(shmtest.Child(t, "crash-create", name, fmt.Sprint(n)))
		s, err := shm.Open(name, &farm{jobs: 2}, nil)
		must(t, err)
		_, err = s.Sweep(t.Context())
		must(t, err)
		shmtest.Verify(t, s)
		if len(s.Processes()) != 1 {
			t.Fatalf("at=%d: %+v", n, s.Processes())
		}
		must(t, s.Remove())
		steps++
		if acks["end"] {
			break
		}
		// Most accesses of a creation fill bitmaps; every step is tried, the
		// filling in strides.
		if steps > 40 {
			n += 16
		}
	}
	t.Logf("%d kills", steps)
}

// The recoverer dies too, at each of its points. With one slot in the registry
// it takes the dead process's own, and puts back what that left before anything
// else.
func TestCrash_Sweeper(t *testing.T) {
	for _, processes := range []int{64, 1} {
		t.Run(fmt.Sprint("processes=", processes), func(t *testing.T) { crashSweeper(t, processes) })
	}
}

func crashSweeper(t *testing.T, processes int) {
	each(t, func(t *testing.T, n int) bool {
		name := stage(t, processes)
		p := shmtest.Child(t, "crash-mess", name)
		p.Want("end")
		_ = p.Wait()
		n = 3*n - 2 // a third of the points, in every run the same
		acks := lines(shmtest.Child(t, "crash-sweep", name, fmt.Sprint(n)))
		audit(t, name, nil)
		return acks["end"]
	})
}
