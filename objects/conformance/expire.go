package conformance

import (
	"fmt"
	"time"

	"github.com/aotf/sharedmem/objects"
)

var expireScenarios = []scenario{
	{name: "defect-45/queued-requests-end", run: func(s *scene) {
		var ids []objects.UserID
		s.launchQuery(objects.Query{URL: "waiting for scans", Address: someone})
		s.linkFound()
		scan := s.scan(1, false)
		s.must(s.claim(s.a, objects.Step2).WaitFor(s.ctx, []objects.ScanID{scan}, true))
		s.launchQuery(objects.Query{URL: "step 2", Address: someone})
		s.linkFound()
		s.launchQuery(objects.Query{URL: "step 1", Address: someone})
		s.launchQuery(objects.Query{URL: "step 3", Direct: true, Address: someone})
		for _, q := range []objects.Query{{URL: "waiting for scans"}, {URL: "step 2"}, {URL: "step 1"}, {URL: "step 3", Direct: true}} {
			id, ok, err := s.a.Users.Lookup(s.ctx, q)
			s.must(err)
			equal(s, "found "+q.URL, ok, true)
			ids = append(ids, id)
		}
		n, err := s.a.Users.Expire(s.ctx, time.Hour)
		s.must(err)
		equal(s, "expired", n, 0)
		n, err = s.actor().Users.Expire(s.ctx, 0)
		s.must(err)
		equal(s, "expired", n, 4)
		for _, id := range ids {
			s.wantProblem(id, objects.ProcessingError)
		}
		s.wantUsers(4, 0)
		s.wantCharged(someone, 0)
		for _, step := range []objects.Step{objects.Step1, objects.Step2, objects.Step3} {
			s.noClaim(step)
		}
	}},
	lateWorker("defect-45/late-link-found", objects.Step1, func(s *scene, c objects.UserClaim) error {
		return c.LinkFound(s.ctx, accounts, nil, published)
	}),
	lateWorker("defect-45/late-wait-for", objects.Step2, func(s *scene, c objects.UserClaim) error {
		return c.WaitFor(s.ctx, []objects.ScanID{s.scan(1, false)}, true)
	}),
	lateWorker("defect-45/late-indexed", objects.Step2, func(s *scene, c objects.UserClaim) error {
		return c.Indexed(s.ctx)
	}),
	lateWorker("defect-45/late-finish", objects.Step3, func(s *scene, c objects.UserClaim) error {
		return c.Finish(s.ctx, []objects.Found{{Tweet: 1}})
	}),
	lateWorker("defect-45/late-fail", objects.Step1, func(s *scene, c objects.UserClaim) error {
		return c.Fail(s.ctx, objects.NotAnURL)
	}),
	{name: "defect-45/the-url-is-usable-again", options: objects.Options{Capacity: map[string]int{"users": 2}, PerAddress: 1}, run: func(s *scene) {
		for i := range 10 { // stuck requests do not fill the store
			s.launchQuery(objects.Query{URL: fmt.Sprint("u", i), Address: someone})
			n, err := s.a.Users.Expire(s.ctx, 0)
			s.must(err)
			equal(s, "expired", n, 1)
		}
	}},
}

// lateWorker: a watchdog ends the request of a worker that lives; pollers and the
// quota see it at once, and the worker's late ending is stale.
func lateWorker(name string, step objects.Step, end func(s *scene, c objects.UserClaim) error) scenario {
	return scenario{name: name, options: objects.Options{PerAddress: 1}, run: func(s *scene) {
		id := s.launchQuery(objects.Query{URL: "u", Address: someone})
		if step >= objects.Step2 {
			s.linkFound()
		}
		if step >= objects.Step3 {
			s.must(s.claim(s.a, objects.Step2).Indexed(s.ctx))
		}
		c := s.claim(s.actor(), step)
		n, err := s.a.Users.Expire(s.ctx, 0)
		s.must(err)
		equal(s, "expired", n, 1)
		s.wantProblem(id, objects.ProcessingError)
		s.wantUsers(1, 0)
		s.wantCharged(someone, 0)
		s.launchQuery(objects.Query{URL: "next", Direct: true, Address: someone})
		n, err = s.a.Users.Expire(s.ctx, time.Hour)
		s.must(err)
		equal(s, "expired again", n, 0)
		s.is(end(s, c), objects.ErrStale)
		s.wantProblem(id, objects.ProcessingError)
		equal(s, "results", len(s.load(id).Found), 0)
		for _, step := range []objects.Step{objects.Step1, objects.Step2} {
			s.noClaim(step)
		}
		s.wantUsers(2, 1)
	}}
}
