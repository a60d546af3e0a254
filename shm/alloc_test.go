package shm_test

import (
	"testing"

	"github.com/aotf/sharedmem/shm"
)

// The way of a record through a ring, and a look at it, leave the garbage
// collector nothing to do.
func TestAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	modes(t, 8, func(t *testing.T, f *farm, s *shm.Segment) {
		stay := newJob(t, f, "stay", 1)
		ref := stay.Ref()
		_, err := stay.Hold()
		must(t, err)
		var j job
		for what, call := range map[string]func() error{
			"new, put, get, free": func() error {
				c, err := f.Jobs.TryNew()
				if err == nil {
					err = f.Todo.TryPut(c)
				}
				if err == nil {
					c, err = f.Todo.TryGet()
				}
				if err == nil {
					err = c.Free()
				}
				return err
			},
			"load": func() error { _, err := f.Jobs.Load(ref, &j); return err },
			"stat": func() error { _, err := f.Jobs.Stat(ref); return err },
			"acquire, release": func() error {
				p, err := f.Slots.TryAcquire()
				if err == nil {
					err = p.Release()
				}
				return err
			},
			"count": func() error { f.Count.Add(0, 1); return nil },
		} {
			var err error
			n := testing.AllocsPerRun(200, func() {
				if e := call(); e != nil {
					err = e
				}
			})
			if n != 0 || err != nil {
				t.Errorf("%s: %v allocations, %v", what, n, err)
			}
		}
	})
}
