package shm_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func newJob(t testing.TB, f *farm, name string, n uint64) shm.Claim[job] {
	t.Helper()
	c, err := f.Jobs.TryNew()
	must(t, err)
	c.Record().Key, c.Record().Number = key(name), n
	return c
}

func newNamed(t testing.TB, f *farm, name string, n uint64) shm.Claim[job] {
	t.Helper()
	c, err := f.Named.TryNew()
	must(t, err)
	c.Record().Key, c.Record().Number = key(name), n
	return c
}

func TestRing_Order(t *testing.T) {
	modes(t, 5, func(t *testing.T, f *farm, s *shm.Segment) {
		for lap := range 50 { // far more than the slots: laps wrap
			for i := range 5 {
				must(t, f.Todo.TryPut(newJob(t, f, "", uint64(lap*10+i))))
			}
			if _, err := f.Jobs.TryNew(); !errors.Is(err, shm.ErrFull) {
				t.Fatalf("a sixth of five records: %v", err)
			}
			if n := f.Todo.Len(); n != 5 {
				t.Fatalf("Len %d", n)
			}
			for i := range 5 {
				c, err := f.Todo.TryGet()
				must(t, err)
				if got := c.Record().Number; got != uint64(lap*10+i) || c.Attempt() != 1 {
					t.Fatalf("got %d attempt %d", got, c.Attempt())
				}
				must(t, c.Free())
				if err := c.Free(); !errors.Is(err, shm.ErrStale) {
					t.Fatalf("second Free: %v", err)
				}
			}
			if _, err := f.Todo.TryGet(); !errors.Is(err, shm.ErrEmpty) {
				t.Fatal(err)
			}
		}
		shmtest.Verify(t, s)
	})
}

func TestRing_TakeFromTheMiddle(t *testing.T) {
	modes(t, 8, func(t *testing.T, f *farm, s *shm.Segment) {
		var refs []shm.Ref[job]
		for i := range 8 {
			c := newJob(t, f, "", uint64(i))
			refs = append(refs, c.Ref())
			must(t, f.Todo.TryPut(c))
		}
		c, err := f.Todo.Take(refs[3])
		must(t, err)
		if _, err := f.Todo.Take(refs[3]); !errors.Is(err, shm.ErrStale) {
			t.Fatal(err)
		}
		// All slots are taken, one of them by a hole: the ring says so, and the
		// claim stays good.
		if err := f.Todo.TryPut(c); !errors.Is(err, shm.ErrFull) {
			t.Fatal(err)
		}
		if !c.Valid() {
			t.Fatal("claim spent by a put that failed")
		}
		first, err := f.Todo.TryGet()
		must(t, err)
		must(t, f.Todo.TryPut(c)) // the head has passed
		must(t, first.Free())
		var got []uint64
		for {
			c, err := f.Todo.TryGet()
			if errors.Is(err, shm.ErrEmpty) {
				break
			}
			must(t, err)
			got = append(got, c.Record().Number)
			must(t, c.Free())
		}
		if want := []uint64{1, 2, 4, 5, 6, 7, 3}; !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		shmtest.Verify(t, s)
	})
}

// A head that nobody may take must not fill the queue, and the others keep
// their order: what a ring cannot do and a bag is for.
func TestBag_BlockedHead(t *testing.T) {
	modes(t, 8, func(t *testing.T, f *farm, s *shm.Segment) {
		must(t, f.Picky.Put(newJob(t, f, "blocked", 0)))
		free := func(_ shm.Ref[job], j *job) bool { return j.Key != key("blocked") }
		next := uint64(1)
		for range 4 {
			must(t, f.Picky.Put(newJob(t, f, "free", next)))
			next++
		}
		for want := uint64(1); want < 800; want++ { // 100 times the capacity
			c, err := f.Picky.TryGet(free)
			must(t, err)
			if c.Record().Number != want {
				t.Fatalf("got %d, want %d", c.Record().Number, want)
			}
			must(t, c.Free())
			must(t, f.Picky.Put(newJob(t, f, "free", next)))
			next++
		}
		if n := f.Picky.Len(); n != 5 {
			t.Fatalf("Len %d", n)
		}
		c, err := f.Picky.TryGet(nil)
		must(t, err)
		if c.Record().Number != 0 {
			t.Fatal("the head lost its place")
		}
		must(t, c.Free())
		shmtest.Verify(t, s)
	})
}

func TestBag_Move(t *testing.T) {
	modes(t, 8, func(t *testing.T, f *farm, s *shm.Segment) {
		var refs []shm.Ref[job]
		for i := range 4 {
			c := newJob(t, f, "", uint64(i))
			refs = append(refs, c.Ref())
			must(t, f.Picky.Put(c))
		}
		must(t, f.Picky.Move(refs[2], &f.Urgent))
		must(t, f.Picky.Move(refs[1], &f.Urgent))
		if err := f.Picky.Move(refs[1], &f.Urgent); !errors.Is(err, shm.ErrStale) {
			t.Fatal(err)
		}
		for _, want := range []uint64{1, 2} { // by age, not by promotion
			c, err := f.Urgent.TryGet(nil)
			must(t, err)
			if c.Record().Number != want {
				t.Fatalf("got %d, want %d", c.Record().Number, want)
			}
		}
		if n := f.Picky.Len(); n != 2 {
			t.Fatalf("Len %d", n)
		}
	})
}

func TestIndex(t *testing.T) {
	modes(t, 100, func(t *testing.T, f *farm, s *shm.Segment) {
		for round := range 20 {
			refs := map[string]shm.Ref[job]{}
			for i := range 99 {
				name := fmt.Sprint("n", round, ".", i)
				c := newNamed(t, f, name, uint64(i))
				r, inserted, err := f.ByName.Insert(c, nil)
				must(t, err)
				if !inserted || r != c.Ref() {
					t.Fatalf("%s: %v %v", name, r, inserted)
				}
				refs[name] = r
				r2, inserted, err := f.ByName.Insert(newNamed(t, f, name, 7), &f.Queue)
				must(t, err)
				if inserted || r2 != r {
					t.Fatalf("second insert of %s: %v %v", name, r2, inserted)
				}
			}
			shmtest.Verify(t, s)
			for name, r := range refs {
				got, ok, err := f.ByName.Lookup(key(name))
				must(t, err)
				if !ok || got != r {
					t.Fatalf("lookup %s: %v %v", name, got, ok)
				}
				c, err := f.Named.Retire(r)
				must(t, err)
				must(t, c.Free())
				if _, ok, _ := f.ByName.Lookup(key(name)); ok {
					t.Fatalf("%s is still there", name)
				}
				var j job
				if _, err := f.Named.Load(r, &j); !errors.Is(err, shm.ErrGone) {
					t.Fatal(err)
				}
			}
		}
	})
}

// A stopped retirer must not hold up a new record of the same key.
func TestIndex_InsertPassesRetiring(t *testing.T) {
	modes(t, 8, func(t *testing.T, f *farm, s *shm.Segment) {
		old, _, err := f.ByName.Insert(newNamed(t, f, "a", 1), nil)
		must(t, err)
		retiring, err := f.Named.Retire(old)
		must(t, err)
		r, inserted, err := f.ByName.Insert(newNamed(t, f, "a", 2), nil)
		must(t, err)
		if !inserted {
			t.Fatal("the retiring record was returned")
		}
		must(t, retiring.Free())
		if got, ok, _ := f.ByName.Lookup(key("a")); !ok || got != r {
			t.Fatal("the late Free removed the new entry")
		}
		shmtest.Verify(t, s)
	})
}

// Two goroutines launch the same names: one record each, and it is posted once.
func TestIndex_Race(t *testing.T) {
	modes(t, 64, func(t *testing.T, f *farm, s *shm.Segment) {
		for round := range 200 {
			var wg sync.WaitGroup
			won := make([]bool, 4)
			refs := make([]shm.Ref[job], 4)
			for g := range won {
				wg.Go(func() {
					c, err := f.Named.TryNew()
					if err != nil {
						t.Error(err)
						return
					}
					c.Record().Key = key(fmt.Sprint(round))
					refs[g], won[g], err = f.ByName.Insert(c, &f.Queue)
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			n := 0
			for g := range won {
				if won[g] {
					n++
				}
				if refs[g] != refs[0] {
					t.Fatal("different records for one key")
				}
			}
			if n != 1 || f.Queue.Len() != 1 {
				t.Fatalf("%d winners, %d posted", n, f.Queue.Len())
			}
			c, err := f.Queue.TryGet()
			must(t, err)
			must(t, c.Free())
		}
		shmtest.Verify(t, s)
	})
}

func TestLoad_Published(t *testing.T) {
	modes(t, 4, func(t *testing.T, f *farm, s *shm.Segment) {
		c := newJob(t, f, "p", 5)
		r := c.Ref()
		var j job
		if _, err := f.Jobs.Load(r, &j); !errors.Is(err, shm.ErrGone) {
			t.Fatalf("a new record is visible: %v", err)
		}
		c.Record().Result.Sum = 99
		must(t, f.Todo.TryPut(c))
		st, err := f.Jobs.Load(r, &j)
		must(t, err)
		if j.Number != 5 || j.Result.Sum != 0 || st.Queue() != "todo" || st.State() != shm.Posted {
			t.Fatalf("%+v %v", j, st)
		}
		c, err = f.Todo.TryGet()
		must(t, err)
		c.Record().Result.Sum = 7
		must(t, f.Done.TryPut(c))
		if _, err := f.Jobs.Load(r, &j); err != nil || j.Result.Sum != 7 {
			t.Fatalf("%+v %v", j, err)
		}
		c, err = f.Done.TryGet()
		must(t, err)
		must(t, c.Settle())
		if _, err := f.Jobs.Load(r, &j); err != nil || j.Result.Sum != 7 {
			t.Fatalf("%+v %v", j, err)
		}
	})
}

// Release empties what the worker had half written and does not count.
func TestClaim_Release(t *testing.T) {
	modes(t, 4, func(t *testing.T, f *farm, s *shm.Segment) {
		must(t, f.Todo.TryPut(newJob(t, f, "", 5)))
		for range 5 {
			c, err := f.Todo.TryGet()
			must(t, err)
			if c.Attempt() != 1 || c.Record().Result.Sum != 0 {
				t.Fatalf("attempt %d, %+v", c.Attempt(), c.Record())
			}
			c.Record().Result.Sum = 1
			must(t, c.SetBlob(&f.Data, &c.Record().Result.Text, []byte("half")))
			must(t, c.Release())
		}
		shmtest.Verify(t, s)
		if n := used(s, "data-64"); n != 0 {
			t.Fatalf("%d blobs leaked", n)
		}
	})
}

// A late Free of a spent claim leaves the record's next owner alone, also in an
// arena without blobs or an index.
func TestClaim_LateFree(t *testing.T) {
	app := &plainApp{}
	s, err := shm.Private(app, nil)
	must(t, err)
	defer s.Close()
	old, err := app.Records.TryNew()
	must(t, err)
	must(t, old.Free())
	next, err := app.Records.TryNew() // the same memory: there is no other
	must(t, err)
	next.Record().X = 7
	if err := old.Free(); !errors.Is(err, shm.ErrStale) {
		t.Fatal(err)
	}
	if next.Record().X != 7 || !next.Valid() {
		t.Fatal("a late Free has touched the next owner's record")
	}
	must(t, next.Free())
}

type plainApp struct {
	Records shm.Arena[struct{ X uint64 }]
}

func (a *plainApp) Define(l *shm.Layout) { a.Records.Define(l, "records", 1) }

func used(s *shm.Segment, object string) int {
	for _, o := range s.Stats().Objects {
		if o.Name == object {
			return o.Used
		}
	}
	return -1
}

func TestBlobs(t *testing.T) {
	modes(t, 4, func(t *testing.T, f *farm, s *shm.Segment) {
		c := newJob(t, f, "", 1)
		r := c.Ref()
		for _, n := range []int{1, 63, 64, 65, 256, 0, 8} {
			want := strings.Repeat("x", n)
			must(t, c.SetBlob(&f.Data, &c.Record().Data, []byte(want)))
			got, err := f.Data.Append(nil, c.Record().Data)
			must(t, err)
			if string(got) != want {
				t.Fatalf("%d bytes: %q", n, got)
			}
		}
		if err := c.SetBlob(&f.Data, &c.Record().Data, make([]byte, 257)); !errors.Is(err, shm.ErrTooLarge) {
			t.Fatal(err)
		}
		must(t, f.Todo.TryPut(c))
		if used(s, "data-64")+used(s, "data-256") != 1 {
			t.Fatal("blobs leaked")
		}
		var j job
		_, err := f.Jobs.Load(r, &j)
		must(t, err)
		c, err = f.Todo.TryGet()
		must(t, err)
		must(t, c.Free())
		if _, err := f.Data.Append(nil, j.Data); !errors.Is(err, shm.ErrGone) {
			t.Fatal(err)
		}
		if used(s, "data-64")+used(s, "data-256") != 0 {
			t.Fatal("blobs leaked")
		}
		shmtest.Verify(t, s)
	})
}

func TestSemaphore(t *testing.T) {
	modes(t, 4, func(t *testing.T, f *farm, s *shm.Segment) {
		var ps []shm.Permit
		for range 3 {
			p, err := f.Slots.TryAcquire()
			must(t, err)
			ps = append(ps, p)
		}
		if _, err := f.Slots.TryAcquire(); !errors.Is(err, shm.ErrEmpty) {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, err := f.Slots.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		must(t, ps[1].Release())
		p, err := f.Slots.TryAcquire()
		must(t, err)
		// The late second Release must not free the sibling's permit.
		if err := ps[1].Release(); !errors.Is(err, shm.ErrStale) {
			t.Fatal(err)
		}
		if f.Slots.Free() != 0 {
			t.Fatal("permit freed by a stranger")
		}
		must(t, p.Release())
		must(t, ps[0].Release())
		must(t, ps[2].Release())
	})
}

func TestBlocking(t *testing.T) {
	modes(t, 500, func(t *testing.T, f *farm, s *shm.Segment) {
		const n = 400 // far more than the direct sleepers
		got := make(chan uint64, n)
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				c, err := f.Todo.Get(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				got <- c.Record().Number
				if err := c.Free(); err != nil {
					t.Error(err)
				}
			})
		}
		for i := range n {
			c, err := f.Jobs.New(t.Context())
			must(t, err)
			c.Record().Number = uint64(i)
			must(t, f.Todo.Put(t.Context(), c))
		}
		wg.Wait()
		seen := map[uint64]bool{}
		for range n {
			seen[<-got] = true
		}
		if len(seen) != n {
			t.Fatalf("%d of %d delivered", len(seen), n)
		}
		shmtest.Verify(t, s)
	})
}

func TestStop_WakesEverybody(t *testing.T) {
	modes(t, 4, func(t *testing.T, f *farm, s *shm.Segment) {
		const n = 40
		errs := make(chan error, n)
		for range n {
			go func() {
				_, err := f.Todo.Get(context.Background())
				errs <- err
			}()
		}
		s.Stop()
		for range n {
			if err := <-errs; !errors.Is(err, shm.ErrStopped) {
				t.Fatal(err)
			}
		}
		<-s.Done()
	})
}

func TestClose_GivesBack(t *testing.T) {
	f, g := &farm{}, &farm{}
	s := shmtest.New(t, f, nil)
	s2, err := shm.Attach(s.Name(), g, nil)
	must(t, err)
	must(t, f.Todo.TryPut(newJob(t, f, "", 1)))
	c, err := g.Todo.TryGet()
	must(t, err)
	_, err = g.Jobs.TryNew()
	must(t, err)
	_, err = g.Lock.TryLock()
	must(t, err)
	blocked := make(chan error)
	go func() {
		_, err := g.Todo.Get(context.Background())
		blocked <- err
	}()
	err = s2.Close()
	var busy *shm.BusyError
	if !errors.As(err, &busy) || len(busy.Claims) != 2 {
		t.Fatalf("Close: %v", err)
	}
	if err := <-blocked; !errors.Is(err, shm.ErrClosed) {
		t.Fatal(err)
	}
	if err := c.Free(); !errors.Is(err, shm.ErrStale) {
		t.Fatalf("a claim after Close: %v", err)
	}
	c, err = f.Todo.TryGet()
	must(t, err)
	if c.Attempt() != 1 {
		t.Fatalf("attempt %d: a clean Close must not count", c.Attempt())
	}
	p, err := f.Lock.TryLock()
	must(t, err)
	if p.Recovered() {
		t.Fatal("a clean Close is no death")
	}
	if n := used(s, "jobs"); n != 1 {
		t.Fatalf("%d records used", n)
	}
	shmtest.Verify(t, s)
}
