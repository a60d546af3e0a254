//go:build crashpoint

package stop

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
)

// tree are others on AOTF's tree: they bring a user and a scan of their own the
// whole way. What they claim of others on it they give back.
type tree struct {
	*meter
	t      *testing.T
	m      *objects.SharedMemory
	serial int64
	lister *listing // of a scan of our own that is never done with
}

func newTree(t *testing.T, m *meter, name string) *tree {
	x, err := objects.Open(name, &objects.Options{Attach: true})
	world.Must(t, err)
	return &tree{meter: m, t: t, m: x, serial: 50}
}

func (x *tree) segment() *shm.Segment { return x.m.Segment() }

func (x *tree) close() (acks map[string]bool) {
	if x.lister != nil {
		world.Must(x.t, x.lister.ListingClaim.Release(ctx))
	}
	world.Must(x.t, x.m.Close())
	return map[string]bool{"company": true, "shedding": true} // what ends makes room for ours
}

func (x *tree) do(what string, f func() error) {
	x.t.Helper()
	if err := x.call(x.t, what, f); err != nil {
		x.t.Fatalf("at %s: %s: %v", x.point, what, err)
	}
}

// own claims until it has one of ours, and gives the others back then.
func own[C interface{ Release() error }](x *tree, what string, claim func() (C, error), ours func(C) bool) (found C) {
	var others []C
	for range 64 {
		var c C
		x.do(what, func() (err error) { c, err = claim(); return err })
		if ours(c) {
			for _, o := range others {
				x.do("release", o.Release)
			}
			return c
		}
		others = append(others, c)
	}
	x.t.Fatalf("at %s: %s: ours is not among %d", x.point, what, len(others))
	return found
}

func (x *tree) cycle(midway func()) {
	x.t.Helper()
	x.serial++
	x.user(midway)
	if x.serial <= 52 { // there is room for three scans, and they are kept for a day
		x.scan()
	} else {
		x.tweet()
	}
	x.do("counts", func() error { _, err := x.m.Counts(ctx); return err })
	var w objects.Worker
	x.do("register", func() (err error) { w, err = x.m.Threads.Register(ctx, "other"); return err })
	x.do("worker close", func() error { return w.Close() })
}

func (x *tree) nudge(string) { x.cycle(func() {}) }

func (x *tree) user(midway func()) {
	x.t.Helper()
	u := x.m.Users
	var id objects.UserID
	x.do("launch", func() error {
		i, created, err := u.Launch(ctx, objects.Query{URL: fmt.Sprint("own ", x.serial), Address: netip.MustParseAddr("192.0.2.10")})
		if id = i; err == nil && !created {
			err = fmt.Errorf("not created")
		}
		return err
	})
	midway()
	for step := objects.Step1; step <= objects.Step3; step++ {
		c := own(x, fmt.Sprint("claim at ", step), func() (userClaim, error) {
			c, err := u.Claim(ctx, nil, step)
			return userClaim{c}, err
		}, func(c userClaim) bool { return c.ID() == id })
		x.do("advance", func() error {
			switch step {
			case objects.Step1:
				return c.LinkFound(ctx, make([]objects.Account, 2), []string{"i"}, time.Now())
			case objects.Step2:
				return c.Indexed(ctx)
			}
			return c.Finish(ctx, []objects.Found{{Account: 1, Tweet: 2}})
		})
	}
	var r objects.UserRequest
	x.do("load", func() error { return u.Load(ctx, id, &r) })
	if r.Status != objects.End || len(r.Found) != 1 {
		x.t.Errorf("at %s: %+v", x.point, r)
	}
}

func (x *tree) scan() {
	x.t.Helper()
	x.launchScan()
	for leg := objects.LegA; leg <= objects.LegB; leg++ {
		c := x.list(leg)
		x.do("tweet", func() error { return c.PutTweet(ctx, objects.Tweet{ID: x.serial, Images: []string{"i"}}) })
		x.do("list done", func() error { return c.Done(ctx, objects.Cursor{Value: "c", Set: true}) })
	}
	for range 4 { // two tweets, two instructions
		x.index(x.serial)
	}
}

func (x *tree) launchScan() {
	x.t.Helper()
	x.do("launch scan", func() error {
		_, err := x.m.Scans.Launch(ctx, objects.Account{ID: x.serial, Name: "own"}, false, false)
		return err
	})
}

func (x *tree) list(leg objects.Leg) listing {
	x.t.Helper()
	return own(x, fmt.Sprint("claim leg ", leg), func() (listing, error) {
		c, err := x.m.Scans.ClaimListing(ctx, nil, leg, 0)
		return listing{c}, err
	}, func(c listing) bool { return c.Account().ID == x.serial })
}

func (x *tree) index(account int64) {
	x.t.Helper()
	c := own(x, "index", func() (indexing, error) {
		c, err := x.m.Scans.ClaimIndexing(ctx, nil)
		return indexing{c}, err
	}, func(c indexing) bool { return c.Account() == account })
	x.do("index done", func() error { return c.Done(ctx) })
}

// tweet brings one of our own through the indexers.
func (x *tree) tweet() {
	x.t.Helper()
	if x.lister == nil {
		x.launchScan()
		c := x.list(objects.LegA)
		x.lister = &c
	}
	x.do("tweet", func() error { return x.lister.PutTweet(ctx, objects.Tweet{ID: x.serial, Images: []string{"i"}}) })
	x.index(x.lister.Account().ID)
}

// The three kinds of claims, given back in one way.
type (
	userClaim struct{ objects.UserClaim }
	listing   struct{ objects.ListingClaim }
	indexing  struct{ objects.IndexingClaim }
)

func (c userClaim) Release() error { return c.UserClaim.Release(ctx) }
func (c listing) Release() error   { return c.ListingClaim.Release(ctx) }
func (c indexing) Release() error  { return c.IndexingClaim.Release(ctx) }
