package objects_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
)

// The transitions leave no garbage, and neither does who polls a request. A claim is
// itself, which is never used again, so that a late call finds what it was, and what it
// shows of the request: the URL; later a list of accounts with a name each, and one of
// image URLs.
func TestAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const runs = 100
	long := objects.Query{URL: fmt.Sprintf("https://example.org/%0400d", 0)}
	accounts := []objects.Account{{ID: 7, Name: "someone"}}
	images := []string{"https://example.org/i.png", "https://example.org/j.png"}
	results := []objects.Found{{Account: 7, Tweet: 1, Distance: 3}}
	both(t, objects.Options{}, func(t *testing.T, m *objects.SharedMemory) {
		ctx := t.Context()
		var urls []string
		for i := range 2 * runs {
			urls = append(urls, fmt.Sprint("https://example.org/", i))
		}
		claim := func(s objects.Step) objects.UserClaim {
			c, err := m.Users.Claim(ctx, nil, s)
			must(t, err)
			return c
		}
		var r objects.UserRequest
		var id objects.UserID
		var claims []objects.UserClaim
		next := 0
		taken := func() objects.UserClaim { next++; return claims[next-1] }
		count := func(what string, want float64, call func() error) {
			t.Helper()
			var err error
			n := testing.AllocsPerRun(runs, func() {
				if e := call(); e != nil {
					err = e
				}
			})
			if n != want || err != nil {
				t.Errorf("%s: %v allocations, want %v, %v", what, n, want, err)
			}
		}
		load := func() error { return m.Users.Load(ctx, id, &r) }
		take := func(s objects.Step) {
			t.Helper()
			claims, next = nil, 0
			for range runs { // and one that count makes first, to warm up
				claims = append(claims, claim(s))
			}
			copies := map[objects.Step]float64{objects.Step1: 2, objects.Step2: 7, objects.Step3: 7}
			count(fmt.Sprint("claim at step ", s), copies[s], func() error {
				c, err := m.Users.Claim(ctx, nil, s)
				if err == nil {
					err = c.Release(ctx)
				}
				return err
			})
			claims = append(claims, claim(s))
		}
		id, _, err := m.Users.Launch(ctx, long)
		must(t, err)
		count("launch", 0, func() error {
			next++
			_, _, err := m.Users.Launch(ctx, objects.Query{URL: urls[next]})
			return err
		})
		count("launch of what is there", 0, func() error { _, _, err := m.Users.Launch(ctx, long); return err })
		count("lookup", 0, func() error { _, _, err := m.Users.Lookup(ctx, long); return err })
		count("load, waiting", 0, load)
		take(objects.Step1)
		count("link found", 0, func() error { return taken().LinkFound(ctx, accounts, images, time.Unix(1, 0)) })
		count("load, with links", 0, load)
		take(objects.Step2)
		count("indexed", 0, func() error { return taken().Indexed(ctx) })
		take(objects.Step3)
		count("finish", 0, func() error { return taken().Finish(ctx, results) })
		count("load, with results", 0, load)
		count("allow", 0, func() error { _, err := m.HTTP.Allow(ctx, addr("192.0.2.7")); return err })
	})
}
