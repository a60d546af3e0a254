//go:build linux && (amd64 || arm64)

package shm_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// two are openings of one segment in two structs, as of two processes.
func two(t *testing.T, jobs int) (f, g *farm, s, other *shm.Segment) {
	t.Helper()
	f, g = &farm{jobs: jobs}, &farm{jobs: jobs}
	s = shmtest.New(t, f, nil)
	other, err := shm.Attach(s.Name(), g, nil)
	must(t, err)
	t.Cleanup(func() { _ = other.Close() })
	return f, g, s, other
}

// Calls that come after Close change nothing of what others have.
func TestLate_AfterClose(t *testing.T) {
	f, g, s, other := two(t, 4)
	ring, bag := newJob(t, f, "r", 1), newJob(t, f, "b", 2)
	refs := []shm.Ref[job]{ring.Ref(), bag.Ref()}
	must(t, f.Todo.TryPut(ring))
	must(t, f.Picky.Put(bag))
	named, _, err := f.ByName.Insert(newNamed(t, f, "n", 3), nil)
	must(t, err)
	must(t, other.Close())
	_, ringErr := g.Todo.Take(refs[0])
	_, bagErr := g.Picky.Take(refs[1])
	_, retireErr := g.Named.Retire(named)
	_, newErr := g.Jobs.TryNew()
	_, getErr := g.Todo.TryGet()
	for i, err := range []error{ringErr, bagErr, g.Picky.Move(refs[1], &g.Urgent), retireErr, newErr, getErr} {
		if !errors.Is(err, shm.ErrClosed) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	for i, r := range refs {
		if st, err := f.Jobs.Stat(r); err != nil || st.State() != shm.Posted || st.Attempt() != 0 {
			t.Errorf("record %d: %v, %v", i, st.State(), err)
		}
	}
	if _, ok, err := f.ByName.Lookup(key("n")); !ok || err != nil {
		t.Error("the indexed record is gone", err)
	}
	shmtest.Verify(t, s)
}

// A second Free of a retired record does not touch who has the memory now.
func TestLate_FreeOfRetired(t *testing.T) {
	f, g, s, _ := two(t, 1)
	c := newJob(t, f, "x", 7)
	must(t, c.Settle())
	retired, err := f.Jobs.Retire(c.Ref())
	must(t, err)
	must(t, retired.Free())
	d := newJob(t, g, "other", 99)
	must(t, d.SetBlob(&g.Data, &d.Record().Data, []byte("payload")))
	for what, err := range map[string]error{"free": retired.Free(), "release": retired.Release(), "put": f.Todo.TryPut(retired)} {
		if !errors.Is(err, shm.ErrStale) {
			t.Errorf("late %s: %v", what, err)
		}
	}
	b, err := g.Data.Append(nil, d.Record().Data)
	if d.Record().Number != 99 || err != nil || string(b) != "payload" {
		t.Errorf("the other's record: %+v, %q, %v", d.Record(), b, err)
	}
	must(t, d.Free())
	shmtest.Verify(t, s)
}

// A late Release does not empty what the next taker writes.
func TestLate_Release(t *testing.T) {
	f, g, s, _ := two(t, 1)
	must(t, f.Done.TryPut(newJob(t, f, "x", 7)))
	late, err := f.Done.TryGet()
	must(t, err)
	must(t, late.Release())
	c, err := g.Done.TryGet()
	must(t, err)
	c.Record().Result.Sum = 5
	if err := late.Release(); !errors.Is(err, shm.ErrStale) {
		t.Error(err)
	}
	if c.Record().Result.Sum != 5 || !c.Valid() {
		t.Errorf("the other's claim: %+v", c.Record())
	}
	must(t, c.Free())
	shmtest.Verify(t, s)
}

// What is inserted is the caller's own record of the index's arena, or nothing.
func TestLate_Insert(t *testing.T) {
	f, g, s, _ := two(t, 1)
	spent := newNamed(t, f, "mine", 7)
	must(t, spent.Free())
	d, err := g.Named.TryNew() // somebody else, still filling it
	must(t, err)
	wrong := newJob(t, f, "", 1)
	for what, c := range map[string]shm.Claim[job]{"spent": spent, "none": {}, "of another arena": wrong} {
		for _, to := range []shm.Queue[job]{nil, &f.Queue} {
			if _, inserted, err := f.ByName.Insert(c, to); inserted || !errors.Is(err, shm.ErrStale) {
				t.Errorf("%s: inserted %v, %v", what, inserted, err)
			}
		}
		if _, _, inserted, err := f.ByName.InsertHeld(c); inserted || !errors.Is(err, shm.ErrStale) {
			t.Errorf("%s, held: inserted %v, %v", what, inserted, err)
		}
	}
	if !wrong.Valid() {
		t.Error("the claim of another arena was spent")
	}
	must(t, wrong.Free())
	d.Record().Key = key("theirs")
	r, inserted, err := g.ByName.Insert(d, nil)
	if !inserted || err != nil {
		t.Fatal(inserted, err)
	}
	shmtest.Verify(t, s)
	retired, err := g.Named.Retire(r)
	must(t, err)
	must(t, retired.Free())
	shmtest.Verify(t, s)
}

// Retired is for good, and what has an index is published through it.
func TestLate_Retired(t *testing.T) {
	f, _, s, _ := two(t, 4)
	r, _, err := f.ByName.Insert(newNamed(t, f, "k", 7), nil)
	must(t, err)
	retired, err := f.Named.Retire(r)
	must(t, err)
	if _, inserted, err := f.ByName.Insert(newNamed(t, f, "k", 8), nil); !inserted || err != nil {
		t.Fatal(inserted, err)
	}
	_, holdErr := retired.Hold()
	for i, err := range []error{f.Queue.TryPut(retired), holdErr, retired.Settle()} {
		if !errors.Is(err, shm.ErrStale) {
			t.Errorf("%d: %v", i, err)
		}
	}
	must(t, retired.Free())
	c := newNamed(t, f, "z", 9)
	if _, err := c.Hold(); !errors.Is(err, shm.ErrNotIndexed) {
		t.Errorf("hold past the index: %v", err)
	}
	must(t, c.Free())
	shmtest.Verify(t, s)
}

// A record that is being freed is gone: nobody reads it while it is emptied.
func TestLoad_WhileItIsFreed(t *testing.T) {
	f := &farm{jobs: 2}
	shmtest.New(t, f, nil)
	var ref atomic.Uint64
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var writer sync.WaitGroup
	writer.Go(func() {
		for ctx.Err() == nil {
			c := newJob(t, f, "aaaaaaaaaaaaaaaa", 1<<40|5)
			c.Record().Result.Sum = 77
			r := c.Ref()
			must(t, c.Settle())
			ref.Store(r.Uint64())
			c, err := f.Jobs.Retire(r)
			must(t, err)
			must(t, c.Free())
		}
	})
	defer writer.Wait()
	for loads := 0; ; {
		if ctx.Err() != nil {
			t.Log(loads, "loads")
			return
		}
		var j job
		if _, err := f.Jobs.Load(shm.RefOf[job](ref.Load()), &j); err == nil {
			if loads++; j.Number != 1<<40|5 || j.Result.Sum != 77 {
				t.Fatalf("half emptied: %+v", j)
			}
		}
	}
}

// The death of a holder is told until somebody has released in good order, which
// closing is not.
func TestPermit_DeathIsToldAfterClose(t *testing.T) {
	f, g, s, other := two(t, 4)
	p := shmtest.Child(t, "locker", s.Name())
	p.Want("locked")
	p.Kill()
	first, err := g.Lock.Lock(t.Context())
	must(t, err)
	must(t, other.Close())
	second, err := f.Lock.Lock(t.Context())
	must(t, err)
	if !first.Recovered() || !second.Recovered() {
		t.Errorf("told: %v, then %v", first.Recovered(), second.Recovered())
	}
	must(t, second.Release())
	third, err := f.Lock.Lock(t.Context())
	must(t, err)
	if third.Recovered() {
		t.Error("told after a release in good order")
	}
	must(t, third.Release())
}

// Taking a record out and giving it back is no way round the limit of attempts, and
// costs none.
func TestTake_Attempts(t *testing.T) {
	f, s, p := held(t)
	p.Want("claimed")
	p.Kill()
	eventually(t, "the job is back", func() bool { return f.Todo.Len() == 1 })
	for r, st := range f.Jobs.All() {
		for range 3 {
			c, err := f.Todo.Take(r)
			must(t, err)
			must(t, c.Release())
			if now, err := f.Jobs.Stat(r); err != nil || now.Attempt() != st.Attempt() || st.Attempt() == 0 {
				t.Fatalf("%d attempts, then %d, %v", st.Attempt(), now.Attempt(), err)
			}
		}
	}
	shmtest.Verify(t, s)
}
