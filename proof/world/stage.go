package world

import (
	"cmp"
	"maps"
	"os"
	"testing"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// staged is where the jobs of the usual state are.
var staged = map[uint64]string{1: "todo", 2: "todo", 3: "picky", 4: "queue", 5: "settled", 6: "done"}

// Stage makes a segment in the usual state, with these capacities where not the
// usual ones. The operation "put" audits it.
func Stage(t testing.TB, processes int, capacity map[string]int) string {
	t.Helper()
	return stage(t, processes, capacity, nil)
}

// stage makes a segment in the usual state, with more in it.
func stage(t testing.TB, processes int, capacity map[string]int, more func(testing.TB, *World)) string {
	t.Helper()
	name := shmtest.Name(t)
	w := &World{segment: name}
	capacity = maps.Clone(capacity)
	if capacity == nil {
		capacity = map[string]int{}
	}
	capacity["processes"] = processes
	s, err := shm.Create(name, w, &shm.Options{Capacity: capacity})
	Must(t, err)
	Must(t, w.Todo.TryPut(newJob(w, 1)))
	Must(t, w.Todo.TryPut(newJob(w, 2)))
	Must(t, w.Picky.Put(newJob(w, 3)))
	insert(w, newNamed(w, "k", 4), &w.Queue)
	c := newNamed(w, "s", 5)
	Must(t, c.SetBlob(&w.Data, &c.Record().Data, []byte("payload")))
	insert(w, c, nil)
	c = newJob(w, 6)
	Must(t, w.Todo.TryPut(c))
	for range 3 {
		c, err := w.Todo.TryGet()
		Must(t, err)
		to := &w.Todo
		if c.Record().Number == 6 {
			fill(w, c)
			to = &w.Done
		}
		Must(t, to.TryPut(c))
	}
	if more != nil {
		more(t, w)
	}
	Must(t, s.Close())
	return name
}

// dir is where segments lie.
func dir() string { return cmp.Or(os.Getenv("SHM_DIR"), shm.DefaultDir) }
