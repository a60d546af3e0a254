package conformance

import (
	"fmt"
	"net/netip"

	"github.com/aotf/sharedmem/objects"
)

func (s *scene) wantCharged(addr netip.Addr, want int) {
	s.Helper()
	n, err := s.a.HTTP.Unfinished(s.ctx, addr)
	s.must(err)
	equal(s, fmt.Sprint("charged to ", addr), n, want)
}

var limitScenarios = []scenario{
	{name: "defect-02/refused-at-the-limit", options: objects.Options{PerAddress: 2}, run: func(s *scene) {
		first := objects.Query{URL: "u0", Address: someone}
		s.launchQuery(first)
		s.launchQuery(objects.Query{URL: "u1", Direct: true, Address: someone})
		b := s.actor()
		for range 3 {
			for _, direct := range []bool{false, true} {
				_, created, err := b.Users.Launch(s.ctx, objects.Query{URL: "u2", Direct: direct, Address: someone})
				s.is(err, objects.ErrLimit)
				equal(s, "created", created, false)
			}
		}
		s.wantUsers(2, 2)
		_, ok, err := b.Users.Lookup(s.ctx, objects.Query{URL: "u2"})
		s.must(err)
		equal(s, "the refused one is found", ok, false)
		_, created, err := b.Users.Launch(s.ctx, first) // one that is there is returned all the same
		s.must(err)
		equal(s, "created", created, false)
		s.launchQuery(objects.Query{URL: "u2", Address: other})
		s.launch("u3")
		s.wantCharged(someone, 2)
		s.wantCharged(other, 1)
	}},
	{name: "rule-1.7/quota-free-after-end", options: objects.Options{PerAddress: 1}, run: func(s *scene) {
		for i := range 20 {
			id := s.launchQuery(objects.Query{URL: fmt.Sprint("u", i), Address: someone})
			_, _, err := s.a.Users.Launch(s.ctx, objects.Query{URL: "more", Address: someone})
			s.is(err, objects.ErrLimit)
			s.must(s.claim(s.a, objects.Step1).Fail(s.ctx, objects.NotAnURL))
			s.wantProblem(id, objects.NotAnURL)
			s.wantCharged(someone, 0)
		}
	}},
	{name: "rule-1.7/ten-by-default", run: func(s *scene) {
		for i := range 10 {
			s.launchQuery(objects.Query{URL: fmt.Sprint("u", i), Address: someone})
		}
		_, _, err := s.a.Users.Launch(s.ctx, objects.Query{URL: "u10", Address: someone})
		s.is(err, objects.ErrLimit)
	}},
	{name: "defect-12/exempt-addresses-are-never-charged", options: objects.Options{PerAddress: 1}, run: func(s *scene) {
		for _, a := range []string{"127.0.0.1", "::ffff:127.0.0.1", "::1"} {
			addr := netip.MustParseAddr(a)
			for i := range 3 {
				s.launchQuery(objects.Query{URL: fmt.Sprint(a, i), Address: addr})
			}
			s.wantCharged(addr, 0)
		}
		for range 9 {
			s.must(s.claim(s.a, objects.Step1).Fail(s.ctx, objects.NotAnURL))
		}
		s.wantCharged(netip.MustParseAddr("127.0.0.1"), 0)
		s.wantUsers(9, 0)
	}},
	{name: "rule-1.7/exempt-addresses-are-an-option", options: objects.Options{PerAddress: 1, Unlimited: []netip.Addr{someone}}, run: func(s *scene) {
		for i := range 3 {
			s.launchQuery(objects.Query{URL: fmt.Sprint("u", i), Address: someone})
		}
		s.wantCharged(someone, 0)
		local := netip.MustParseAddr("127.0.0.1")
		s.launchQuery(objects.Query{URL: "v0", Address: local})
		_, _, err := s.a.Users.Launch(s.ctx, objects.Query{URL: "v1", Address: local})
		s.is(err, objects.ErrLimit)
	}},
	{name: "rule-1.7/mapped-address-is-the-same", options: objects.Options{PerAddress: 1}, run: func(s *scene) {
		s.launchQuery(objects.Query{URL: "u", Address: someone})
		_, _, err := s.a.Users.Launch(s.ctx, objects.Query{URL: "v", Address: netip.AddrFrom16(someone.As16())})
		s.is(err, objects.ErrLimit)
	}},
	{name: "defect-11/counts-are-derived", run: func(s *scene) {
		for i := range 6 {
			s.launchQuery(objects.Query{URL: fmt.Sprint("u", i), Address: someone})
		}
		s.wantUsers(6, 6)
		s.must(s.claim(s.a, objects.Step1).Fail(s.ctx, objects.NotAnURL))
		s.linkFound()
		s.must(s.claim(s.a, objects.Step2).Fail(s.ctx, objects.ProcessingError))
		s.linkFound()
		s.must(s.claim(s.a, objects.Step1).Release(s.ctx))
		s.wantUsers(6, 4)
		s.wantCharged(someone, 4)
		s.scan(1, false)
		s.finishScan()
		s.scan(2, false)
		s.wantScans(2, 1)
	}},
	{name: "defect-35/limiter-takes-addresses-and-fixed-room", options: objects.Options{Capacity: map[string]int{"addresses": 4}}, run: func(s *scene) {
		_, err := s.a.HTTP.Allow(s.ctx, netip.Addr{})
		s.is(err, objects.ErrInvalid)
		first := 0
		for i := range 40 {
			ok, err := s.a.HTTP.Allow(s.ctx, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
			if err != nil { // all four were seen within the second
				s.is(err, objects.ErrFull)
				continue
			}
			equal(s, "first request of an address accepted", ok, true)
			first++
		}
		equal(s, "at least the first four", first >= 4, true)
	}},
	{name: "rule-1.7/one-accepted-at-once", run: func(s *scene) {
		actors := []*Actor{s.a, s.actor()}
		ok, err := actors[0].HTTP.Allow(s.ctx, someone)
		s.must(err)
		equal(s, "accepted", ok, true)
		ok, err = actors[1].HTTP.Allow(s.ctx, other)
		s.must(err)
		equal(s, "another address accepted", ok, true)
	}},
	{name: "rule-1.2/full", options: objects.Options{Capacity: map[string]int{"users": 3, "scans": 2}}, run: func(s *scene) {
		for i := range 3 {
			s.launch(fmt.Sprint("u", i))
		}
		_, created, err := s.a.Users.Launch(s.ctx, objects.Query{URL: "u3", Address: someone})
		s.is(err, objects.ErrFull)
		equal(s, "created", created, false)
		s.wantCharged(someone, 0)
		s.scan(1, false)
		s.scan(2, false)
		_, err = s.a.Scans.Launch(s.ctx, account(3), false, false)
		s.is(err, objects.ErrFull)
		_, ok, err := s.a.Scans.Get(s.ctx, 3)
		s.must(err)
		equal(s, "found", ok, false)
	}},
}
