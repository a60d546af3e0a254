package world

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
)

// launched, gone and at are what a child says of a user request.
func launched(url string) string { return "launched " + url }
func at(url string, s objects.Status) string {
	return fmt.Sprint("at ", url, " ", s)
}

func launch(q objects.Query) func(m *objects.SharedMemory) func(func(string)) {
	return func(m *objects.SharedMemory) func(func(string)) {
		return func(ack func(string)) {
			_, _, err := m.Users.Launch(ctx, q)
			Check(err)
			ack(launched(q.URL))
		}
	}
}

// advance claims a request at a step, and then makes one transition of it.
func advance(s objects.Step, to objects.Status, do func(c objects.UserClaim) error) func(m *objects.SharedMemory) func(func(string)) {
	return func(m *objects.SharedMemory) func(func(string)) {
		c := claim(m, s)
		return func(ack func(string)) {
			Check(do(c))
			ack(at(c.Request().Query.URL, to))
		}
	}
}

func claiming(s objects.Step) func(m *objects.SharedMemory) func(func(string)) {
	return func(m *objects.SharedMemory) func(func(string)) {
		return func(func(string)) { claim(m, s) }
	}
}

var longURL = strings.Repeat("long", 200)

var userSteps = []step{
	{name: "launch", ready: launch(objects.Query{URL: longURL, Address: charged})},
	{name: "launch-direct", ready: launch(objects.Query{URL: "direct", Direct: true, Account: "somebody"})},
	{name: "launch-image", ready: launch(objects.Query{URL: "picture", Direct: true, Image: []byte("image")})},
	{name: "launch-existing", ready: launch(objects.Query{URL: "one", Address: charged})},
	{name: "launch-shedding", alone: true, // a request is to make room
		more: func(t testing.TB, m *objects.SharedMemory) {
			for i := range treeCapacity["users"] - 5 {
				_, _, err := m.Users.Launch(ctx, objects.Query{URL: fmt.Sprint("more ", i)})
				Must(t, err)
			}
		},
		ready: func(m *objects.SharedMemory) func(func(string)) {
			do := launch(objects.Query{URL: "new"})(m)
			return func(ack func(string)) {
				ack("shedding")
				do(ack)
			}
		}},
	{name: "claim-1", ready: claiming(objects.Step1)},
	{name: "claim-2", ready: claiming(objects.Step2)},
	{name: "claim-2-again", more: finishScan, ready: claiming(objects.Step2)},
	{name: "claim-3", ready: claiming(objects.Step3)},
	{name: "claim-waiting", alone: true, ready: func(m *objects.SharedMemory) func(func(string)) {
		claim(m, objects.Step1)
		return aMoment(func(c context.Context) error {
			_, err := m.Users.Claim(c, nil, objects.Step1)
			return err
		})
	}},
	{name: "link-found", ready: advance(objects.Step1, objects.WaitIndexTweets, func(c objects.UserClaim) error {
		return c.LinkFound(ctx, make([]objects.Account, 6), []string{"image"}, time.Now())
	})},
	{name: "wait-for", ready: func(m *objects.SharedMemory) func(func(string)) {
		id, _, err := m.Scans.Get(ctx, 2)
		Check(err)
		return advance(objects.Step2, objects.IndexTweets, func(c objects.UserClaim) error {
			if len(c.Request().Scans) > 0 {
				return c.Release(ctx) // a survivor has finished its scan
			}
			return c.WaitFor(ctx, []objects.ScanID{id}, true)
		})(m)
	}},
	{name: "indexed", ready: advance(objects.Step2, objects.WaitReverseSearch, func(c objects.UserClaim) error { return c.Indexed(ctx) })},
	{name: "finish", ready: advance(objects.Step3, objects.End, func(c objects.UserClaim) error {
		return c.Finish(ctx, make([]objects.Found, 40))
	})},
	{name: "fail", ready: advance(objects.Step3, objects.End, func(c objects.UserClaim) error {
		return c.Fail(ctx, objects.ProcessingError)
	})},
	{name: "release", ready: advance(objects.Step1, objects.WaitLinkFinder, func(c objects.UserClaim) error { return c.Release(ctx) })},
	{name: "expire", alone: true, ready: func(m *objects.SharedMemory) func(func(string)) {
		return func(ack func(string)) {
			ack("expiring")
			_, err := m.Users.Expire(ctx, 0)
			Check(err)
			for _, url := range []string{"one", "two", "three", "wait"} {
				ack(at(url, objects.End))
			}
		}
	}},
	{name: "expire-claimed", alone: true, ready: func(m *objects.SharedMemory) func(func(string)) {
		claim(m, objects.Step1)
		return func(ack func(string)) {
			ack("expiring")
			_, err := m.Users.Expire(ctx, 0)
			Check(err)
		}
	}},
	{name: "shed", ready: func(m *objects.SharedMemory) func(func(string)) {
		return func(ack func(string)) {
			ack("shedding")
			shed(m.Users.Shed)
		}
	}},
	{name: "allow", ready: func(m *objects.SharedMemory) func(func(string)) {
		return func(func(string)) {
			_, err := m.HTTP.Allow(ctx, netip.MustParseAddr("192.0.2.10"))
			Check(err)
		}
	}},
	{name: "allow-evicting", alone: true, more: fillAddresses, ready: func(m *objects.SharedMemory) func(func(string)) {
		return func(func(string)) {
			_, err := m.HTTP.Allow(ctx, netip.MustParseAddr("192.0.2.10"))
			Check(err)
		}
	}},
	{name: "load", ready: func(m *objects.SharedMemory) func(func(string)) {
		return func(func(string)) {
			id, _, err := m.Users.Lookup(ctx, objects.Query{URL: "end"})
			Check(err)
			var r objects.UserRequest
			if err := m.Users.Load(ctx, id, &r); !errors.Is(err, objects.ErrGone) { // it ended, and had to make room
				Check(err)
			}
		}
	}},
}

// shed sheds what has ended, as if two days had passed.
func shed(do func(context.Context) (int, error)) {
	aged := later(48 * time.Hour)
	n, err := do(ctx)
	Check(err)
	if aged && n == 0 {
		panic("nothing was shed")
	}
}

// finishScan ends the scan that a request waits for.
func finishScan(_ testing.TB, m *objects.SharedMemory) {
	Check(listing(m, objects.LegB, 1).Fail(ctx, false))
}

// fillAddresses leaves room for no address but those whose requests have ended.
func fillAddresses(t testing.TB, m *objects.SharedMemory) {
	for i := range treeCapacity["addresses"] - 1 {
		a := netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
		_, _, err := m.Users.Launch(ctx, objects.Query{URL: a.String(), Direct: true, Address: a})
		Must(t, err)
	}
	for range treeCapacity["addresses"] {
		Must(t, claim(m, objects.Step3).Fail(ctx, objects.ProcessingError))
	}
}
