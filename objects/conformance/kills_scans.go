package conformance

import (
	"context"

	"github.com/aotf/sharedmem/objects"
)

var killScanScenarios = []scenario{
	{name: "kill-listing/leg-comes-back", needs: OwnProcesses, run: func(s *scene) {
		id := s.scan(1, false)
		s.killed(func(a *Actor) { s.list(a, objects.LegA) })
		l := s.list(s.a, objects.LegA)
		equal(s, "attempt", l.Attempt(), 2)
		equal(s, "scan", l.Scan(), id)
		s.closing(l)
		s.must(s.instruction(s.a, true).Done(s.ctx))
	}},
	{name: "kill-listing/what-it-put-stays", needs: OwnProcesses, run: func(s *scene) {
		s.scan(1, false)
		s.killed(func(a *Actor) { s.put(s.list(a, objects.LegA), 1, 2) })
		l := s.list(s.a, objects.LegA) // lists it all again
		s.put(l, 1, 2, 3)
		s.closing(l)
		for _, want := range []int64{1, 2, 1, 2, 3} {
			s.must(s.tweet(s.a, want).Done(s.ctx))
		}
		s.must(s.instruction(s.a, true).Done(s.ctx))
	}},
	{name: "kill-listing/after-the-last-tweet", needs: OwnProcesses, run: func(s *scene) {
		s.scan(1, false)
		var last objects.ListingClaim
		s.killed(func(a *Actor) {
			last = s.list(a, objects.LegA)
			s.put(last, 1)
		})
		s.is(last.Done(s.ctx, cursor), ErrKilled)
		s.must(s.tweet(s.a, 1).Done(s.ctx))
		s.noIndexing() // no instruction: its cursor was never there
		l := s.list(s.a, objects.LegA)
		equal(s, "attempt", l.Attempt(), 2)
		s.closing(l)
		s.must(s.instruction(s.a, true).Done(s.ctx))
	}},
	{name: "kill-listing/after-done-nothing-is-lost", needs: OwnProcesses, run: func(s *scene) {
		s.scan(1, false)
		s.killed(func(a *Actor) {
			l := s.list(a, objects.LegA)
			s.put(l, 1)
			s.closing(l)
		})
		s.noListing(objects.LegA, 0)
		s.must(s.tweet(s.a, 1).Done(s.ctx))
		c := s.instruction(s.a, true)
		equal(s, "attempt", c.Attempt(), 1)
		_, cur, _ := c.Cursor()
		equal(s, "cursor", cur, cursor)
		s.must(c.Done(s.ctx))
	}},
	{name: "kill-listing/third-delivery-fails", needs: OwnProcesses, run: func(s *scene) {
		user, scans := s.waitFor("u", 1)
		for range 2 {
			s.killed(func(a *Actor) { s.put(s.list(a, objects.LegA), 1) })
		}
		ctx, cancel := context.WithCancel(s.ctx)
		got := make(chan error)
		go func() { _, err := s.a.Scans.ClaimListing(ctx, nil, objects.LegA, 0); got <- err }()
		s.must(s.claim(s.a, objects.Step2).Fail(s.ctx, objects.ProcessingError)) // visible to who waits
		s.wantProblem(user, objects.ProcessingError)
		cancel()
		s.is(<-got, context.Canceled) // never delivered a third time
		r := s.loadScan(scans[0])
		equal(s, "failed, closed", r.Failed && r.Closed[0], true)
	}},
	{name: "kill-listing/its-reset-stays", needs: OwnProcesses, run: func(s *scene) {
		_, err := s.a.Scans.Launch(s.ctx, account(1), false, true)
		s.must(err)
		s.killed(func(a *Actor) { equal(s, "reset", s.list(a, objects.LegA).Reset(), true) })
		equal(s, "reset", s.list(s.a, objects.LegA).Reset(), true)
	}},
	{name: "kill-listing/blocked-tokens-stay", needs: OwnProcesses, options: objects.Options{Tokens: 2}, run: func(s *scene) {
		s.scan(1, false)
		s.killed(func(a *Actor) {
			again, err := s.list(a, objects.LegA).Blocked(s.ctx, 0)
			s.must(err)
			equal(s, "again", again, true)
			_, err = a.Scans.ClaimListing(s.ctx, nil, objects.LegA, 1)
			s.must(err)
		})
		l := s.listed(objects.LegA, 1, 1)
		s.noListing(objects.LegA, 0)
		again, err := l.Blocked(s.ctx, 1)
		s.must(err)
		equal(s, "again", again, false)
	}},
	{name: "kill-held-lister/a-lister-waiting-for-room", needs: OwnProcesses, options: objects.Options{Capacity: map[string]int{"tweets": 2}}, run: func(s *scene) {
		s.scan(1, false)
		b := s.actor()
		l := s.list(b, objects.LegA)
		s.put(l, 1, 2)
		got := make(chan error)
		go func() { got <- l.PutTweet(s.ctx, objects.Tweet{ID: 3, Images: []string{"x"}}) }()
		s.noListing(objects.LegA, 0)
		b.kill()
		s.is(<-got, ErrKilled)
		s.must(s.tweet(s.a, 1).Done(s.ctx))
		s.must(s.tweet(s.a, 2).Done(s.ctx))
		l = s.list(s.a, objects.LegA)
		s.put(l, 1, 2) // all room is there again
		s.closing(l)
	}},
	{name: "kill-indexing/tweet-comes-back", needs: OwnProcesses, run: func(s *scene) {
		s.scan(1, false)
		l := s.list(s.a, objects.LegA)
		s.put(l, 1)
		s.closing(l)
		s.killed(func(a *Actor) { s.tweet(a, 1) })
		c := s.tweet(s.a, 1)
		equal(s, "attempt", c.Attempt(), 2)
		s.noIndexing() // the barrier counts it
		s.must(c.Done(s.ctx))
		s.must(s.instruction(s.a, true).Done(s.ctx))
	}},
	{name: "kill-indexing/instruction-comes-back", needs: OwnProcesses, run: func(s *scene) {
		id := s.scan(1, false)
		s.closing(s.list(s.a, objects.LegA))
		s.killed(func(a *Actor) { s.instruction(a, true) }) // before or after it saved the cursor
		c := s.instruction(s.a, true)
		equal(s, "attempt", c.Attempt(), 2)
		leg, cur, _ := c.Cursor()
		equal(s, "cursor", cur, cursor)
		equal(s, "leg", leg, objects.LegA)
		equal(s, "closed", s.loadScan(id).Closed[0], false)
		s.must(c.Done(s.ctx))
		equal(s, "closed", s.loadScan(id).Closed[0], true)
	}},
	{name: "kill-indexing/third-delivery-of-a-tweet-fails-the-scan", needs: OwnProcesses, run: func(s *scene) {
		id := s.scan(1, false)
		l := s.list(s.a, objects.LegA)
		s.put(l, 1)
		s.closing(l)
		for range 2 {
			s.killed(func(a *Actor) { s.tweet(a, 1) })
		}
		s.must(s.instruction(s.a, false).Done(s.ctx)) // its cursor must not be saved
		r := s.loadScan(id)
		equal(s, "failed and closed", r.Failed && r.Closed[0], true)
		_, tweets, _, err := s.a.Scans.Depths(s.ctx)
		s.must(err)
		equal(s, "tweets", tweets, 0)
	}},
	{name: "kill-indexing/third-delivery-of-an-instruction-fails-the-scan", needs: OwnProcesses, run: func(s *scene) {
		id := s.scan(1, false)
		s.closing(s.list(s.a, objects.LegA))
		for range 2 {
			s.killed(func(a *Actor) { s.instruction(a, true) })
		}
		for back := 0; back == 0; { // before leg B's, which would be the older one
			var err error
			_, _, back, err = s.a.Scans.Depths(s.ctx)
			s.must(err)
		}
		s.closing(s.list(s.a, objects.LegB))
		s.must(s.instruction(s.a, false).Done(s.ctx)) // leg B's, after leg A was failed
		r := s.loadScan(id)
		equal(s, "failed and finished", r.Failed && r.Finished, true)
	}},
	{name: "kill-indexing/others-go-on", needs: OwnProcesses, run: func(s *scene) {
		s.scan(1, false)
		s.scan(2, false)
		one, two := s.list(s.a, objects.LegA), s.list(s.a, objects.LegA)
		s.put(one, 1)
		s.put(two, 2)
		s.closing(one)
		s.closing(two)
		b := s.actor()
		s.tweet(b, 1) // its claim stays with a process that lives
		s.killed(func(a *Actor) { s.tweet(a, 2) })
		s.must(s.tweet(s.a, 2).Done(s.ctx))
		c := s.instruction(s.a, true)
		equal(s, "account", c.Account(), 2)
		s.must(c.Done(s.ctx))
		s.noIndexing()
	}},
}
