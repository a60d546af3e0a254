//go:build linux && (amd64 || arm64)

package shm_test

import (
	"errors"
	"testing"
	"time"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
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

// A record given back into a full ring gets its place when there is one.
func TestRing_ReleaseIntoAFullRing(t *testing.T) {
	modes(t, 2, func(t *testing.T, f *farm, s *shm.Segment) {
		_, second := fullRing(t, f)
		must(t, second.Release())
		c, err := f.Todo.TryGet()
		must(t, err)
		must(t, c.Free())
		eventually(t, "the record is there again", func() bool {
			c, err = f.Todo.TryGet()
			return err == nil
		})
		must(t, c.Free())
	})
}

// Who closes with such a record leaves it to the others, like the dead: whoever
// joined his slot would otherwise keep it from the sweep.
func TestRing_CloseWithAFullRing(t *testing.T) {
	f, g, h := &farm{jobs: 2}, &farm{}, &farm{}
	other := shmtest.New(t, f, nil)
	s, err := shm.Attach(other.Name(), g, nil)
	must(t, err)
	_, second := fullRing(t, g)
	must(t, second.Release())
	must(t, s.Close())
	s, err = shm.Attach(other.Name(), h, nil)
	must(t, err)
	for range 2 {
		var c shm.Claim[job]
		eventually(t, "both records are got", func() bool {
			c, err = f.Todo.TryGet()
			return err == nil
		})
		must(t, c.Free())
	}
	eventually(t, "the slot is free again", func() bool { return len(other.Processes()) == 2 })
	must(t, s.Close())
	shmtest.Verify(t, other)
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
