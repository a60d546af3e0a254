package world

import (
	"errors"
	"testing"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// stage makes a segment in the state that operations start from.
func stage(t testing.TB, processes int) string {
	t.Helper()
	name := shmtest.Name(t)
	w := &World{}
	s, err := shm.Create(name, w, &shm.Options{Capacity: map[string]int{"processes": processes}})
	Must(t, err)
	Must(t, w.Todo.TryPut(newJob(t, w, "", 1)))
	Must(t, w.Todo.TryPut(newJob(t, w, "", 2)))
	Must(t, w.Picky.Put(newJob(t, w, "", 3)))
	_, _, err = w.ByName.Insert(newNamed(t, w, "k", 4), &w.Queue)
	Must(t, err)
	Must(t, s.Close())
	return name
}

// audit attaches after the death, sweeps, verifies and takes everything out.
func audit(t testing.TB, name string, acks map[string]bool) {
	t.Helper()
	w := &World{}
	s, err := shm.Attach(name, w, nil)
	Must(t, err)
	defer s.Close()
	_, err = s.Sweep(t.Context())
	Must(t, err)
	shmtest.Verify(t, s)
	if r, err := s.Sweep(t.Context()); err != nil || r != (shm.Report{}) {
		t.Errorf("a second sweep found work: %+v %v", r, err)
	}
	if n := len(s.Processes()); n != 1 {
		t.Errorf("%d processes registered: %+v", n, s.Processes())
	}
	// Whatever lags in the ring after the death, it goes on working, also when
	// nothing is got from its head for laps.
	for range 5 * Jobs {
		for r, st := range w.Jobs.All() {
			if st.Queue() == "todo" {
				c, err := w.Todo.Take(r)
				Must(t, err)
				Must(t, w.Todo.TryPut(c))
			}
		}
	}
	where := map[uint64]string{}
	drain := func(q string, get func() (shm.Claim[Job], error)) {
		for {
			c, err := get()
			if errors.Is(err, shm.ErrEmpty) {
				return
			}
			Must(t, err)
			n := c.Record().Number
			if where[n] != "" {
				t.Errorf("job %d is in %s and in %s", n, where[n], q)
			}
			where[n] = q
			Must(t, c.Free())
		}
	}
	names := 0
	for {
		c, err := w.Queue.TryGet()
		if errors.Is(err, shm.ErrEmpty) {
			break
		}
		Must(t, err)
		names++
		if _, ok, _ := w.ByName.Lookup(c.Record().Key); !ok {
			t.Errorf("queued, but not in the index")
		}
		Must(t, c.Free())
	}
	drain("todo", w.Todo.TryGet)
	drain("done", w.Done.TryGet)
	any := func() (shm.Claim[Job], error) { return w.Picky.TryGet(nil) }
	drain("picky", any)
	drain("urgent", func() (shm.Claim[Job], error) { return w.Urgent.TryGet(nil) })
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
		if n := Used(s, o); n != 0 {
			t.Errorf("%s: %d left", o, n)
		}
	}
	for r, st := range w.Named.All() { // settled by a kill between settle and retire
		if st.State() != shm.Settled {
			t.Errorf("record %v is %v", r, st.State())
			continue
		}
		c, err := w.Named.Retire(r)
		Must(t, err)
		Must(t, c.Free())
	}
	if n := Used(s, "named") + Used(s, "data-64") + Used(s, "data-256"); n != 0 {
		t.Errorf("named and blobs: %d left", n)
	}
}

func newJob(t testing.TB, w *World, name string, n uint64) shm.Claim[Job] {
	t.Helper()
	c, err := w.Jobs.TryNew()
	Must(t, err)
	c.Record().Key, c.Record().Number = KeyOf(name), n
	return c
}

func newNamed(t testing.TB, w *World, name string, n uint64) shm.Claim[Job] {
	t.Helper()
	c, err := w.Named.TryNew()
	Must(t, err)
	c.Record().Key, c.Record().Number = KeyOf(name), n
	return c
}
