package conformance

import (
	"context"

	"github.com/aotf/sharedmem/objects"
)

// The barrier of step C: an instruction can be claimed when no tweet of its leg
// is queued or claimed.
var barrierScenarios = []scenario{
	{name: "rule-3.3/tweets-before-their-instruction", run: func(s *scene) {
		s.scan(1, false)
		l := s.list(s.a, objects.LegA)
		s.put(l, 1, 2, 3)
		s.closing(l)
		b := s.actor()
		first, second := s.tweet(s.a, 1), s.tweet(b, 2)
		third := s.tweet(s.a, 3)
		s.noIndexing() // all are claimed, none is done
		s.must(second.Done(s.ctx))
		s.must(first.Done(s.ctx))
		s.noIndexing()
		s.must(third.Release(s.ctx)) // queued again
		third = s.tweet(b, 3)
		s.noIndexing()
		s.must(third.Done(s.ctx))
		c := s.instruction(b, true)
		leg, cur, _ := c.Cursor()
		equal(s, "leg", leg, objects.LegA)
		equal(s, "cursor", cur, cursor)
		s.must(c.Done(s.ctx))
	}},
	{name: "rule-3.3/done-wakes-who-waits-for-the-instruction", run: func(s *scene) {
		s.scan(1, false)
		l := s.list(s.a, objects.LegA)
		s.put(l, 1)
		s.closing(l)
		tweet := s.tweet(s.a, 1)
		b := s.actor()
		got := make(chan bool)
		go func() {
			c, err := b.Scans.ClaimIndexing(s.ctx, nil)
			got <- err == nil && c.Tweet() == nil
		}()
		s.noIndexing()
		s.must(tweet.Done(s.ctx))
		equal(s, "claimed the instruction", <-got, true)
	}},
	{name: "rule-3.3/tweets-in-their-order", run: func(s *scene) {
		s.scan(1, false)
		l := s.list(s.a, objects.LegA)
		for i := range int64(40) {
			s.put(l, i)
		}
		for i := range int64(40) {
			s.must(s.tweet(s.a, i).Done(s.ctx))
		}
		s.noIndexing()
	}},
	{name: "rule-3.3/other-legs-do-not-matter", run: func(s *scene) {
		s.scan(1, false)
		s.scan(2, false)
		a, b, foreign := s.list(s.a, objects.LegA), s.list(s.a, objects.LegB), s.list(s.a, objects.LegA)
		s.put(b, 1)
		s.put(foreign, 2)
		one, two := s.tweet(s.a, 1), s.tweet(s.a, 2)
		s.closing(a)
		s.must(s.instruction(s.actor(), true).Done(s.ctx))
		s.closing(b)
		s.noIndexing()
		s.must(two.Done(s.ctx))
		s.noIndexing()
		s.must(one.Done(s.ctx))
		s.must(s.instruction(s.a, true).Done(s.ctx))
	}},
	{name: "defect-25/a-leg-closes-after-its-barrier", run: func(s *scene) {
		user, scans := s.waitFor("u", 1)
		a, b := s.list(s.a, objects.LegA), s.list(s.a, objects.LegB)
		s.put(a, 1)
		tweet := s.tweet(s.a, 1)
		s.closing(a)
		s.closing(b)
		save := s.instruction(s.a, true) // of leg B
		equal(s, "closed before it is saved", s.loadScan(scans[0]).Closed, [2]bool{})
		s.must(save.Done(s.ctx))
		r := s.loadScan(scans[0])
		equal(s, "closed", r.Closed, [2]bool{false, true})
		equal(s, "finished", r.Finished, false)
		s.noClaim(objects.Step2)
		s.must(tweet.Done(s.ctx))
		s.must(s.instruction(s.a, true).Done(s.ctx))
		s.must(s.claim(s.a, objects.Step2).Indexed(s.ctx))
		s.wantStatus(user, objects.WaitReverseSearch)
	}},
	{name: "defect-26/an-indexer-appears-meanwhile", run: func(s *scene) {
		s.scan(1, false)
		l := s.list(s.a, objects.LegA)
		s.put(l, 1, 2)
		s.closing(l)
		one := s.tweet(s.a, 1)
		s.noIndexingOfInstruction(s.a, one)
		b := s.actor()
		w, err := b.Threads.Register(s.ctx, "late")
		s.must(err)
		two, err := b.Scans.ClaimIndexing(s.ctx, w)
		s.must(err)
		equal(s, "tweet", two.Tweet().ID, 2)
		s.must(one.Done(s.ctx))
		s.noIndexing()
		s.must(two.Done(s.ctx))
		s.must(s.instruction(b, true).Done(s.ctx))
	}},
	{name: "defect-27/a-barrier-ties-up-no-indexer", run: func(s *scene) {
		s.scan(1, false)
		s.scan(2, false)
		a, b := s.list(s.a, objects.LegA), s.list(s.a, objects.LegA)
		s.put(a, 1)
		held := s.tweet(s.a, 1) // for ever
		s.closing(a)
		for i := range int64(10) { // one indexer serves all others all the time
			s.put(b, i+10)
			s.must(s.tweet(s.a, i+10).Done(s.ctx))
		}
		s.closing(b)
		s.must(s.instruction(s.a, true).Done(s.ctx))
		s.noIndexing()
		s.must(held.Fail(s.ctx))
		s.must(s.instruction(s.a, false).Done(s.ctx)) // failed: at once, and not saved
	}},
	{name: "defect-28/the-same-tweet-id-twice", run: func(s *scene) {
		s.scan(1, false)
		a, b := s.list(s.a, objects.LegA), s.list(s.a, objects.LegB)
		s.put(a, 5, 5)
		s.put(b, 5)
		first, second, ofB := s.tweet(s.a, 5), s.tweet(s.a, 5), s.tweet(s.a, 5)
		s.closing(a)
		s.must(first.Done(s.ctx))
		s.noIndexing()
		s.must(second.Done(s.ctx))
		s.must(s.instruction(s.a, true).Done(s.ctx)) // leg B's does not prolong the wait
		s.must(ofB.Done(s.ctx))
	}},
	{name: "defect-29/an-instruction-is-a-claim", run: func(s *scene) {
		id := s.scan(1, false)
		s.closing(s.list(s.a, objects.LegA))
		for range 4 {
			c := s.instruction(s.a, true)
			equal(s, "attempt", c.Attempt(), 1)
			equal(s, "closed", s.loadScan(id).Closed[0], false)
			s.must(c.Release(s.ctx)) // not lost
			s.is(c.Done(s.ctx), objects.ErrStale)
		}
		c := s.instruction(s.a, true)
		equal(s, "scan", c.Scan(), id)
		s.must(c.Fail(s.ctx)) // could not be saved: closed all the same
		r := s.loadScan(id)
		equal(s, "closed and failed", r.Closed[0] && r.Failed, true)
	}},
	{name: "rule-3.2/a-failed-tweet-forbids-both-cursors", run: func(s *scene) {
		id := s.scan(1, false)
		a, b := s.list(s.a, objects.LegA), s.list(s.a, objects.LegB)
		s.put(a, 1, 2)
		s.closing(a)
		one := s.tweet(s.a, 1)
		s.must(one.Fail(s.ctx))
		s.is(one.Done(s.ctx), objects.ErrStale)
		s.must(s.instruction(s.a, false).Done(s.ctx)) // at once, though tweet 2 is queued
		s.closing(b)
		s.must(s.instruction(s.a, false).Done(s.ctx))
		r := s.loadScan(id)
		equal(s, "failed and finished", r.Failed && r.Finished, true)
		s.must(s.tweet(s.a, 2).Done(s.ctx))
	}},
	{name: "rule-3.3/a-failure-wakes-who-waits-for-the-instruction", run: func(s *scene) {
		s.scan(1, false)
		a := s.list(s.a, objects.LegA)
		s.put(a, 1)
		tweet := s.tweet(s.a, 1)
		s.closing(a)
		b := s.actor()
		got := make(chan error)
		go func() {
			c, err := b.Scans.ClaimIndexing(s.ctx, nil)
			if err == nil {
				err = c.Done(s.ctx)
			}
			got <- err
		}()
		s.noIndexing()
		s.must(s.list(s.a, objects.LegB).Fail(s.ctx, false)) // the other leg
		s.must(<-got)
		s.must(tweet.Done(s.ctx))
	}},
	{name: "rule-3.2/tweet-release-does-not-count", run: func(s *scene) {
		s.scan(1, false)
		s.put(s.list(s.a, objects.LegA), 1)
		for range 5 {
			c := s.tweet(s.a, 1)
			equal(s, "attempt", c.Attempt(), 1)
			s.must(c.Release(s.ctx))
			s.is(c.Fail(s.ctx), objects.ErrStale)
			equal(s, "open", c.Open(), false)
		}
		c := s.tweet(s.a, 1)
		equal(s, "account", c.Account(), 1)
		s.must(c.Done(s.ctx))
		s.is(c.Release(s.ctx), objects.ErrStale)
	}},
	{name: "rule-3.3/a-relisted-leg-waits-for-both-listings", run: func(s *scene) {
		s.scan(1, false)
		l := s.list(s.a, objects.LegA)
		s.put(l, 1)
		s.must(l.Release(s.ctx))
		old := s.tweet(s.a, 1)
		l = s.list(s.a, objects.LegA)
		s.put(l, 1)
		s.must(s.tweet(s.a, 1).Done(s.ctx))
		s.closing(l)
		s.noIndexing()
		s.must(old.Done(s.ctx))
		s.must(s.instruction(s.a, true).Done(s.ctx))
	}},
	{name: "rule-3.2/a-spent-claim-names-what-it-was", options: objects.Options{Capacity: map[string]int{"legs": 3}}, run: func(s *scene) {
		first := s.scan(1, false)
		l := s.list(s.a, objects.LegA)
		s.closing(l)
		c := s.instruction(s.a, true)
		s.must(c.Done(s.ctx))
		s.scan(2, false) // its record is used again
		equal(s, "scan of the spent instruction", c.Scan(), first)
		equal(s, "account of the spent instruction", c.Account(), 1)
		equal(s, "scan of the spent listing", l.Scan(), first)
		equal(s, "leg of the spent listing", l.Leg(), objects.LegA)
	}},
}

// noIndexingOfInstruction wants what waits in step C not to be an instruction
// while a tweet of it is held.
func (s *scene) noIndexingOfInstruction(a *Actor, held objects.IndexingClaim) {
	s.Helper()
	c, err := a.Scans.ClaimIndexing(context.WithoutCancel(s.ctx), nil)
	s.must(err)
	if c.Tweet() == nil {
		s.Fatal("the instruction passed tweet ", held.Tweet().ID)
	}
	s.must(c.Release(s.ctx))
}
