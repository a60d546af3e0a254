package conformance

import (
	"context"
	"fmt"

	"github.com/aotf/sharedmem/objects"
)

func account(id int64) objects.Account {
	return objects.Account{ID: id, Name: fmt.Sprint("account", id)}
}

// scan launches a scan and wants it to be new.
func (s *scene) scan(id int64, prior bool) objects.ScanID {
	s.Helper()
	l, err := s.a.Scans.Launch(s.ctx, account(id), prior, false)
	s.must(err)
	equal(s, "created", l.Created, true)
	return l.ID
}

// list claims a leg for token 0.
func (s *scene) list(a *Actor, leg objects.Leg) objects.ListingClaim {
	s.Helper()
	l, err := a.Scans.ClaimListing(s.ctx, nil, leg, 0)
	s.must(err)
	return l
}

// listed wants the next leg for a token to be the account's.
func (s *scene) listed(leg objects.Leg, token int, want int64) objects.ListingClaim {
	s.Helper()
	l, err := s.a.Scans.ClaimListing(s.ctx, nil, leg, token)
	s.must(err)
	equal(s, "account to list", l.Account().ID, want)
	return l
}

func (s *scene) noListing(leg objects.Leg, token int) {
	s.Helper()
	idle(s, func(ctx context.Context) (objects.ListingClaim, error) {
		return s.a.Scans.ClaimListing(ctx, nil, leg, token)
	})
}

// put puts tweets into step C.
func (s *scene) put(l objects.ListingClaim, ids ...int64) {
	s.Helper()
	for _, id := range ids {
		s.must(l.PutTweet(s.ctx, objects.Tweet{ID: id, Images: []string{"https://example.org/media/one.png"}}))
	}
}

var cursor = objects.Cursor{Value: "2026-11-23", Set: true}

// closing ends the listing of a leg.
func (s *scene) closing(l objects.ListingClaim) {
	s.Helper()
	s.must(l.Done(s.ctx, cursor))
}

// index claims something in step C.
func (s *scene) index(a *Actor) objects.IndexingClaim {
	s.Helper()
	c, err := a.Scans.ClaimIndexing(s.ctx, nil)
	s.must(err)
	return c
}

// tweet wants the next claim of step C to be a tweet.
func (s *scene) tweet(a *Actor, want int64) objects.IndexingClaim {
	s.Helper()
	c := s.index(a)
	if c.Tweet() == nil {
		s.Fatal("claimed an instruction, want tweet ", want)
	}
	equal(s, "tweet", c.Tweet().ID, want)
	return c
}

// instruction wants the next claim of step C to be an instruction.
func (s *scene) instruction(a *Actor, save bool) objects.IndexingClaim {
	s.Helper()
	c := s.index(a)
	if c.Tweet() != nil {
		s.Fatal("claimed tweet ", c.Tweet().ID, ", want an instruction")
	}
	_, _, got := c.Cursor()
	equal(s, "save", got, save)
	return c
}

func (s *scene) noIndexing() {
	s.Helper()
	idle(s, func(ctx context.Context) (objects.IndexingClaim, error) { return s.a.Scans.ClaimIndexing(ctx, nil) })
}

func (s *scene) loadScan(id objects.ScanID) objects.ScanRequest {
	s.Helper()
	var r objects.ScanRequest
	s.must(s.a.Scans.Load(s.ctx, id, &r))
	return r
}

func (s *scene) wantScans(total, processing int) {
	s.Helper()
	n, p, err := s.a.Scans.Count(s.ctx)
	s.must(err)
	equal(s, "scans", n, total)
	equal(s, "unfinished scans", p, processing)
}

// finishScan lists both legs of the scan whose turn it is without a tweet, and
// saves both cursors.
func (s *scene) finishScan() {
	s.Helper()
	for _, leg := range []objects.Leg{objects.LegA, objects.LegB} {
		s.closing(s.list(s.a, leg))
		s.must(s.instruction(s.a, true).Done(s.ctx))
	}
}
