package world

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
)

// surviveTree is another process of the application: it launches requests and
// scans of its own, brings them to their end, and gives back what is not its own.
func surviveTree(t testing.TB, segment string) *Company {
	t.Helper()
	m, err := objects.Open(segment, &objects.Options{Attach: true})
	Must(t, err)
	x := &treeSurvivor{t: t, m: m, acks: map[string]bool{"company": true}}
	return accompany(t, m.Segment(), x.round, func() map[string]bool {
		if err := m.Close(); err != nil {
			t.Errorf("the survivor held something: %v", err)
		}
		return x.acks
	})
}

type treeSurvivor struct {
	t    testing.TB
	m    *objects.SharedMemory
	acks map[string]bool
}

func (x *treeSurvivor) must(err error) {
	if err != nil {
		x.t.Errorf("survivor: %v", err)
	}
}

func (x *treeSurvivor) round(_ *Company, n int) {
	if n < 4 {
		url := fmt.Sprint("own ", n)
		_, _, err := x.m.Users.Launch(ctx, objects.Query{URL: url, Address: netip.MustParseAddr("192.0.2.77")})
		x.must(err)
		x.acks[launched(url)] = true
	}
	if n < 2 {
		_, err := x.m.Scans.Launch(ctx, objects.Account{ID: ownScans + int64(n), Name: "own"}, false, false)
		x.must(err)
	}
	for s := objects.Step1; s <= objects.Step3; s++ {
		x.user(s)
	}
	for leg := objects.LegA; leg <= objects.LegB; leg++ {
		x.leg(leg)
	}
	x.index()
	x.must(x.m.Metrics.Add(ctx, objects.ScanFullTime, 1, time.Second))
}

// try makes a claim, or returns false when there is nothing for a moment.
func try[T any](x *treeSurvivor, get func(c context.Context) (T, error)) (v T, ok bool) {
	c, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	v, err := get(c)
	if errors.Is(err, context.DeadlineExceeded) {
		return v, false
	}
	x.must(err)
	return v, err == nil
}

func (x *treeSurvivor) user(s objects.Step) {
	if n, err := x.m.Users.Queued(ctx, s); err != nil || n == 0 {
		return
	}
	c, ok := try(x, func(c context.Context) (objects.UserClaim, error) { return x.m.Users.Claim(c, nil, s) })
	switch {
	case !ok:
	case !strings.HasPrefix(c.Request().Query.URL, "own "):
		x.must(c.Release(ctx))
	case s == objects.Step1:
		x.must(c.LinkFound(ctx, accounts, nil, time.Time{}))
	case s == objects.Step2:
		x.must(c.Indexed(ctx))
	default:
		x.must(c.Finish(ctx, nil))
	}
}

func (x *treeSurvivor) leg(leg objects.Leg) {
	if n, _, _, err := x.m.Scans.Depths(ctx); err != nil || n == 0 {
		return
	}
	l, ok := try(x, func(c context.Context) (objects.ListingClaim, error) { return x.m.Scans.ClaimListing(c, nil, leg, 0) })
	switch {
	case !ok:
	case l.Account().ID < ownScans:
		x.must(l.Release(ctx))
	default:
		x.must(l.PutTweet(ctx, objects.Tweet{ID: 7, Images: []string{"own"}}))
		x.must(l.Done(ctx, objects.Cursor{Unchanged: true}))
	}
}

func (x *treeSurvivor) index() {
	if _, n, k, err := x.m.Scans.Depths(ctx); err != nil || n+k == 0 {
		return
	}
	c, ok := try(x, func(c context.Context) (objects.IndexingClaim, error) { return x.m.Scans.ClaimIndexing(c, nil) })
	switch {
	case !ok:
	case c.Account() < ownScans:
		x.must(c.Release(ctx))
	default:
		x.must(c.Done(ctx))
	}
}
