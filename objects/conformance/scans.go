package conformance

import (
	"fmt"
	"sync"

	"github.com/aotf/sharedmem/objects"
)

var scanScenarios = []scenario{
	{name: "rule-1.4/launch-created-then-existing", run: func(s *scene) {
		id := s.scan(1, false)
		for _, a := range []*Actor{s.a, s.actor()} {
			l, err := a.Scans.Launch(s.ctx, account(1), false, false)
			s.must(err)
			equal(s, "launched", l, objects.Launched{ID: id})
		}
		s.wantScans(1, 1)
		listing, tweets, instructions, err := s.a.Scans.Depths(s.ctx)
		s.must(err)
		equal(s, "depths", [3]int{listing, tweets, instructions}, [3]int{2, 0, 0})
		r := s.loadScan(id)
		equal(s, "account", r.Account, account(1))
		equal(s, "started", r.Started.IsZero(), false)
	}},
	{name: "rule-1.4/launch-race-creates-one", run: func(s *scene) {
		actors := []*Actor{s.a, s.actor()}
		var mu sync.Mutex
		created := map[objects.ScanID]int{}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				l, err := actors[i%2].Scans.Launch(s.ctx, account(1), i%3 == 0, false)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					s.Error(err)
				}
				created[l.ID] += map[bool]int{true: 1}[l.Created]
			})
		}
		wg.Wait()
		equal(s, "scans", len(created), 1)
		for _, n := range created {
			equal(s, "creators", n, 1)
		}
		s.wantScans(1, 1)
	}},
	{name: "rule-1.4/get-never-creates", run: func(s *scene) {
		_, ok, err := s.a.Scans.Get(s.ctx, 1)
		s.must(err)
		equal(s, "found", ok, false)
		s.wantScans(0, 0)
		id := s.scan(1, false)
		got, ok, err := s.actor().Scans.Get(s.ctx, 1)
		s.must(err)
		equal(s, "found", ok, true)
		equal(s, "id", got, id)
		s.finishScan()
		got, ok, err = s.a.Scans.Get(s.ctx, 1) // finished is found too
		s.must(err)
		equal(s, "found", ok, true)
		equal(s, "id", got, id)
	}},
	{name: "rule-3.2/two-legs-finish-once", run: func(s *scene) {
		id := s.scan(1, false)
		s.closing(s.list(s.a, objects.LegB))
		s.must(s.instruction(s.a, true).Done(s.ctx))
		r := s.loadScan(id)
		equal(s, "closed", r.Closed, [2]bool{false, true})
		equal(s, "finished", r.Finished, false)
		s.wantScans(1, 1)
		s.closing(s.list(s.a, objects.LegA))
		c := s.instruction(s.a, true)
		s.must(c.Done(s.ctx))
		s.is(c.Done(s.ctx), objects.ErrStale)
		s.is(c.Fail(s.ctx), objects.ErrStale)
		r = s.loadScan(id)
		equal(s, "finished", r.Finished && !r.Failed && r.Closed == [2]bool{true, true}, true)
		s.wantScans(1, 0)
		all, err := s.a.Metrics.All(s.ctx)
		s.must(err)
		equal(s, "scans finished, as measured", all[objects.ScanFullTime].Count, 1)
	}},
	{name: "rule-3.2/legs-close-at-once-finish-once", run: func(s *scene) {
		actors := []*Actor{s.a, s.actor()}
		for i := range 10 {
			id := s.scan(int64(i+1), false)
			s.closing(s.list(s.a, objects.LegA))
			s.closing(s.list(s.a, objects.LegB))
			claims := []objects.IndexingClaim{s.instruction(actors[0], true), s.instruction(actors[1], true)}
			var wg sync.WaitGroup
			for _, c := range claims {
				wg.Go(func() {
					if err := c.Done(s.ctx); err != nil {
						s.Error(err)
					}
				})
			}
			wg.Wait()
			equal(s, "finished", s.loadScan(id).Finished, true)
		}
		all, err := s.a.Metrics.All(s.ctx)
		s.must(err)
		equal(s, "scans finished, as measured", all[objects.ScanFullTime].Count, 10)
	}},
	{name: "defect-17/promotion", run: func(s *scene) {
		for i := range 3 {
			s.scan(int64(i+1), false)
		}
		l, err := s.actor().Scans.Launch(s.ctx, account(3), true, false)
		s.must(err)
		equal(s, "created", l.Created, false)
		for _, leg := range []objects.Leg{objects.LegA, objects.LegB} {
			for _, want := range []int64{3, 1, 2} {
				s.listed(leg, 0, want)
			}
			s.noListing(leg, 0)
		}
	}},
	{name: "rule-1.4/promotion-keeps-its-age", run: func(s *scene) {
		s.scan(1, false)
		s.scan(2, true)
		s.scan(3, false)
		_, err := s.a.Scans.Launch(s.ctx, account(3), true, false)
		s.must(err)
		_, err = s.a.Scans.Launch(s.ctx, account(1), true, false)
		s.must(err)
		for _, want := range []int64{1, 2, 3} {
			s.listed(objects.LegA, 0, want)
		}
	}},
	{name: "rule-1.4/promotion-per-leg-and-never-down", run: func(s *scene) {
		s.scan(1, false)
		s.scan(2, false)
		a := s.listed(objects.LegA, 0, 1) // leg A has begun, leg B has not
		_, err := s.a.Scans.Launch(s.ctx, account(2), true, false)
		s.must(err)
		_, err = s.a.Scans.Launch(s.ctx, account(1), true, false)
		s.must(err)
		_, err = s.a.Scans.Launch(s.ctx, account(2), false, false)
		s.must(err)
		s.must(a.Release(s.ctx))
		s.listed(objects.LegA, 0, 2)
		s.listed(objects.LegA, 0, 1)
		s.listed(objects.LegB, 0, 1)
		s.listed(objects.LegB, 0, 2)
	}},
	{name: "defect-18/promotion-loses-nothing", run: func(s *scene) {
		const n = 30
		actors := []*Actor{s.a, s.actor()}
		var wg sync.WaitGroup
		for _, prior := range []bool{false, true, true} {
			for _, a := range actors {
				wg.Go(func() {
					for i := range n {
						if _, err := a.Scans.Launch(s.ctx, account(int64(i+1)), prior, false); err != nil {
							s.Error(err)
							return
						}
					}
				})
			}
		}
		wg.Wait()
		for _, leg := range []objects.Leg{objects.LegA, objects.LegB} {
			seen := map[int64]bool{}
			for range n {
				l := s.list(s.a, leg)
				equal(s, fmt.Sprint("seen ", l.Account()), seen[l.Account().ID], false)
				seen[l.Account().ID] = true
				s.closing(l)
			}
			s.noListing(leg, 0)
		}
	}},
	{name: "defect-31/reset-accepted-or-refused", run: func(s *scene) {
		l, err := s.a.Scans.Launch(s.ctx, account(1), false, true)
		s.must(err)
		equal(s, "created and accepted", l.Created && l.ResetAccepted, true)
		equal(s, "reset", s.list(s.a, objects.LegA).Reset(), true)
		equal(s, "reset of leg B", s.list(s.a, objects.LegB).Reset(), false)
		s.scan(2, false)
		l, err = s.actor().Scans.Launch(s.ctx, account(2), false, true)
		s.must(err)
		equal(s, "accepted", !l.Created && l.ResetAccepted, true)
		b := s.list(s.a, objects.LegB) // leg B does not matter
		c := s.list(s.a, objects.LegA)
		equal(s, "reset", c.Reset(), true)
		l, err = s.a.Scans.Launch(s.ctx, account(2), false, true)
		s.must(err)
		equal(s, "accepted after leg A began", l.ResetAccepted, false)
		s.must(c.Release(s.ctx))
		s.must(b.Release(s.ctx))
		equal(s, "reset, claimed again", s.list(s.a, objects.LegA).Reset(), true)
		s.scan(3, false)
		s.listed(objects.LegA, 0, 3)
		l, err = s.a.Scans.Launch(s.ctx, account(3), false, true)
		s.must(err)
		equal(s, "accepted after leg A began", l.ResetAccepted, false)
	}},
	{name: "defect-24/blacklisted-refused", options: objects.Options{Blacklist: []int64{13}}, run: func(s *scene) {
		_, err := s.a.Scans.Launch(s.ctx, account(13), true, true)
		s.is(err, objects.ErrBlacklisted)
		_, ok, err := s.a.Scans.Get(s.ctx, 13)
		s.must(err)
		equal(s, "found", ok, false)
		s.wantScans(0, 0)
		s.scan(14, false)
	}},
	{name: "defect-30/a-failed-scan-answers-for-a-while", run: func(s *scene) {
		id := s.scan(1, false)
		s.failScan()
		r := s.loadScan(id)
		equal(s, "finished and failed", r.Finished && r.Failed, true)
		l, err := s.a.Scans.Launch(s.ctx, account(1), true, true)
		s.must(err)
		equal(s, "launched within ten minutes", l, objects.Launched{ID: id})
		s.wantScans(1, 0)
	}},
	{name: "rule-1.4/a-finished-scan-answers-for-its-account", run: func(s *scene) {
		id := s.scan(1, false)
		s.finishScan()
		l, err := s.a.Scans.Launch(s.ctx, account(1), true, true)
		s.must(err)
		equal(s, "launched again", l, objects.Launched{ID: id})
		s.noListing(objects.LegA, 0)
		s.is(s.a.Scans.Load(s.ctx, objects.ScanID{}, new(objects.ScanRequest)), objects.ErrGone)
	}},
}
