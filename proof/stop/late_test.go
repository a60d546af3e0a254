//go:build crashpoint

package stop

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// Interleavings of two openings, made deterministic: the first stands at a point
// of its own while the second acts. TestMutants shows that each of these tests
// fails without the protection it is about.

// A Free with a spent claim stands before its first CAS, while the record goes to
// the next owner: it must not touch what he writes.
func TestLate_Free(t *testing.T) {
	name := world.Find("put").Stage(t, 64)
	a, b := &world.World{}, &world.World{}
	for _, w := range []*world.World{a, b} {
		s, err := shm.Attach(name, w, nil)
		world.Must(t, err)
		defer s.Close()
	}
	c, err := a.Picky.TryGet(nil)
	world.Must(t, err)
	var next claim
	shm.AtPoint("retire.own", func() {
		world.Must(t, a.Picky.Put(c))
		next, err = b.Picky.TryGet(nil)
		world.Must(t, err)
		next.Record().Result.Sum = 77
		world.Must(t, next.SetBlob(&b.Data, &next.Record().Result.Text, []byte("next owner's")))
	})
	if err := c.Free(); !errors.Is(err, shm.ErrStale) {
		t.Errorf("a late Free: %v", err)
	}
	if next.Ref() != c.Ref() {
		t.Fatal("this was to be the same record")
	}
	text, err := b.Data.Append(nil, next.Record().Result.Text)
	if !next.Valid() || next.Record().Number != 3 || next.Record().Result.Sum != 77 || string(text) != "next owner's" {
		t.Errorf("the next owner's record is touched: %+v %q %v", next.Record(), text, err)
	}
}

// at runs f, and meanwhile, at its n-th access, other. It tells whether f got so
// far.
func at(n int, other func(point string), f func()) (reached bool) {
	shm.AtOwnAccess(int64(n), func(point string) {
		reached = true
		other(point)
	})
	f()
	shm.AtAccess(0, nil)
	return reached
}

// A launch is charged to its address's record, and that record becomes another
// address's at any access in between. The charge counts where it belongs, or not
// at all.
func TestLate_Charge(t *testing.T) {
	addr, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	moved := 0
	for n, through := 1, 0; through < 3; n++ {
		name := shmtest.Name(t)
		capacity := map[string]int{"users": 8, "scans": 2, "legs": 4, "tweets": 4, "threads": 2, "addresses": 1,
			"blobs-256": 4, "blobs-1024": 4, "blobs-4096": 4, "blobs-16384": 2, "blobs-65536": 2}
		a, err := objects.Create(name, &objects.Options{Capacity: capacity, PerAddress: 2})
		world.Must(t, err)
		b, err := objects.Open(name, &objects.Options{Attach: true, PerAddress: 2})
		world.Must(t, err)
		_, _, err = a.Users.Launch(ctx, objects.Query{URL: "old", Address: addr})
		world.Must(t, err)
		c, err := a.Users.Claim(ctx, nil, objects.Step1)
		world.Must(t, err)
		world.Must(t, c.Fail(ctx, objects.NotAnURL)) // the record of the address is idle
		var launched, charged error
		if !at(n, func(string) {
			_, _, charged = b.Users.Launch(ctx, objects.Query{URL: "other", Address: other})
		}, func() {
			_, _, launched = a.Users.Launch(ctx, objects.Query{URL: "new", Address: addr})
		}) {
			through++
			n--
		} else {
			for address, err := range map[netip.Addr]error{addr: launched, other: charged} {
				want := 1
				if err != nil {
					want = 0
				}
				got, e := b.HTTP.Unfinished(ctx, address)
				if e != nil || got != want || err != nil && !errors.Is(err, objects.ErrFull) {
					t.Errorf("at %d: %v has %d unfinished, want %d (%v, %v)", n, address, got, want, err, e)
				}
			}
			if charged == nil {
				moved++
			}
			shmtest.Verify(t, b.Segment())
		}
		world.Must(t, b.Close())
		world.Must(t, a.Close())
		if t.Failed() {
			return
		}
	}
	if moved == 0 {
		t.Error("the record never became the other address's")
	}
}

// An Insert meets, at any of its accesses, that the record which has its key is
// retired, freed, freed and used for another key, or replaced.
func TestLate_Insert(t *testing.T) {
	for _, what := range []string{"retired", "freed", "reused", "replaced"} {
		t.Run(what, func(t *testing.T) {
			decided := 0
			for n, through := 1, 0; through < 3 && !t.Failed(); n++ {
				reached, before := insertMeets(t, what, n)
				if !reached {
					through++
					n--
				}
				if before {
					decided++
				}
			}
			if decided == 0 {
				t.Error("it never came before the decision")
			}
		})
	}
}

func insertMeets(t *testing.T, what string, n int) (reached, before bool) {
	name := shmtest.Name(t)
	a, b := &world.World{}, &world.World{}
	s, err := shm.Create(name, a, nil)
	world.Must(t, err)
	defer s.Close()
	s2, err := shm.Attach(name, b, nil)
	world.Must(t, err)
	defer s2.Close()
	record := func(w *world.World, key string) claim {
		c, err := w.Named.TryNew()
		world.Must(t, err)
		c.Record().Key = world.KeyOf(key)
		return c
	}
	old, _, err := b.ByName.Insert(record(b, "k"), nil)
	world.Must(t, err)
	own := record(a, "k")
	var renewed shm.Ref[world.Job]
	var held claim
	var r shm.Ref[world.Job]
	var inserted bool
	where := ""
	reached = at(n, func(point string) {
		where = point
		st, err := a.Named.Stat(own.Ref())
		before = err == nil && st.State() == shm.New && point != "retire.own"
		held, err = b.Named.Retire(old)
		world.Must(t, err)
		if what == "retired" {
			return
		}
		world.Must(t, held.Free())
		switch what {
		case "reused":
			for i := range b.Named.Cap() - 1 { // whichever place it is in
				_, _, err := b.ByName.Insert(record(b, fmt.Sprint("another ", i)), nil)
				if err != nil {
					t.Error(err)
				}
			}
		case "replaced":
			renewed, _, err = b.ByName.Insert(record(b, "k"), nil)
			world.Must(t, err)
		}
	}, func() { r, inserted, err = a.ByName.Insert(own, nil) })
	world.Must(t, err)
	want, wantNew := own.Ref(), true
	switch {
	case !reached || !before:
		want, wantNew = old, false
	case what == "replaced":
		want, wantNew = renewed, false
	}
	if r != want || inserted != wantNew {
		t.Errorf("at %d, %s: inserted %v (%v), want %v (%v)", n, where, r, inserted, want, wantNew)
	}
	if now, ok, err := b.ByName.Lookup(world.KeyOf("k")); before && (err != nil || !ok || now != want) {
		t.Errorf("at %d, %s: found %v (%v, %v), want %v", n, where, now, ok, err, want)
	}
	if what == "retired" && reached {
		world.Must(t, held.Free())
	}
	shmtest.Verify(t, s)
	return reached, before
}
