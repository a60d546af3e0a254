package conformance

import (
	"fmt"

	"github.com/aotf/sharedmem/objects"
)

// waitFor brings a new request to where it waits for scans of the accounts.
func (s *scene) waitFor(url string, accounts ...int64) (objects.UserID, []objects.ScanID) {
	s.Helper()
	id := s.atStep(url, objects.Step2)
	var scans []objects.ScanID
	for _, a := range accounts {
		l, err := s.a.Scans.Launch(s.ctx, account(a), true, false)
		s.must(err)
		scans = append(scans, l.ID)
	}
	s.must(s.claim(s.a, objects.Step2).WaitFor(s.ctx, scans, true))
	return id, scans
}

// failScan fails both legs of the scan whose turn it is.
func (s *scene) failScan() {
	s.Helper()
	s.must(s.list(s.a, objects.LegA).Fail(s.ctx, false))
	s.noListing(objects.LegB, 0) // a leg of a failed scan is closed, not listed
}

var waitScenarios = []scenario{
	{name: "rule-3.1/waits-until-its-scans-finished", run: func(s *scene) {
		id, scans := s.waitFor("u", 1, 2)
		r := s.load(id)
		equal(s, "status", r.Status, objects.IndexTweets)
		equal(s, "scans", fmt.Sprint(r.Scans), fmt.Sprint(scans))
		equal(s, "first scan", r.FirstScan, true)
		s.noClaim(objects.Step2)
		s.finishScan()
		s.noClaim(objects.Step2) // one of two
		s.finishScan()
		c := s.claim(s.a, objects.Step2)
		equal(s, "attempt", c.Attempt(), 1)
		equal(s, "scans", fmt.Sprint(c.Request().Scans), fmt.Sprint(scans))
		s.must(c.Indexed(s.ctx))
		s.wantStatus(id, objects.WaitReverseSearch)
	}},
	{name: "rule-3.1/a-finish-wakes-who-waits", run: func(s *scene) {
		s.waitFor("u", 1)
		b := s.actor()
		got := make(chan error)
		go func() {
			c, err := b.Users.Claim(s.ctx, nil, objects.Step2)
			if err == nil {
				err = c.Indexed(s.ctx)
			}
			got <- err
		}()
		s.finishScan()
		s.must(<-got)
	}},
	{name: "rule-3.1/a-failed-scan-releases-at-once", run: func(s *scene) {
		id, _ := s.waitFor("u", 1, 2)
		s.must(s.list(s.a, objects.LegB).Fail(s.ctx, false))
		c := s.claim(s.a, objects.Step2) // though nothing has finished
		s.must(c.Fail(s.ctx, objects.ProcessingError))
		s.wantProblem(id, objects.ProcessingError)
	}},
	{name: "defect-08/two-failed-scans-one-end", run: func(s *scene) {
		s.launchQuery(objects.Query{URL: "other", Direct: true, Address: someone})
		id, _ := s.waitFor("u", 1, 2)
		for range 2 {
			s.must(s.list(s.a, objects.LegA).Fail(s.ctx, false))
		}
		c := s.claim(s.a, objects.Step2)
		s.must(c.Fail(s.ctx, objects.BlockedByTwitterAccount))
		s.is(c.Fail(s.ctx, objects.BlockedByTwitterAccount), objects.ErrStale)
		s.noClaim(objects.Step2)
		s.wantProblem(id, objects.BlockedByTwitterAccount)
		s.wantUsers(2, 1)
		s.wantCharged(someone, 1)
	}},
	{name: "rule-3.1/without-scans-straight-on", run: func(s *scene) {
		id, _ := s.waitFor("u")
		s.wantStatus(id, objects.WaitReverseSearch)
	}},
	{name: "rule-3.1/scan-finished-before-it-is-waited-for", run: func(s *scene) {
		s.scan(1, true)
		s.finishScan()
		s.waitFor("u", 1)
		s.must(s.claim(s.a, objects.Step2).Indexed(s.ctx))
	}},
	{name: "rule-3.1/second-visit-released", run: func(s *scene) {
		id, _ := s.waitFor("u", 1)
		s.finishScan()
		c := s.claim(s.a, objects.Step2)
		s.must(c.Release(s.ctx))
		s.wantStatus(id, objects.IndexTweets)
		s.must(s.claim(s.a, objects.Step2).Indexed(s.ctx))
	}},
	{name: "rule-3.1/many-wait-for-one-scan", run: func(s *scene) {
		for i := range 10 {
			s.waitFor(fmt.Sprint("u", i), 1)
		}
		s.noClaim(objects.Step2)
		s.finishScan()
		for range 10 {
			s.must(s.claim(s.a, objects.Step2).Indexed(s.ctx))
		}
		s.noClaim(objects.Step2)
	}},
	{name: "defect-05/step-2-workers-do-not-exclude-each-other", run: func(s *scene) {
		s.launch("u0")
		s.launch("u1")
		s.linkFound()
		s.linkFound()
		b := s.actor()
		held := s.claim(s.a, objects.Step2) // its worker is in the database, for ever
		c := s.claim(b, objects.Step2)
		l, err := b.Scans.Launch(s.ctx, account(1), true, false)
		s.must(err)
		s.must(c.WaitFor(s.ctx, []objects.ScanID{l.ID}, true))
		s.finishScan()
		s.must(s.claim(b, objects.Step2).Indexed(s.ctx))
		equal(s, "open", held.Open(), true)
		s.must(held.Release(s.ctx))
	}},
	{name: "rule-2.1/many-scans", run: func(s *scene) {
		var ids []int64
		for i := range 12 {
			ids = append(ids, int64(i+1))
		}
		id, scans := s.waitFor("u", ids...)
		equal(s, "scans", fmt.Sprint(s.load(id).Scans), fmt.Sprint(scans))
		for i := range ids {
			if i == len(ids)-1 {
				s.noClaim(objects.Step2)
			}
			s.finishScan()
		}
		s.must(s.claim(s.a, objects.Step2).Indexed(s.ctx))
	}},
}
