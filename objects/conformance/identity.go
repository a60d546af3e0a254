package conformance

import (
	"strings"

	"github.com/aotf/sharedmem/objects"
)

var identityScenarios = []scenario{
	{name: "defect-01/lookup-never-creates-or-blocks", run: func(s *scene) {
		for _, q := range []objects.Query{{URL: "u"}, {URL: "u", Direct: true}, {URL: "u", Direct: true, Account: "a"}} {
			_, ok, err := s.a.Users.Lookup(s.ctx, q)
			s.must(err)
			equal(s, "found", ok, false)
		}
		s.wantUsers(0, 0)
		id := s.launchQuery(objects.Query{URL: "u", Direct: true})
		got, ok, err := s.actor().Users.Lookup(s.ctx, objects.Query{URL: "u", Direct: true})
		s.must(err)
		equal(s, "found", ok, true)
		equal(s, "id", got, id)
	}},
	{name: "defect-13/the-account-is-part-of-the-identity", run: func(s *scene) {
		whole := s.launchQuery(objects.Query{URL: "u", Direct: true})
		one := s.launchQuery(objects.Query{URL: "u", Direct: true, Account: "one"})
		two := s.launchQuery(objects.Query{URL: "u", Direct: true, Account: "two"})
		normal := s.launch("u")
		equal(s, "different", whole != one && one != two && normal != whole, true)
		for _, same := range []string{"one", "@one", "ONE", "@One"} {
			id, created, err := s.a.Users.Launch(s.ctx, objects.Query{URL: "u", Direct: true, Account: same})
			s.must(err)
			equal(s, "created for "+same, created, false)
			equal(s, "id", id, one)
		}
		equal(s, "account", s.load(one).Query.Account, "one")
		equal(s, "account", s.load(whole).Query.Account, "")
		s.wantUsers(4, 4)
	}},
	{name: "defect-14/a-second-account-does-not-hide-the-first", options: objects.Options{Capacity: map[string]int{"users": 2}}, run: func(s *scene) {
		first := s.launchQuery(objects.Query{URL: "u", Direct: true, Account: "one"})
		s.launchQuery(objects.Query{URL: "u", Direct: true, Account: "two"})
		s.must(s.claim(s.a, objects.Step3).Finish(s.ctx, nil))
		s.launchQuery(objects.Query{URL: "u", Direct: true, Account: "three"}) // sheds the first
		var r objects.UserRequest
		s.is(s.a.Users.Load(s.ctx, first, &r), objects.ErrGone)
		s.wantUsers(2, 2)
	}},
	{name: "defect-16/an-image-is-a-direct-search", run: func(s *scene) {
		_, _, err := s.a.Users.Launch(s.ctx, objects.Query{URL: "u", Image: []byte("image")})
		s.is(err, objects.ErrInvalid)
		_, _, err = s.a.Users.Launch(s.ctx, objects.Query{URL: "u", Account: "one"})
		s.is(err, objects.ErrInvalid)
		s.wantUsers(0, 0)
	}},
	{name: "defect-04/refused-calls-leave-nothing", run: func(s *scene) {
		bad := []objects.Query{
			{}, {URL: strings.Repeat("x", 4097)}, {URL: "u", Direct: true, Account: "with space"},
			{URL: "u", Direct: true, Account: strings.Repeat("x", 16)}, {URL: "u", Direct: true, Account: "@"},
		}
		for _, q := range bad {
			q.Address = someone
			if _, _, err := s.a.Users.Launch(s.ctx, q); err == nil {
				s.Fatalf("launched %.20v", q)
			}
			if _, _, err := s.a.Users.Lookup(s.ctx, q); err == nil {
				s.Fatalf("looked up %.20v", q)
			}
		}
		if _, err := s.a.Scans.Launch(s.ctx, objects.Account{ID: 1, Name: strings.Repeat("x", 65)}, true, true); err == nil {
			s.Fatal("launched a scan of a name too long")
		}
		s.wantUsers(0, 0)
		s.wantScans(0, 0)
		s.wantCharged(someone, 0)
		s.launchQuery(objects.Query{URL: "u", Address: someone})
		s.scan(1, false)
	}},
	{name: "defect-40/the-identifier-is-the-request's-own", run: func(s *scene) {
		q := objects.Query{URL: "0123456789abcdef0123456789abcdef", Direct: true, Account: "one", Image: []byte("image")}
		id := s.launchQuery(q)
		q.Image = nil // who polls has only the identifier
		b := s.actor()
		got, ok, err := b.Users.Lookup(s.ctx, q)
		s.must(err)
		equal(s, "found", ok, true)
		equal(s, "id", got, id)
		equal(s, "account", s.load(id).Query.Account, "one")
	}},
	{name: "rule-2.1/url-limit", run: func(s *scene) {
		for _, n := range []int{1, 223, 224, 225, 255, 256, 257, 1024, 4096} {
			url := strings.Repeat("x", n)
			id := s.launch(url)
			equal(s, "URL", s.load(id).Query.URL, url)
			got, ok, err := s.a.Users.Lookup(s.ctx, objects.Query{URL: url})
			s.must(err)
			equal(s, "found", ok, true)
			equal(s, "id", got, id)
		}
		_, _, err := s.a.Users.Launch(s.ctx, objects.Query{URL: strings.Repeat("x", 4097)})
		s.is(err, objects.ErrTooLarge)
		_, _, err = s.a.Users.Launch(s.ctx, objects.Query{URL: ""})
		s.is(err, objects.ErrTooLarge)
		s.wantUsers(9, 9)
	}},
	{name: "rule-2.1/long-urls-differ-in-their-last-byte", run: func(s *scene) {
		url := strings.Repeat("x", 4095)
		a, b := s.launch(url+"a"), s.launch(url+"b")
		equal(s, "URL", s.load(a).Query.URL, url+"a")
		equal(s, "URL", s.load(b).Query.URL, url+"b")
	}},
}
