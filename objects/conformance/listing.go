package conformance

import (
	"context"
	"errors"
	"strconv"

	"github.com/aotf/sharedmem/objects"
)

var listingScenarios = []scenario{
	{name: "rule-1.4/priority-first-fifo-in-a-class", run: func(s *scene) {
		for i, prior := range []bool{false, true, false, true, false, true} {
			s.scan(int64(i+1), prior)
		}
		for _, leg := range []objects.Leg{objects.LegB, objects.LegA} {
			for _, want := range []int64{2, 4, 6, 1, 3, 5} {
				s.listed(leg, 0, want)
			}
		}
	}},
	{name: "rule-1.4/a-launch-wakes-a-lister", run: func(s *scene) {
		b := s.actor()
		got := make(chan error)
		go func() {
			l, err := b.Scans.ClaimListing(s.ctx, nil, objects.LegB, 0)
			if err == nil {
				err = l.Fail(s.ctx, false)
			}
			got <- err
		}()
		s.noListing(objects.LegA, 0)
		s.scan(1, false)
		s.must(<-got)
	}},
	{name: "defect-06/a-lister-blocks-nobody", run: func(s *scene) {
		s.scan(1, false)
		s.scan(2, false)
		held := s.listed(objects.LegA, 0, 1) // listing, for hours
		b := s.actor()
		_, err := b.Scans.Launch(s.ctx, account(3), true, false)
		s.must(err)
		_, _, err = b.Scans.Get(s.ctx, 1)
		s.must(err)
		s.listed(objects.LegA, 0, 3)
		s.listed(objects.LegA, 0, 2)
		_, err = b.Scans.Shed(s.ctx)
		s.must(err)
		s.must(held.Release(s.ctx))
	}},
	{name: "defect-20/tokens-are-numbered-from-0", options: objects.Options{Tokens: 3}, run: func(s *scene) {
		s.scan(1, false)
		for _, token := range []int{-1, 3, 128} {
			_, err := s.actor().Scans.ClaimListing(s.ctx, nil, objects.LegA, token)
			s.is(err, objects.ErrInvalid)
		}
		_, err := s.a.Scans.ClaimListing(s.ctx, nil, 2, 0)
		s.is(err, objects.ErrInvalid)
		l := s.listed(objects.LegA, 2, 1)
		_, err = l.Blocked(s.ctx, 3)
		s.is(err, objects.ErrInvalid)
		equal(s, "open", l.Open(), true)
	}},
	{name: "defect-21/a-blocked-head-is-passed-over", options: objects.Options{Tokens: 2}, run: func(s *scene) {
		s.scan(1, true)
		again, err := s.listed(objects.LegA, 0, 1).Blocked(s.ctx, 0)
		s.must(err)
		equal(s, "waits for another token", again, true)
		s.noListing(objects.LegA, 0)
		for i := range 20 { // the others pass it in their order
			s.scan(int64(i+2), false)
		}
		for i := range 20 {
			s.listed(objects.LegA, 0, int64(i+2))
		}
		s.noListing(objects.LegA, 0)
		s.listed(objects.LegA, 1, 1)
	}},
	{name: "defect-19/a-token-counts-once-and-for-one-leg", options: objects.Options{Tokens: 2}, run: func(s *scene) {
		id := s.scan(1, false)
		again, err := s.listed(objects.LegA, 0, 1).Blocked(s.ctx, 0)
		s.must(err)
		equal(s, "again", again, true)
		l := s.listed(objects.LegA, 1, 1)
		again, err = l.Blocked(s.ctx, 0) // the same token, told twice
		s.must(err)
		equal(s, "again", again, true)
		s.listed(objects.LegB, 0, 1) // leg B knows nothing of it
		r := s.loadScan(id)
		equal(s, "failed", r.Failed || r.Blocked, false)
		s.listed(objects.LegA, 1, 1)
	}},
	{name: "defect-22/all-tokens-blocked-fails-the-leg", options: objects.Options{Tokens: 70}, run: func(s *scene) {
		user, _ := s.waitFor("u", 1)
		for token := range 70 {
			again, err := s.listed(objects.LegA, token, 1).Blocked(s.ctx, token)
			s.must(err)
			equal(s, "again", again, token < 69)
		}
		id, _, err := s.a.Scans.Get(s.ctx, 1)
		s.must(err)
		r := s.loadScan(id)
		equal(s, "blocked, failed, closed", r.Blocked && r.Failed && r.Closed[0], true)
		s.must(s.claim(s.a, objects.Step2).Fail(s.ctx, objects.BlockedByTwitterAccount))
		s.wantProblem(user, objects.BlockedByTwitterAccount)
		s.noListing(objects.LegB, 5)
		s.wantScans(1, 0)
	}},
	{name: "defect-23/unfound-closes-and-releases-who-waits", run: func(s *scene) {
		user, scans := s.waitFor("u", 1)
		s.must(s.list(s.a, objects.LegA).Fail(s.ctx, true))
		s.must(s.claim(s.a, objects.Step2).Fail(s.ctx, objects.InvalidTwitterAccount))
		s.wantProblem(user, objects.InvalidTwitterAccount)
		s.noListing(objects.LegB, 0)
		r := s.loadScan(scans[0])
		equal(s, "unfound, failed, finished", r.Unfound && r.Failed && r.Finished, true)
		s.wantScans(1, 0)
	}},
	{name: "rule-3.2/a-failed-leg-leaves-the-other-to-its-lister", run: func(s *scene) {
		id := s.scan(1, false)
		b := s.list(s.a, objects.LegB)
		s.put(b, 1)
		s.must(s.list(s.a, objects.LegA).Fail(s.ctx, false))
		s.put(b, 2)
		s.closing(b)
		s.must(s.instruction(s.a, false).Done(s.ctx)) // at once, not to be saved
		r := s.loadScan(id)
		equal(s, "failed and finished", r.Failed && r.Finished && !r.Unfound && !r.Blocked, true)
		s.must(s.tweet(s.a, 1).Done(s.ctx)) // what was listed is indexed
		s.must(s.tweet(s.a, 2).Done(s.ctx))
	}},
	{name: "rule-3.2/release-does-not-count", run: func(s *scene) {
		s.scan(1, false)
		for range 5 {
			l := s.list(s.a, objects.LegA)
			equal(s, "attempt", l.Attempt(), 1)
			s.must(l.Release(s.ctx))
		}
	}},
	{name: "rule-3.2/late-calls-are-stale", run: func(s *scene) {
		id := s.scan(1, false)
		old := s.list(s.a, objects.LegA)
		s.must(old.Release(s.ctx))
		l := s.list(s.actor(), objects.LegA)
		_, blocked := old.Blocked(s.ctx, 0)
		for _, err := range []error{
			old.Done(s.ctx, cursor), old.Fail(s.ctx, true), old.Release(s.ctx), blocked,
			old.PutTweet(s.ctx, objects.Tweet{ID: 1, Images: []string{"x"}}),
		} {
			s.is(err, objects.ErrStale)
		}
		equal(s, "open", old.Open(), false)
		equal(s, "failed", s.loadScan(id).Failed, false)
		_, tweets, _, err := s.a.Scans.Depths(s.ctx)
		s.must(err)
		equal(s, "tweets", tweets, 0)
		s.closing(l)
		s.must(s.instruction(s.a, true).Done(s.ctx))
	}},
	{name: "defect-34/a-full-step-c-holds-the-lister", options: objects.Options{Capacity: map[string]int{"tweets": 8}}, run: func(s *scene) {
		s.scan(1, false)
		l := s.list(s.actor(), objects.LegA)
		s.put(l, 0, 1, 2, 3, 4, 5, 6, 7)
		more := objects.Tweet{ID: 8, Images: []string{"x"}}
		s.is(l.PutTweet(s.soon(), more), context.DeadlineExceeded)
		canceled, cancel := context.WithCancel(s.ctx)
		got := make(chan error)
		go func() { got <- l.PutTweet(canceled, more) }()
		cancel()
		s.is(<-got, context.Canceled)
		go func() { got <- l.PutTweet(s.ctx, more) }()
		s.must(s.tweet(s.a, 0).Done(s.ctx)) // room
		s.must(<-got)
		s.closing(l)
		for i := range int64(8) {
			s.must(s.tweet(s.a, i+1).Done(s.ctx))
		}
		s.must(s.instruction(s.a, true).Done(s.ctx))
	}},
	{name: "defect-33/claims-and-contexts", run: func(s *scene) {
		ended, cancel := context.WithCancel(s.ctx)
		cancel()
		calls := map[string]func(ctx context.Context) error{
			"listing":  func(ctx context.Context) error { _, err := s.a.Scans.ClaimListing(ctx, nil, 0, 0); return err },
			"indexing": func(ctx context.Context) error { _, err := s.a.Scans.ClaimIndexing(ctx, nil); return err },
			"receive":  func(ctx context.Context) error { _, err := s.a.Processes.Receive(ctx); return err },
		}
		for _, step := range []objects.Step{objects.Step1, objects.Step2, objects.Step3} {
			calls["step "+strconv.Itoa(int(step))] = func(ctx context.Context) error { _, err := s.a.Users.Claim(ctx, nil, step); return err }
		}
		for name, call := range calls {
			if err := call(ended); !errors.Is(err, context.Canceled) {
				s.Errorf("%s: %v, want canceled", name, err)
			}
			if err := call(s.soon()); !errors.Is(err, context.DeadlineExceeded) {
				s.Errorf("%s: %v, want deadline exceeded", name, err)
			}
		}
		s.launch("u") // a wait that ended took nothing with it
		s.must(s.claim(s.a, objects.Step1).Release(s.ctx))
	}},
}
