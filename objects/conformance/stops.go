package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/aotf/sharedmem/objects"
)

var stopScenarios = []scenario{
	{name: "rule-1.1/stop-wakes-everybody", run: func(s *scene) {
		b := s.actor()
		type outcome struct {
			what string
			err  error
		}
		ended := make(chan outcome)
		n := 0
		wait := func(what string, f func(ctx context.Context) error) {
			n++
			go func() { ended <- outcome{what, f(s.ctx)} }()
		}
		s.scan(1, false)
		s.put(s.list(s.a, objects.LegA), 1) // its lister and an indexer hold something
		held := s.tweet(s.a, 1)
		s.listed(objects.LegB, 0, 1)
		for _, a := range []*Actor{s.a, b} {
			for _, step := range []objects.Step{objects.Step1, objects.Step2, objects.Step3} {
				wait(fmt.Sprint("step ", step), func(ctx context.Context) error { _, err := a.Users.Claim(ctx, nil, step); return err })
			}
			for _, leg := range []objects.Leg{objects.LegA, objects.LegB} {
				wait("listing", func(ctx context.Context) error { _, err := a.Scans.ClaimListing(ctx, nil, leg, 0); return err })
			}
			wait("indexing", func(ctx context.Context) error { _, err := a.Scans.ClaimIndexing(ctx, nil); return err })
			wait("messages", func(ctx context.Context) error { _, err := a.Processes.Receive(ctx); return err })
		}
		s.noIndexing()
		equal(s, "stopped", s.a.Stopped() || b.Stopped(), false)
		s.must(b.Stop(s.ctx))
		for range n {
			if x := <-ended; !errors.Is(x.err, objects.ErrStopped) {
				s.Errorf("%s: %v, want stopped", x.what, x.err)
			}
		}
		equal(s, "stopped", s.a.Stopped() && b.Stopped(), true)
		s.must(s.a.Stop(s.ctx))  // again
		s.must(held.Done(s.ctx)) // what is held can be finished
	}},
	{name: "rule-1.1/stop-wakes-a-held-lister", options: objects.Options{Capacity: map[string]int{"tweets": 2}}, run: func(s *scene) {
		s.scan(1, false)
		b := s.actor()
		l := s.list(s.a, objects.LegA)
		s.put(l, 1, 2)
		got := make(chan error)
		go func() { got <- l.PutTweet(s.ctx, objects.Tweet{ID: 3, Images: []string{"x"}}) }()
		_, err := s.a.Processes.Receive(s.soon())
		s.is(err, context.DeadlineExceeded)
		s.must(b.Stop(s.ctx))
		s.is(<-got, objects.ErrStopped)
		s.must(l.Release(s.ctx))
	}},
	{name: "rule-1.1/work-can-be-ended-after-stop", run: func(s *scene) {
		id := s.launch("u")
		c := s.claim(s.a, objects.Step1)
		s.atStep("v", objects.Step1)
		d := s.claim(s.a, objects.Step1)
		s.must(s.a.Stop(s.ctx))
		s.must(c.LinkFound(s.ctx, accounts, nil, published))
		s.must(d.Fail(s.ctx, objects.NotAnURL))
		s.wantStatus(id, objects.WaitIndexTweets)
	}},
	{name: "rule-1.1/close-gives-claims-back", needs: OneProcess, run: func(s *scene) {
		b := s.actor()
		w, err := b.Threads.Register(s.ctx, "worker")
		s.must(err)
		s.scan(1, false)
		s.put(s.listed(objects.LegB, 0, 1), 1)
		s.launch("u")
		_, err = b.Users.Claim(s.ctx, w, objects.Step1)
		s.must(err)
		s.list(b, objects.LegA)
		s.tweet(b, 1)
		_ = b.Close() // it may say what it gave back
		equal(s, "attempt", s.claim(s.a, objects.Step1).Attempt(), 1)
		equal(s, "attempt", s.list(s.a, objects.LegA).Attempt(), 1)
		equal(s, "attempt", s.tweet(s.a, 1).Attempt(), 1)
		equal(s, "its thread is listed", s.thread("worker") != nil, false)
		w, err = s.a.Threads.Register(s.ctx, "worker")
		s.must(err)
		s.must(w.Close())
	}},
	{name: "rule-1.1/close-ends-blocked-calls", needs: OneProcess, run: func(s *scene) {
		b := s.actor()
		got := make(chan error)
		go func() { _, err := b.Users.Claim(s.ctx, nil, objects.Step1); got <- err }()
		s.noClaim(objects.Step1)
		s.must(b.Close())
		if err := <-got; err == nil {
			s.Fatal("claimed after closing")
		}
		if _, err := b.Users.Claim(s.ctx, nil, objects.Step1); err == nil {
			s.Fatal("claimed after closing")
		}
	}},
}
