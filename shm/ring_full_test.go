//go:build linux && (amd64 || arm64)

package shm_test

import (
	"errors"
	"testing"
	"time"

	"github.com/aotf/sharedmem/shm"
)

// fullRing leaves todo, of two slots, full: the first record waits at its head, the
// slot behind is that of the second record, which was taken from the middle.
func fullRing(t *testing.T, f *farm) (waits shm.Ref[job], taken shm.Claim[job]) {
	t.Helper()
	a, b := newJob(t, f, "", 1), newJob(t, f, "", 2)
	must(t, f.Todo.TryPut(a))
	must(t, f.Todo.TryPut(b))
	taken, err := f.Todo.Take(b.Ref())
	must(t, err)
	if err := f.Todo.TryPut(taken); !errors.Is(err, shm.ErrFull) {
		t.Fatalf("put into a full ring: %v", err)
	}
	return a.Ref(), taken
}

// A Put that waits for a slot is woken by whoever claims the record at the head:
// without a wake-up, one in a private segment waits for ever.
func TestRing_PutIsWokenByTheClaimOfTheHead(t *testing.T) {
	for name, claim := range map[string]func(f *farm, r shm.Ref[job]) (shm.Claim[job], error){
		"get":  func(f *farm, _ shm.Ref[job]) (shm.Claim[job], error) { return f.Todo.TryGet() },
		"take": func(f *farm, r shm.Ref[job]) (shm.Claim[job], error) { return f.Todo.Take(r) },
	} {
		t.Run(name, func(t *testing.T) {
			f := &farm{jobs: 2}
			s, err := shm.Private(f, nil)
			must(t, err)
			head, second := fullRing(t, f)
			put := make(chan error, 1)
			go func() { put <- f.Todo.Put(t.Context(), second) }()
			eventually(t, "the put sleeps", func() bool { return waitsFor(s, "jobs (room)") })
			time.Sleep(10 * time.Millisecond) // it says so just before it does
			c, err := claim(f, head)
			must(t, err)
			select {
			case err := <-put:
				must(t, err)
			case <-time.After(30 * time.Second):
				t.Error("the put still sleeps")
			}
			must(t, c.Free())
			c, err = f.Todo.TryGet()
			must(t, err)
			must(t, c.Free())
			must(t, s.Close())
		})
	}
}

// However many records were taken from the middle, a get passes their slots.
func TestRing_GetPassesAMillionTakenRecords(t *testing.T) {
	const n = 1<<20 + 10
	var small struct {
		arena shm.Arena[struct{ N uint64 }]
		ring  shm.Ring[struct{ N uint64 }]
	}
	s, err := shm.Private(definer(func(l *shm.Layout) {
		small.arena.Define(l, "small", n)
		small.ring.Define(l, "line", &small.arena)
	}), nil)
	must(t, err)
	for i := range n {
		c, err := small.arena.TryNew()
		must(t, err)
		must(t, small.ring.TryPut(c))
		if i < n-1 {
			c, err = small.ring.Take(c.Ref())
			must(t, err)
			must(t, c.Free())
		}
	}
	c, err := small.ring.TryGet()
	must(t, err)
	must(t, c.Free())
	must(t, s.Close())
}
