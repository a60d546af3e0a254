package world

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aotf/sharedmem/shm"
)

// survive works on the same objects as a process that dies: with jobs of its own
// (from 1000 on), and with whatever else comes to its hands, which it puts back.
func survive(t testing.TB, segment string) *Company { return work(t, segment, false) }

// outlive is survive on a segment that is stopped or ended meanwhile.
func outlive(t testing.TB, segment string) *Company { return work(t, segment, true) }

func work(t testing.TB, segment string, ends bool) *Company {
	t.Helper()
	w := &World{segment: segment}
	s, err := shm.Attach(segment, w, nil)
	Must(t, err)
	x := &survivor{t: t, s: s, w: w, ends: ends, at: map[uint64]string{}}
	return accompany(t, s, x.round, func() map[string]bool {
		if err := s.Close(); err != nil {
			t.Errorf("the survivor held something: %v", err)
		}
		acks := map[string]bool{fmt.Sprint("adds ", x.adds): true}
		for n, place := range x.at {
			acks[fmt.Sprint("had ", n, " ", place)] = true
		}
		return acks
	})
}

type survivor struct {
	t    testing.TB
	s    *shm.Segment
	w    *World
	ends bool              // the segment may
	at   map[uint64]string // where its own jobs are, as far as it did it
	adds int
}

func (x *survivor) must(err error) {
	if x.ends && (errors.Is(err, shm.ErrStopped) || errors.Is(err, shm.ErrRetired)) {
		return
	}
	if err != nil {
		x.t.Errorf("survivor: %v", err)
	}
}

// round makes one job and one named job, takes one of each, and uses the rest. At
// times it sweeps: that must not touch what a living process has.
func (x *survivor) round(c *Company, k int) {
	w, n := x.w, 1000+uint64(k)
	if k%8 == 7 && !c.alone.Load() {
		_, err := x.s.Sweep(ctx)
		x.must(err)
	}
	if c, err := w.Jobs.TryNew(); err == nil {
		c.Record().Number = n
		if x.at[n] = "free"; w.Todo.TryPut(c) == nil {
			x.at[n] = "todo"
		} else {
			x.must(c.Free())
		}
	}
	if c, err := w.Todo.TryGet(); err == nil {
		if n := c.Record().Number; x.at[n] != "" {
			x.at[n] = "free"
			x.must(c.Free())
		} else {
			x.must(c.Release())
		}
	}
	if c, err := w.Picky.TryGet(nil); err == nil {
		x.must(w.Picky.Put(c))
	}
	x.named(n)
	if p, err := w.Slots.TryAcquire(); err == nil {
		x.must(p.Release())
	}
	if p, err := w.Lock.TryLock(); err == nil {
		x.must(p.Release())
	}
	w.Count.Add(0, 1)
	x.adds++
	w.Change.Signal()
}

func (x *survivor) named(n uint64) {
	w := x.w
	n += 1 << 20
	if c, err := w.Named.TryNew(); err == nil {
		c.Record().Key, c.Record().Number = KeyOf(fmt.Sprint("own ", n)), n
		_ = c.SetBlob(&w.Data, &c.Record().Data, []byte("own")) // full: without
		_, ok, err := w.ByName.Insert(c, &w.Queue)
		if x.at[n] = "free"; ok {
			x.at[n] = "queue"
		} else if !errors.Is(err, shm.ErrFull) {
			x.t.Errorf("survivor: own key is not new: %v", err)
		}
	}
	c, err := w.Queue.TryGet()
	if err != nil {
		return
	}
	k := c.Record().Number
	if x.at[k] == "" {
		x.must(c.Release())
		return
	}
	x.at[k] = "free"
	r := c.Ref()
	x.must(c.Settle())
	c, err = w.Named.Retire(r)
	x.must(err)
	x.must(c.Free())
}
