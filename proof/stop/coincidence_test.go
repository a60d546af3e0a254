//go:build crashpoint && tinywidth

package stop

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// The negative controls: a stalled step is hurt when exactly so many events pass
// that the word it is about to change has its old value again, and by no other
// number. With the real widths that takes 2^24 laps of a ring, less up to one,
// and 2^30 steps of a bucket.

// two openings of a segment.
func two(t *testing.T) (a, b *world.World) {
	t.Helper()
	a, b, _ = twoOf(t)
	return a, b
}

func twoOf(t *testing.T) (a, b *world.World, of *shm.Segment) {
	t.Helper()
	name := shmtest.Name(t)
	a, b = &world.World{}, &world.World{}
	s, err := shm.Create(name, a, nil)
	world.Must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	s, err = shm.Attach(name, b, nil)
	world.Must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return a, b, s
}

// A put stands before it fills its slot, while the ring moves on by n positions.
// When its slot was filled last in a lap of the same number, by the same record in
// a post of the same number, and the tail is not there, the record comes into a
// slot ahead of the tail: it waits until as many more records were put.
func TestCoincidence_RingFill(t *testing.T) {
	const slots = 8
	harmed := 0
	for n := range 2*slots*laps + slots {
		a, b := two(t)
		c, err := a.Jobs.TryNew()
		world.Must(t, err)
		x, err := b.Jobs.TryNew()
		world.Must(t, err)
		round := func(n int) {
			for range n {
				world.Must(t, b.Todo.TryPut(x))
				x, err = b.Todo.TryGet()
				world.Must(t, err)
			}
		}
		round(slots) // every slot has been filled once
		shm.AtPoint("ring.fill", func() {
			round(n)
			world.Must(t, x.Free())
		})
		world.Must(t, a.Todo.TryPut(c))
		_, err = a.Todo.TryGet()
		harm := errors.Is(err, shm.ErrEmpty)
		if used := (n + slots - 1) / slots; harm != (n > 0 && used%laps == 0 && n%(slots*laps) != 0) {
			t.Errorf("%d positions: harm %v (%v)", n, harm, err)
		}
		if harm {
			harmed++
		}
	}
	if harmed == 0 {
		t.Error("no total did harm: this could not see an error of a wrap")
	}
	t.Logf("%d of %d totals did harm", harmed, 2*slots*laps+slots)
}

// A record is taken out of the middle of a ring, goes through another queue n
// times, and comes back, while the head of the ring stands still. When it has the
// same turn as before, its old slot leads to it again: it comes ahead of its turn,
// or a put says once that the ring is full. It comes exactly once, and nothing is
// corrupt. With the real width that takes 65,536 posts of the one record.
func TestCoincidence_Turn(t *testing.T) {
	const slots, turns = 8, 16
	harmed := 0
	for n := range 2*turns + 1 {
		_, w, s := twoOf(t)
		put := func(c claim) { t.Helper(); world.Must(t, w.Todo.TryPut(c)) }
		get := func() claim {
			t.Helper()
			c, err := w.Todo.TryGet()
			world.Must(t, err)
			return c
		}
		var all []claim
		for i := range uint64(slots) {
			c, err := w.Jobs.TryNew()
			world.Must(t, err)
			c.Record().Number = i
			all = append(all, c)
		}
		moved := all[1].Ref()
		put(all[0])
		put(all[1])
		put(all[2])
		c, err := w.Todo.Take(moved)
		world.Must(t, err)
		for range n {
			world.Must(t, w.Picky.Put(c))
			c, err = w.Picky.TryGet(nil)
			world.Must(t, err)
		}
		put(c)
		shmtest.Verify(t, s)
		head := get()
		for _, c := range all[3:] {
			put(c)
		}
		full := w.Todo.TryPut(head) // at the old slot of the record, a lap later
		harm := errors.Is(full, shm.ErrFull)
		if !harm {
			world.Must(t, full)
		}
		if want := (n+1)%turns == 0; harm != want {
			t.Errorf("%d posts elsewhere: harm %v, want %v", n, harm, want)
		}
		shmtest.Verify(t, s)
		var order []uint64
		take := func() {
			c := get()
			order = append(order, c.Record().Number)
			world.Must(t, c.Free())
		}
		want := []uint64{2, 1, 3, 4, 5, 6, 7, 0}
		if harm {
			harmed++
			want = []uint64{1, 2, 3, 4, 5, 6, 7, 0}
			take()
			put(head)
		}
		for len(order) < slots {
			take()
		}
		if _, err := w.Todo.TryGet(); !errors.Is(err, shm.ErrEmpty) || !slices.Equal(order, want) {
			t.Errorf("%d posts elsewhere: got %v, want %v, and then: %v", n, order, want, err)
		}
		shmtest.Verify(t, s)
	}
	if harmed != 2 {
		t.Errorf("%d totals did harm, want 2", harmed)
	}
}

// An insert stands before its decision, while its bucket makes n steps, and its
// key is inserted by another. When the version is the same again, there are two
// records of one key.
func TestCoincidence_Insert(t *testing.T) {
	const versions = 16
	harmed := 0
	for extra := range 2*versions/4 + 1 {
		a, b := two(t)
		key := world.KeyOf("key")
		mate := bucketMate(t, a, key)
		c, err := a.Named.TryNew()
		world.Must(t, err)
		c.Record().Key = key
		insert := func(k world.Key) shm.Ref[world.Job] {
			c, err := b.Named.TryNew()
			world.Must(t, err)
			c.Record().Key = k
			r, inserted, err := b.ByName.Insert(c, nil)
			world.Must(t, err)
			if !inserted {
				t.Fatal("exists")
			}
			return r
		}
		shm.AtPoint("index.insert", func() {
			insert(key)
			m := insert(mate)
			for range extra {
				r, err := b.Named.Retire(m)
				world.Must(t, err)
				world.Must(t, r.Free())
				m = insert(mate)
			}
		})
		_, harm, err := a.ByName.Insert(c, nil)
		world.Must(t, err)
		steps := 4 + 4*extra // an insert and a delete are two each
		if harm != (steps%versions == 0) {
			t.Errorf("%d steps: a second record of the key: %v", steps, harm)
		}
		if harm {
			harmed++
		}
	}
	if harmed == 0 {
		t.Error("no total did harm: this could not see an error of a wrap")
	}
}

// bucketMate finds a key on the same bucket: looking for both touches one line.
func bucketMate(t *testing.T, w *world.World, key world.Key) world.Key {
	t.Helper()
	for i := range 10000 {
		mate := world.KeyOf(fmt.Sprint("mate ", i))
		lines := shm.CountLines(func() {
			_, _, _ = w.ByName.Lookup(key)
			_, _, _ = w.ByName.Lookup(mate)
		})
		if lines == 1 {
			return mate
		}
	}
	t.Fatal("no key on the same bucket")
	return key
}
