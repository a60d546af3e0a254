package world

import (
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/aotf/sharedmem/shm"
)

// An act is one operation on one of the bare objects. It starts from the state
// that stage makes; ready brings the process to the brink of it, and returns it.
type act struct {
	name     string
	capacity map[string]int               // of the segment, where not the usual one
	more     func(t testing.TB, w *World) // what the state has besides the usual
	ready    func(w *World) func(ack func(string))
	relieve  func(t testing.TB, w *World) // what an operator does before all is well
}

func objectOperations() (list []Operation) {
	for _, a := range slices.Concat(recordActs, queueActs, bagActs, indexActs, blobActs, waitActs, readActs) {
		list = append(list, Operation{
			Name:    a.name,
			Stage:   func(t testing.TB, processes int) string { return stage(t, processes, a.capacity, a.more) },
			Survive: survive,
			Audit: func(t testing.TB, segment string, acks map[string]bool) {
				audit(t, segment, acks, a.relieve)
			},
			Attach: func(segment string) func(ack func(string)) {
				w := &World{segment: segment}
				_, err := shm.Attach(segment, w, nil)
				Check(err)
				return a.ready(w)
			},
		})
	}
	return list
}

// some repeats what found nothing: another process has taken it for a moment.
func some[T any](try func() (T, error)) T {
	for {
		v, err := try()
		if !errors.Is(err, shm.ErrEmpty) && !errors.Is(err, shm.ErrFull) && !errors.Is(err, shm.ErrStale) {
			Check(err)
			return v
		}
		runtime.Gosched()
	}
}

// newJob makes a record that is nobody else's yet.
func newJob(w *World, n uint64) shm.Claim[Job] {
	c := some(w.Jobs.TryNew)
	c.Record().Number = n
	return c
}

// newNamed is newJob for the arena with an index.
func newNamed(w *World, name string, n uint64) shm.Claim[Job] {
	c := some(w.Named.TryNew)
	c.Record().Key, c.Record().Number = KeyOf(name), n
	return c
}

// named is the staged record of that key.
func named(w *World, key string) shm.Ref[Job] {
	r, ok, err := w.ByName.Lookup(KeyOf(key))
	Check(err)
	if !ok {
		panic("no record " + key)
	}
	return r
}

// job is the record of that number.
func job(w *World, n uint64) shm.Ref[Job] {
	for {
		var rec Job
		for r := range w.Jobs.All() {
			if _, err := w.Jobs.Load(r, &rec); err == nil && rec.Number == n {
				return r
			}
		}
	}
}

// fill writes a result that the audit knows again.
func fill(w *World, c shm.Claim[Job]) {
	c.Record().Result.Sum = 1
	Check(c.SetBlob(&w.Data, &c.Record().Result.Text, []byte("result")))
}
