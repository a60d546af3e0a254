package conformance

import (
	"fmt"
	"slices"
	"sync"

	"github.com/aotf/sharedmem/objects"
)

var userScenarios = []scenario{
	{name: "rule-1.2/launch-created-then-existing", run: func(s *scene) {
		id := s.launch("u")
		for _, a := range []*Actor{s.a, s.actor()} {
			again, created, err := a.Users.Launch(s.ctx, objects.Query{URL: "u"})
			s.must(err)
			equal(s, "created", created, false)
			equal(s, "id", again, id)
		}
		s.wantUsers(1, 1)
		n, err := s.a.Users.Queued(s.ctx, objects.Step1)
		s.must(err)
		equal(s, "queued", n, 1)
	}},
	{name: "rule-1.2/launch-returns-finished", run: func(s *scene) {
		id := s.launch("u")
		s.must(s.claim(s.a, objects.Step1).Fail(s.ctx, objects.NotAnURL))
		again, created, err := s.a.Users.Launch(s.ctx, objects.Query{URL: "u"})
		s.must(err)
		equal(s, "created", created, false)
		equal(s, "id", again, id)
	}},
	{name: "rule-1.2/launch-race-creates-one", run: func(s *scene) {
		actors := []*Actor{s.a, s.actor()}
		var mu sync.Mutex
		ids := map[objects.UserID]int{}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				id, created, err := actors[i%2].Users.Launch(s.ctx, objects.Query{URL: "u", Address: someone})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					s.Error(err)
				}
				if created {
					ids[id]++
				} else {
					ids[id] += 0
				}
			})
		}
		wg.Wait()
		equal(s, "requests", len(ids), 1)
		for _, n := range ids {
			equal(s, "creators", n, 1)
		}
		s.wantCharged(someone, 1)
		s.wantUsers(1, 1)
	}},
	{name: "rule-1.3/id-text-form", run: func(s *scene) {
		id := s.launch("u")
		b, err := id.MarshalText()
		s.must(err)
		var back objects.UserID
		s.must(back.UnmarshalText(b))
		equal(s, "id", back, id)
		s.is(back.UnmarshalText([]byte("scan")), objects.ErrInvalid)
	}},
	{name: "rule-1.6/claims-fifo", run: func(s *scene) {
		var want, got []string
		for i := range 20 {
			want = append(want, fmt.Sprint("u", i))
			s.launch(want[i])
		}
		actors := []*Actor{s.a, s.actor()}
		for i := range want {
			got = append(got, s.claim(actors[i%2], objects.Step1).Request().Query.URL)
		}
		equal(s, "order", fmt.Sprint(got), fmt.Sprint(want))
		s.noClaim(objects.Step1)
	}},
	{name: "rule-1.6/put-wakes-a-waiting-claim", run: func(s *scene) {
		b := s.actor()
		got := make(chan error)
		go func() {
			c, err := b.Users.Claim(s.ctx, nil, objects.Step1)
			if err == nil {
				err = c.Fail(s.ctx, objects.NotAnURL)
			}
			got <- err
		}()
		s.noClaim(objects.Step3)
		id := s.launch("u")
		s.must(<-got)
		s.wantProblem(id, objects.NotAnURL)
	}},
	{name: "rule-1.6/each-request-to-one-worker", run: func(s *scene) {
		const n = 40
		actors := []*Actor{s.a, s.actor()}
		var mu sync.Mutex
		seen := map[objects.UserID]int{}
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for range n / 4 {
					c, err := actors[i%2].Users.Claim(s.ctx, nil, objects.Step1)
					if err == nil {
						err = c.Fail(s.ctx, objects.NotAnURL)
					}
					if err != nil {
						s.Error(err)
						return
					}
					mu.Lock()
					seen[c.ID()]++
					mu.Unlock()
				}
			})
		}
		for i := range n {
			s.launch(fmt.Sprint("u", i))
		}
		wg.Wait()
		equal(s, "requests claimed", len(seen), n)
		s.wantUsers(n, 0)
	}},
	{name: "rule-3.1/whole-way", run: func(s *scene) {
		id := s.launchQuery(objects.Query{URL: "https://example.org/art/1", Address: someone})
		s.wantStatus(id, objects.WaitLinkFinder)
		b := s.actor()
		c := s.claim(b, objects.Step1)
		equal(s, "id", c.ID(), id)
		equal(s, "URL", c.Request().Query.URL, "https://example.org/art/1")
		equal(s, "address", c.Request().Query.Address, someone)
		equal(s, "attempt", c.Attempt(), 1)
		s.wantStatus(id, objects.LinkFinder)
		s.must(c.LinkFound(s.ctx, accounts, []string{"large", "small"}, published))
		r := s.load(id)
		equal(s, "status", r.Status, objects.WaitIndexTweets)
		equal(s, "accounts", fmt.Sprint(r.Accounts), fmt.Sprint(accounts))
		equal(s, "images", fmt.Sprint(r.ImageURLs), "[large small]")
		equal(s, "published", r.Published.Equal(published), true)
		c = s.claim(b, objects.Step2)
		s.wantStatus(id, objects.IndexTweets)
		s.must(c.Indexed(s.ctx))
		s.wantStatus(id, objects.WaitReverseSearch)
		c = s.claim(s.a, objects.Step3)
		s.wantStatus(id, objects.ReverseSearch)
		s.must(c.Finish(s.ctx, []objects.Found{{Account: 7, Tweet: 2, Position: 1, Images: 3, Distance: 5}}))
		r = s.load(id)
		equal(s, "status", r.Status, objects.End)
		equal(s, "problem", r.Problem, objects.NoProblem)
		equal(s, "found", fmt.Sprint(r.Found), "[{7 2 1 3 5}]")
		equal(s, "has dates", r.Started.IsZero() || r.Finished.IsZero() || r.Took < 0, false)
		s.wantUsers(1, 0)
		s.wantCharged(someone, 0)
	}},
	{name: "rule-3.1/direct-starts-at-step-3", run: func(s *scene) {
		id := s.launchQuery(objects.Query{URL: "image", Direct: true, Account: "Name_1"})
		s.wantStatus(id, objects.WaitReverseSearch)
		s.noClaim(objects.Step1)
		c := s.claim(s.a, objects.Step3)
		equal(s, "account", c.Request().Query.Account, "name_1")
		equal(s, "direct", c.Request().Query.Direct, true)
		s.must(c.Finish(s.ctx, nil))
		s.wantProblem(id, objects.NoProblem)
	}},
	{name: "rule-3.1/wrong-step-refused", run: func(s *scene) {
		id := s.launch("u")
		c := s.claim(s.a, objects.Step1)
		s.is(c.Indexed(s.ctx), objects.ErrInvalid)
		s.is(c.WaitFor(s.ctx, nil, false), objects.ErrInvalid)
		s.is(c.Finish(s.ctx, nil), objects.ErrInvalid)
		s.wantStatus(id, objects.LinkFinder)
		equal(s, "open", c.Open(), true)
		s.must(c.LinkFound(s.ctx, accounts, nil, published))
		c = s.claim(s.a, objects.Step2)
		s.is(c.LinkFound(s.ctx, accounts, nil, published), objects.ErrInvalid)
		s.is(c.Finish(s.ctx, nil), objects.ErrInvalid)
		s.must(c.Indexed(s.ctx))
		c = s.claim(s.a, objects.Step3)
		s.is(c.LinkFound(s.ctx, accounts, nil, published), objects.ErrInvalid)
		s.is(c.Indexed(s.ctx), objects.ErrInvalid)
		s.must(c.Finish(s.ctx, nil))
		_, err := s.a.Users.Claim(s.ctx, nil, 4)
		s.is(err, objects.ErrInvalid)
	}},
	{name: "rule-3.1/release-does-not-count", run: func(s *scene) {
		for _, step := range []objects.Step{objects.Step1, objects.Step2, objects.Step3} {
			s.atStep(fmt.Sprint("u", step), step)
			for range 5 {
				c := s.claim(s.a, step)
				equal(s, "attempt", c.Attempt(), 1)
				s.must(c.Release(s.ctx))
				s.is(c.Release(s.ctx), objects.ErrStale)
			}
			s.must(s.claim(s.a, step).Fail(s.ctx, objects.ProcessingError))
		}
	}},
	{name: "rule-3.1/release-forgets-what-was-half-written", run: func(s *scene) {
		id := s.atStep("u", objects.Step1)
		c := s.claim(s.a, objects.Step1)
		s.is(c.LinkFound(s.ctx, accounts, []string{"a", ""}, published), objects.ErrTooLarge)
		s.must(c.Release(s.ctx))
		s.must(s.claim(s.a, objects.Step1).LinkFound(s.ctx, accounts[:1], nil, published))
		r := s.load(id)
		equal(s, "accounts", fmt.Sprint(r.Accounts), fmt.Sprint(accounts[:1]))
		equal(s, "images", len(r.ImageURLs), 0)
	}},
	{name: "rule-2.3/every-problem", run: func(s *scene) {
		for p := objects.NotAnURL; p <= objects.TwitterAccountNotIndexed; p++ {
			for _, step := range []objects.Step{objects.Step1, objects.Step3} {
				id := s.atStep(fmt.Sprint(p, step), step)
				s.must(s.claim(s.a, step).Fail(s.ctx, p))
				s.wantProblem(id, p)
			}
		}
		s.atStep("u", objects.Step1)
		c := s.claim(s.a, objects.Step1)
		s.is(c.Fail(s.ctx, objects.NoProblem), objects.ErrInvalid)
		s.is(c.Fail(s.ctx, objects.TwitterAccountNotIndexed+1), objects.ErrInvalid)
		equal(s, "open", c.Open(), true)
	}},
	{name: "defect-10/late-calls-are-stale", run: func(s *scene) {
		late := map[objects.Step]func(objects.UserClaim) []error{
			objects.Step1: func(c objects.UserClaim) []error {
				return []error{c.LinkFound(s.ctx, accounts, nil, published)}
			},
			objects.Step2: func(c objects.UserClaim) []error {
				return []error{c.Indexed(s.ctx), c.WaitFor(s.ctx, nil, false)}
			},
			objects.Step3: func(c objects.UserClaim) []error { return []error{c.Finish(s.ctx, nil)} },
		}
		for _, step := range []objects.Step{objects.Step1, objects.Step2, objects.Step3} {
			id := s.atStep(fmt.Sprint("u", step), step)
			old := s.claim(s.a, step)
			s.must(old.Release(s.ctx))
			c := s.claim(s.actor(), step) // another worker has it now
			before := s.load(id).Status
			for _, err := range append(late[step](old), old.Fail(s.ctx, objects.NotAnURL), old.Release(s.ctx)) {
				s.is(err, objects.ErrStale)
			}
			equal(s, "open", old.Open(), false)
			equal(s, "open", c.Open(), true)
			equal(s, "status", s.load(id).Status, before)
			s.must(c.Fail(s.ctx, objects.ProcessingError))
		}
	}},
	{name: "defect-39/results-only-at-end", run: func(s *scene) {
		id := s.atStep("u", objects.Step3)
		c := s.claim(s.a, objects.Step3)
		equal(s, "results before END", len(s.load(id).Found), 0)
		found := []objects.Found{{Tweet: 1, Distance: 3}, {Tweet: 2, Distance: 1}, {Tweet: 4, Distance: 2, Images: 4}, {Tweet: 3, Distance: 2, Images: 1}}
		want := []int64{2, 3, 4, 1}
		s.must(c.Finish(s.ctx, found))
		var got []int64
		for _, f := range s.load(id).Found {
			got = append(got, f.Tweet)
		}
		equal(s, "nearest first", slices.Equal(got, want), true)
		equal(s, "truncated", s.load(id).Truncated, false)
	}},
}
