package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aotf/sharedmem/objects"
)

// modelScan is a scan as anybody would write it down.
type modelScan struct {
	id      objects.ScanID
	account int64
	failed  bool
	closed  [2]bool
	legs    [2]modelLeg
}

type modelLeg struct {
	scan     *modelScan
	leg      objects.Leg
	prior    bool
	released bool // or blocked and back: its place is not told
	pending  int  // tweets queued or claimed
	claim    objects.ListingClaim
}

type modelTweet struct {
	leg      *modelLeg
	id       int64
	released bool
	claim    objects.IndexingClaim // of a tweet, or of an instruction
}

type modelScans struct {
	list      []*modelScan
	byAccount map[int64]*modelScan
	queues    [2][]*modelLeg // by leg, in order of launch
	listing   []*modelLeg    // claimed
	stepC     []*modelTweet
	indexing  []*modelTweet // claimed, tweets and instructions
	waiting   []*modelLeg   // instructions
	tweets    int64
}

func (x *model) launchScan() {
	n := int64(len(x.scans.list)) + 1 // a new one
	if n > 1 && x.rng.IntN(2) == 0 {
		n = x.rng.Int64N(n-1) + 1
	}
	prior := x.rng.IntN(3) == 0
	l, err := x.m.Scans.Launch(x.Context(), objects.Account{ID: n, Name: "a"}, prior, false)
	x.check("launch of a scan", err == nil)
	s := x.scans.byAccount[n]
	if s == nil {
		x.check("new scan", l.Created)
		s = &modelScan{id: l.ID, account: n}
		x.scans.byAccount[n] = s
		x.scans.list = append(x.scans.list, s)
		for i := range s.legs {
			s.legs[i] = modelLeg{scan: s, leg: objects.Leg(i), prior: prior}
			x.scans.queues[i] = append(x.scans.queues[i], &s.legs[i])
		}
		return
	}
	x.check("existing scan", !l.Created && l.ID == s.id)
	for i := range s.legs {
		if leg := &s.legs[i]; prior && slices.Contains(x.scans.queues[i], leg) {
			leg.prior = true
		}
	}
}

// mayList are the legs that a lister may get: the first of the best class, and
// those whose place in it is not told. Legs of failed scans are closed instead.
func (s *modelScans) mayList(leg objects.Leg) (may []*modelLeg) {
	for _, prior := range []bool{true, false} {
		first := true
		for _, l := range s.queues[leg] {
			if l.prior != prior || l.scan.failed {
				continue
			}
			if l.released || first {
				may = append(may, l)
			}
			first = first && l.released
		}
		if len(may) > 0 {
			return may
		}
	}
	return nil
}

func (x *model) claimListing(leg objects.Leg) {
	may := x.scans.mayList(leg)
	drop := func(keep func(*modelLeg) bool) {
		x.scans.queues[leg] = slices.DeleteFunc(x.scans.queues[leg], func(l *modelLeg) bool { return !keep(l) })
	}
	if len(may) == 0 {
		_, err := x.m.Scans.ClaimListing(x.ended, nil, leg, 0)
		x.check("nothing to list", errors.Is(err, context.Canceled))
		return
	}
	c, err := x.m.Scans.ClaimListing(x.Context(), nil, leg, 0)
	x.check("a listing", err == nil && c.Leg() == leg && c.Attempt() == 1)
	i := slices.IndexFunc(may, func(l *modelLeg) bool { return l.scan.id == c.Scan() })
	x.check(fmt.Sprint("who is listed first: ", c.Account().ID), i >= 0)
	l := may[i]
	l.claim, l.released = c, false
	drop(func(o *modelLeg) bool { return o != l })
	x.scans.listing = append(x.scans.listing, l)
}

// workListing does something with a claimed leg.
func (x *model) workListing() {
	if len(x.scans.listing) == 0 {
		return
	}
	i := x.rng.IntN(len(x.scans.listing))
	l, ctx := x.scans.listing[i], x.Context()
	c := l.claim
	n := x.rng.IntN(20)
	if n < 13 {
		if len(x.scans.stepC)+len(x.scans.indexing) < 60 {
			x.scans.tweets++
			x.check("put", c.PutTweet(ctx, objects.Tweet{ID: x.scans.tweets, Images: []string{"i"}}) == nil)
			x.scans.stepC = append(x.scans.stepC, &modelTweet{leg: l, id: x.scans.tweets})
			l.pending++
		}
		return
	}
	x.scans.listing = slices.Delete(x.scans.listing, i, i+1)
	switch {
	case n < 17:
		x.check("done", c.Done(ctx, objects.Cursor{Value: "c", Set: true}) == nil)
		x.scans.waiting = append(x.scans.waiting, l)
	case n == 17:
		x.check("fail", c.Fail(ctx, false) == nil)
		l.scan.failed, l.scan.closed[l.leg] = true, true
	case n == 18 && x.rng.IntN(4) == 0: // the only token
		again, err := c.Blocked(ctx, 0)
		x.check("blocked", err == nil && !again)
		l.scan.failed, l.scan.closed[l.leg] = true, true
	default:
		x.check("release", c.Release(ctx) == nil)
		l.released = true
		x.scans.queues[l.leg] = append(x.scans.queues[l.leg], l)
	}
	x.check("late done", errors.Is(c.Done(ctx, objects.Cursor{}), objects.ErrStale))
}

func (l *modelLeg) passes() bool { return l.pending == 0 || l.scan.failed }

func (x *model) claimIndexing() {
	var legs []*modelLeg
	for _, l := range x.scans.waiting {
		if l.passes() {
			legs = append(legs, l)
		}
	}
	var tweets []*modelTweet
	for _, tw := range x.scans.stepC {
		tweets = append(tweets, tw)
		if !tw.released {
			break
		}
	}
	if len(legs)+len(tweets) == 0 {
		_, err := x.m.Scans.ClaimIndexing(x.ended, nil)
		x.check("nothing to index", errors.Is(err, context.Canceled))
		return
	}
	c, err := x.m.Scans.ClaimIndexing(x.Context(), nil)
	x.check("something to index", err == nil && c.Attempt() == 1)
	if c.Tweet() != nil {
		// A released one may be anywhere, also behind.
		i := slices.IndexFunc(x.scans.stepC, func(tw *modelTweet) bool { return tw.id == c.Tweet().ID })
		x.check("a tweet in its order", i >= 0 && (x.scans.stepC[i].released || slices.Contains(tweets, x.scans.stepC[i])))
		tw := x.scans.stepC[i]
		tw.claim = c
		x.scans.stepC = slices.Delete(x.scans.stepC, i, i+1)
		x.scans.indexing = append(x.scans.indexing, tw)
		return
	}
	leg, _, save := c.Cursor()
	i := slices.IndexFunc(legs, func(l *modelLeg) bool { return l.scan.id == c.Scan() && l.leg == leg })
	x.check("an instruction that passes", i >= 0)
	l := legs[i]
	x.check("save", save == !l.scan.failed)
	x.scans.waiting = slices.DeleteFunc(x.scans.waiting, func(o *modelLeg) bool { return o == l })
	x.scans.indexing = append(x.scans.indexing, &modelTweet{leg: l, claim: c})
}

func (x *model) endIndexing() {
	if len(x.scans.indexing) == 0 {
		return
	}
	i := x.rng.IntN(len(x.scans.indexing))
	tw, ctx := x.scans.indexing[i], x.Context()
	x.scans.indexing = slices.Delete(x.scans.indexing, i, i+1)
	c := tw.claim
	isTweet := c.Tweet() != nil
	switch n := x.rng.IntN(60); {
	case n < 6:
		x.check("release", c.Release(ctx) == nil)
		if tw.released = true; isTweet {
			x.scans.stepC = append(x.scans.stepC, tw)
		} else {
			x.scans.waiting = append(x.scans.waiting, tw.leg)
		}
		return
	case n == 6:
		x.check("fail", c.Fail(ctx) == nil)
		tw.leg.scan.failed = true
	default:
		x.check("done", c.Done(ctx) == nil)
	}
	if isTweet {
		tw.leg.pending--
	} else {
		tw.leg.scan.closed[tw.leg.leg] = true
	}
	x.check("late fail", errors.Is(c.Fail(ctx), objects.ErrStale))
}

// compareScans looks at all scans. Legs of a failed scan close when a lister
// meets them, which no rule tells when.
func (x *model) compareScans() {
	var r objects.ScanRequest
	for _, s := range x.scans.list {
		x.check("load", x.m.Scans.Load(x.Context(), s.id, &r) == nil)
		x.check(fmt.Sprintf("scan %d is %+v, not %+v", s.account, r, s.closed), r.Failed == s.failed && r.Account.ID == s.account &&
			(s.failed || r.Closed == s.closed && r.Finished == (s.closed[0] && s.closed[1])))
	}
	total, _, err := x.m.Scans.Count(x.Context())
	x.check("scans", err == nil && total == len(x.scans.list))
	_, tweets, instructions, err := x.m.Scans.Depths(x.Context())
	x.check("depths", err == nil && tweets == len(x.scans.stepC) && instructions == len(x.scans.waiting))
}
