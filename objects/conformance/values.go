package conformance

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/aotf/sharedmem/objects"
)

var valueScenarios = []scenario{
	{name: "rule-2.1/image-limit", run: func(s *scene) {
		const most = 20 << 20
		image := bytes.Repeat([]byte("0123456789abcdef"), most/16)
		_, _, err := s.a.Users.Launch(s.ctx, objects.Query{URL: "over", Direct: true, Image: append(image, 'x')})
		s.is(err, objects.ErrTooLarge)
		s.wantUsers(0, 0)
		id := s.launchQuery(objects.Query{URL: "most", Direct: true, Image: image})
		equal(s, "size", s.load(id).ImageSize, int64(most))
		c := s.claim(s.a, objects.Step3)
		got, err := c.Image(s.ctx)
		s.must(err)
		equal(s, "same image", bytes.Equal(got, image), true)
		s.must(c.Finish(s.ctx, nil))
	}},
	{name: "rule-2.1/an-existing-request-keeps-its-image", run: func(s *scene) {
		s.launchQuery(objects.Query{URL: "id", Direct: true, Image: []byte("first")})
		_, created, err := s.actor().Users.Launch(s.ctx, objects.Query{URL: "id", Direct: true, Image: []byte("second")})
		s.must(err)
		equal(s, "created", created, false)
		got, err := s.claim(s.a, objects.Step3).Image(s.ctx)
		s.must(err)
		equal(s, "image", string(got), "first")
	}},
	{name: "rule-2.1/accounts-and-image-urls", run: func(s *scene) {
		for _, n := range []int{1, 4, 5, 256} {
			id := s.launch(fmt.Sprint("u", n))
			var list []objects.Account
			for i := range n {
				list = append(list, objects.Account{ID: 1<<62 + int64(i), Name: strings.Repeat("n", 64)})
			}
			urls := []string{strings.Repeat("x", 4096), "y"}
			s.must(s.claim(s.a, objects.Step1).LinkFound(s.ctx, list, urls, published))
			r := s.load(id)
			equal(s, "accounts", fmt.Sprint(r.Accounts), fmt.Sprint(list))
			equal(s, "URLs", fmt.Sprint(r.ImageURLs), fmt.Sprint(urls))
		}
	}},
	{name: "rule-2.1/link-found-limits", run: func(s *scene) {
		id := s.launch("u")
		c := s.claim(s.a, objects.Step1)
		many := make([]objects.Account, 257)
		for _, err := range []error{
			c.LinkFound(s.ctx, nil, nil, published),
			c.LinkFound(s.ctx, many, nil, published),
			c.LinkFound(s.ctx, accounts, []string{"a", "b", "c"}, published),
			c.LinkFound(s.ctx, accounts, []string{strings.Repeat("x", 4097)}, published),
			c.LinkFound(s.ctx, []objects.Account{{ID: 1, Name: strings.Repeat("x", 65)}}, nil, published),
		} {
			s.is(err, objects.ErrTooLarge)
		}
		s.wantStatus(id, objects.LinkFinder)
		s.must(c.LinkFound(s.ctx, accounts, nil, published))
		equal(s, "images", len(s.load(id).ImageURLs), 0)
	}},
	{name: "rule-2.1/results-limit", run: func(s *scene) {
		for _, n := range []int{0, 1, 2600, 2601, 3000} {
			id := s.launchQuery(objects.Query{URL: fmt.Sprint("u", n), Direct: true})
			var found []objects.Found
			for i := range n {
				found = append(found, objects.Found{Tweet: int64(n - i), Distance: 1})
			}
			s.must(s.claim(s.a, objects.Step3).Finish(s.ctx, found))
			r := s.load(id)
			equal(s, "results", len(r.Found), min(n, 2600))
			equal(s, "truncated", r.Truncated, n > 2600)
			for i, f := range r.Found { // the nearest are kept
				equal(s, "tweet", f.Tweet, int64(i+1))
			}
		}
	}},
	{name: "rule-2.1/tweet-limits", run: func(s *scene) {
		s.scan(1, false)
		l := s.list(s.a, objects.LegA)
		long := strings.Repeat("x", 1023)
		tweets := []objects.Tweet{
			{ID: 1 << 62, Images: []string{strings.Repeat("x", 48)}},
			{ID: 2, Images: []string{"a", "b", "c", "d"}, Retry: true},
			{ID: 3, Images: []string{long, long, long, long}},
			{ID: 4, Images: []string{strings.Repeat("y", 49)}},
		}
		for _, tw := range tweets {
			s.must(l.PutTweet(s.ctx, tw))
		}
		s.is(l.PutTweet(s.ctx, objects.Tweet{ID: 5}), objects.ErrTooLarge)
		s.is(l.PutTweet(s.ctx, objects.Tweet{ID: 5, Images: make([]string, 5)}), objects.ErrTooLarge)
		s.is(l.PutTweet(s.ctx, objects.Tweet{ID: 5, Images: []string{"two\nlines"}}), objects.ErrInvalid)
		s.is(l.Done(s.ctx, objects.Cursor{Value: strings.Repeat("x", 33), Set: true}), objects.ErrTooLarge)
		s.must(l.Done(s.ctx, objects.Cursor{Value: strings.Repeat("x", 32), Set: true}))
		for _, want := range tweets {
			c := s.index(s.a)
			equal(s, "tweet", fmt.Sprint(*c.Tweet()), fmt.Sprint(want))
			s.must(c.Done(s.ctx))
		}
		_, cur, _ := s.index(s.a).Cursor()
		equal(s, "cursor", cur.Value, strings.Repeat("x", 32))
	}},
	{name: "rule-2.1/an-empty-cursor-is-a-value", run: func(s *scene) {
		for i, want := range []objects.Cursor{{}, {Set: true}, {Value: "x", Set: true}, {Unchanged: true}} {
			s.scan(int64(i+1), false)
			s.must(s.list(s.a, objects.LegA).Done(s.ctx, want))
			c := s.instruction(s.a, true)
			leg, got, _ := c.Cursor()
			equal(s, "cursor", got, want)
			equal(s, "leg", leg, objects.LegA)
			equal(s, "account", c.Account(), int64(i+1))
			s.must(c.Done(s.ctx))
		}
	}},
	{name: "defect-32/values-are-copied", run: func(s *scene) {
		s.scan(1, false)
		l := s.list(s.a, objects.LegA)
		images := []string{"one"}
		s.must(l.PutTweet(s.ctx, objects.Tweet{ID: 1, Images: images}))
		images[0] = "two"
		s.must(l.PutTweet(s.ctx, objects.Tweet{ID: 2, Images: images}))
		equal(s, "image", s.tweet(s.a, 1).Tweet().Images[0], "one")
		equal(s, "image", s.tweet(s.a, 2).Tweet().Images[0], "two")
		list := []objects.Account{{ID: 1, Name: "one"}}
		id := s.launch("u")
		s.must(s.claim(s.a, objects.Step1).LinkFound(s.ctx, list, nil, published))
		list[0].Name = "two"
		equal(s, "name", s.load(id).Accounts[0].Name, "one")
	}},
}
