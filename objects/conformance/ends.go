package conformance

import (
	"fmt"
	"sync"

	"github.com/aotf/sharedmem/objects"
)

var endScenarios = []scenario{
	{name: "defect-07/end-once", run: func(s *scene) {
		b := s.actor()
		for i := range 20 { // a worker and a watchdog end it at the same time
			id := s.launchQuery(objects.Query{URL: fmt.Sprint("u", i), Direct: true, Address: someone})
			c := s.claim(s.a, objects.Step3)
			var expired int
			var err, finish error
			var wg sync.WaitGroup
			wg.Go(func() { expired, err = b.Users.Expire(s.ctx, 0) })
			wg.Go(func() { finish = c.Finish(s.ctx, []objects.Found{{Tweet: 1}}) })
			wg.Wait()
			s.must(err)
			r := s.load(id)
			equal(s, "status", r.Status, objects.End)
			if expired == 0 {
				s.must(finish)
				equal(s, "ended by its worker", r.Problem == objects.NoProblem && len(r.Found) == 1, true)
			} else {
				equal(s, "expired", expired, 1)
				s.is(finish, objects.ErrStale)
				equal(s, "ended by the watchdog", r.Problem == objects.ProcessingError && len(r.Found) == 0, true)
			}
			s.wantUsers(i+1, 0)
			s.wantCharged(someone, 0)
		}
	}},
	{name: "defect-07/end-again-changes-nothing", run: func(s *scene) {
		s.launchQuery(objects.Query{URL: "other", Address: someone})
		s.must(s.claim(s.a, objects.Step1).Release(s.ctx))
		id := s.launchQuery(objects.Query{URL: "u", Address: someone})
		first := s.claim(s.a, objects.Step1)
		c := s.claim(s.a, objects.Step1)
		equal(s, "id", c.ID(), id)
		s.must(c.Fail(s.ctx, objects.NotAnArtworkPage))
		before := s.load(id)
		s.is(c.Fail(s.ctx, objects.NotAnURL), objects.ErrStale)
		s.is(c.Release(s.ctx), objects.ErrStale)
		after := s.load(id)
		equal(s, "problem", after.Problem, objects.NotAnArtworkPage)
		equal(s, "finished", after.Finished.Equal(before.Finished), true)
		s.wantUsers(2, 1)
		s.wantCharged(someone, 1)
		s.must(first.Release(s.ctx))
	}},
	{name: "defect-09/ownership-goes-with-the-transition", run: func(s *scene) {
		w, err := s.a.Threads.Register(s.ctx, "worker")
		s.must(err)
		s.launch("u")
		c, err := s.a.Users.Claim(s.ctx, w, objects.Step1)
		s.must(err)
		s.wantWork("worker", "u")
		s.must(c.LinkFound(s.ctx, accounts, nil, published))
		s.wantWork("worker", "")
		c, err = s.a.Users.Claim(s.ctx, w, objects.Step2)
		s.must(err)
		s.wantWork("worker", "u")
		s.must(c.Fail(s.ctx, objects.ProcessingError))
		s.wantWork("worker", "")
		s.must(w.Close())
	}},
	{name: "defect-41/image-gone-at-end", run: func(s *scene) {
		want := []byte("an image")
		id := s.launchQuery(objects.Query{URL: "id", Direct: true, Image: want})
		equal(s, "size", s.load(id).ImageSize, int64(len(want)))
		c := s.claim(s.actor(), objects.Step3)
		for range 2 { // it is read twice
			got, err := c.Image(s.ctx)
			s.must(err)
			equal(s, "image", string(got), string(want))
		}
		s.must(c.Finish(s.ctx, nil))
		if _, err := c.Image(s.ctx); err == nil {
			s.Fatal("the image can still be read after END")
		}
		s.launchQuery(objects.Query{URL: "no image", Direct: true})
		_, err := s.claim(s.a, objects.Step3).Image(s.ctx)
		s.is(err, objects.ErrInvalid)
	}},
	{name: "defect-42/image-search-fails-with-its-own-problem", run: func(s *scene) {
		id := s.launchQuery(objects.Query{URL: "id", Direct: true, Image: []byte("x")})
		c := s.claim(s.a, objects.Step3)
		equal(s, "image URLs", len(c.Request().ImageURLs), 0)
		s.must(c.Fail(s.ctx, objects.QueryImageTooBig))
		s.wantProblem(id, objects.QueryImageTooBig)
	}},
	{name: "defect-44/gone-is-gone-for-good", options: objects.Options{Capacity: map[string]int{"users": 2}}, run: func(s *scene) {
		first := s.launch("u0")
		s.must(s.claim(s.a, objects.Step1).Fail(s.ctx, objects.NotAnURL))
		b := s.actor()
		var r objects.UserRequest
		s.must(b.Users.Load(s.ctx, first, &r))
		for i := 1; i < 40; i++ { // its place is used again and again
			s.launch(fmt.Sprint("u", i))
			s.must(s.claim(s.a, objects.Step1).Fail(s.ctx, objects.NotAnURL))
			if i >= 2 {
				s.is(b.Users.Load(s.ctx, first, &r), objects.ErrGone)
			}
		}
		_, ok, err := b.Users.Lookup(s.ctx, objects.Query{URL: "u0"})
		s.must(err)
		equal(s, "found", ok, false)
		_, err = b.Threads.List(s.ctx)
		s.must(err)
		again := s.launch("u0")
		equal(s, "another id", again != first, true)
	}},
	{name: "rule-1.2/shed-keeps-what-is-young-or-unfinished", run: func(s *scene) {
		done := s.launch("done")
		s.must(s.claim(s.a, objects.Step1).Fail(s.ctx, objects.NotAnURL))
		s.launch("waiting")
		s.launch("claimed")
		s.claim(s.a, objects.Step1)
		s.scan(1, false)
		s.finishScan()
		for _, a := range []*Actor{s.a, s.actor()} {
			n, err := a.Users.Shed(s.ctx)
			s.must(err)
			equal(s, "shed requests", n, 0)
			n, err = a.Scans.Shed(s.ctx)
			s.must(err)
			equal(s, "shed scans", n, 0)
		}
		s.wantUsers(3, 2)
		s.wantScans(1, 0)
		s.wantProblem(done, objects.NotAnURL)
	}},
	{name: "rule-1.2/under-pressure-the-oldest-finished-goes", options: objects.Options{Capacity: map[string]int{"users": 4}}, run: func(s *scene) {
		ids := map[string]objects.UserID{}
		for _, url := range []string{"kept", "b", "c", "d"} {
			ids[url] = s.launch(url)
		}
		kept := s.claim(s.a, objects.Step1)
		for range 3 {
			s.must(s.claim(s.a, objects.Step1).Fail(s.ctx, objects.NotAnURL))
		}
		s.launch("e")
		var r objects.UserRequest
		s.is(s.a.Users.Load(s.ctx, ids["b"], &r), objects.ErrGone)
		s.wantStatus(ids["kept"], objects.LinkFinder)
		s.wantStatus(ids["c"], objects.End)
		s.must(kept.Fail(s.ctx, objects.NotAnURL))
	}},
}
