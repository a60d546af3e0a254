package objects_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func TestMain(m *testing.M) { shmtest.Main(m) }

// both runs a test on a private and on a shared tree.
func both(t *testing.T, opt objects.Options, test func(t *testing.T, m *objects.SharedMemory)) {
	for _, private := range []bool{true, false} {
		t.Run(fmt.Sprintf("private=%v", private), func(t *testing.T) {
			o := opt
			o.Private = private
			m, err := objects.Open(shmtest.Name(t), &o)
			must(t, err)
			defer m.Close()
			test(t, m)
			shmtest.Verify(t, m.Segment())
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// soon is a context for calls that should find nothing.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func status(t testing.TB, m *objects.SharedMemory, id objects.UserID) objects.Status {
	t.Helper()
	var r objects.UserRequest
	must(t, m.Users.Load(t.Context(), id, &r))
	return r.Status
}

func TestSegment_FitsDocker(t *testing.T) {
	m, err := objects.Open(shmtest.Name(t), nil)
	must(t, err)
	defer m.Close()
	size := m.Segment().Stats().Size
	t.Logf("%.1f MiB", float64(size)/(1<<20))
	if size > 40<<20 {
		t.Errorf("the default segment has %d bytes, want at most 40 MiB", size)
	}
}

func TestUser_WholeWay(t *testing.T) {
	both(t, objects.Options{}, func(t *testing.T, m *objects.SharedMemory) {
		ctx := t.Context()
		q := objects.Query{URL: "https://example.org/art/1", Address: addr("192.0.2.1")}
		id, created, err := m.Users.Launch(ctx, q)
		must(t, err)
		again, created2, err := m.Users.Launch(ctx, q)
		must(t, err)
		if !created || created2 || again != id {
			t.Fatal("launch twice:", created, created2, id, again)
		}
		if n, _ := m.HTTP.Unfinished(ctx, q.Address); n != 1 {
			t.Fatalf("%d charged", n)
		}
		c, err := m.Users.Claim(ctx, nil, objects.Step1)
		must(t, err)
		if s := status(t, m, id); s != objects.LinkFinder {
			t.Fatal(s)
		}
		accounts := []objects.Account{{ID: 7, Name: "someone"}, {ID: 8, Name: "other"}, {ID: 9, Name: "a"}, {ID: 10, Name: "b"}, {ID: 11, Name: "c"}}
		must(t, c.LinkFound(ctx, accounts, []string{"https://example.org/i.png"}, time.Unix(1000, 0)))
		if err := c.Fail(ctx, objects.NotAnURL); !errors.Is(err, objects.ErrStale) {
			t.Fatal(err)
		}
		c, err = m.Users.Claim(ctx, nil, objects.Step2)
		must(t, err)
		if got := c.Request().Accounts; len(got) != 5 || got[4].Name != "c" || c.Request().ImageURLs[0] != "https://example.org/i.png" {
			t.Fatalf("%+v", c.Request())
		}
		l, err := m.Scans.Launch(ctx, accounts[0], true, false)
		must(t, err)
		must(t, c.WaitFor(ctx, []objects.ScanID{l.ID}, true))
		if _, err := m.Users.Claim(soon(t), nil, objects.Step2); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal("claimed before its scan ended:", err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			c, err := m.Users.Claim(ctx, nil, objects.Step2)
			if err == nil {
				err = c.Indexed(ctx)
			}
			if err != nil {
				t.Error(err)
			}
		})
		scanAccount(t, m, 3)
		wg.Wait()
		c, err = m.Users.Claim(ctx, nil, objects.Step3)
		must(t, err)
		must(t, c.Finish(ctx, []objects.Found{{Account: 7, Tweet: 2, Distance: 5}, {Account: 7, Tweet: 1, Distance: 1}}))
		var r objects.UserRequest
		must(t, m.Users.Load(ctx, id, &r))
		if r.Status != objects.End || len(r.Found) != 2 || r.Found[0].Tweet != 1 || r.Finished.IsZero() {
			t.Fatalf("%+v", r)
		}
		if n, _ := m.HTTP.Unfinished(ctx, q.Address); n != 0 {
			t.Fatalf("%d charged after END", n)
		}
	})
}

// scanAccount plays listers and an indexer until one scan has finished.
func scanAccount(t testing.TB, m *objects.SharedMemory, tweets int) {
	t.Helper()
	ctx := t.Context()
	for _, leg := range []objects.Leg{objects.LegA, objects.LegB} {
		l, err := m.Scans.ClaimListing(ctx, nil, leg, 0)
		must(t, err)
		for i := range tweets {
			must(t, l.PutTweet(ctx, objects.Tweet{ID: int64(i), Images: []string{"picture.png"}}))
		}
		must(t, l.Done(ctx, objects.Cursor{Value: "c", Set: true}))
	}
	saved := 0
	for saved < 2 {
		c, err := m.Scans.ClaimIndexing(ctx, nil)
		must(t, err)
		if c.Tweet() == nil {
			if _, tweets, _, _ := m.Scans.Depths(ctx); tweets > tweetsOfOtherLeg {
				t.Fatal("an instruction passed before its tweets")
			}
			_, cur, save := c.Cursor()
			if !save || cur.Value != "c" {
				t.Fatalf("%+v %v", cur, save)
			}
			saved++
		}
		must(t, c.Done(ctx))
	}
}

const tweetsOfOtherLeg = 3

func TestQuota(t *testing.T) {
	both(t, objects.Options{PerAddress: 2}, func(t *testing.T, m *objects.SharedMemory) {
		ctx := t.Context()
		a := addr("2001:db8::1")
		for i := range 2 {
			_, _, err := m.Users.Launch(ctx, objects.Query{URL: fmt.Sprint("u", i), Address: a})
			must(t, err)
		}
		if _, _, err := m.Users.Launch(ctx, objects.Query{URL: "u2", Address: a}); !errors.Is(err, objects.ErrLimit) {
			t.Fatal(err)
		}
		if total, _, _ := m.Users.Count(ctx); total != 2 {
			t.Fatalf("%d requests: the refused one stayed", total)
		}
		if _, created, err := m.Users.Launch(ctx, objects.Query{URL: "u1", Address: a}); err != nil || created {
			t.Fatal("an existing one is returned at the limit:", created, err)
		}
		c, err := m.Users.Claim(ctx, nil, objects.Step1)
		must(t, err)
		must(t, c.Fail(ctx, objects.NotAnURL))
		_, _, err = m.Users.Launch(ctx, objects.Query{URL: "u2", Address: a})
		must(t, err)
		_, _, err = m.Users.Launch(ctx, objects.Query{URL: "u3", Address: addr("127.0.0.1")})
		must(t, err)
	})
}

func TestLimiter(t *testing.T) {
	both(t, objects.Options{}, func(t *testing.T, m *objects.SharedMemory) {
		ctx := t.Context()
		accepted := 0
		for range 20 {
			ok, err := m.HTTP.Allow(ctx, addr("192.0.2.7"))
			must(t, err)
			if ok {
				accepted++
			}
		}
		// Twenty calls take far less than a second, or the machine is stalled.
		if accepted < 1 || accepted > 3 {
			t.Fatalf("%d accepted", accepted)
		}
	})
}

// The table of addresses is small and seen by many: idle ones make room.
func TestAddresses_Evict(t *testing.T) {
	both(t, objects.Options{PerAddress: 1, Capacity: map[string]int{"addresses": 4}}, func(t *testing.T, m *objects.SharedMemory) {
		ctx := t.Context()
		for i := range 40 {
			a := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
			_, created, err := m.Users.Launch(ctx, objects.Query{URL: fmt.Sprint("u", i), Address: a})
			must(t, err)
			if !created {
				t.Fatal("not created")
			}
			c, err := m.Users.Claim(ctx, nil, objects.Step1)
			must(t, err)
			must(t, c.Fail(ctx, objects.NotAnURL))
		}
		for i := range 4 {
			_, _, err := m.Users.Launch(ctx, objects.Query{URL: fmt.Sprint("w", i), Address: netip.AddrFrom4([4]byte{10, 1, 0, byte(i)})})
			must(t, err)
		}
		if _, _, err := m.Users.Launch(ctx, objects.Query{URL: "x", Address: addr("10.2.0.1")}); !errors.Is(err, objects.ErrFull) {
			t.Fatal(err)
		}
	})
}

func TestScan_PriorityPromotionBlocks(t *testing.T) {
	both(t, objects.Options{Tokens: 2}, func(t *testing.T, m *objects.SharedMemory) {
		ctx := t.Context()
		launch := func(id int64, prior bool) objects.Launched {
			l, err := m.Scans.Launch(ctx, objects.Account{ID: id, Name: fmt.Sprint("a", id)}, prior, false)
			must(t, err)
			return l
		}
		for id := int64(1); id <= 3; id++ {
			launch(id, false)
		}
		launch(4, true)
		if l := launch(3, true); l.Created {
			t.Fatal("created twice")
		}
		var order []int64
		next := func(token int) objects.ListingClaim {
			c, err := m.Scans.ClaimListing(ctx, nil, objects.LegA, token)
			must(t, err)
			order = append(order, c.Account().ID)
			return c
		}
		a := next(0)
		next(0) // 4
		if again, err := a.Blocked(ctx, 0); err != nil || !again {
			t.Fatal(again, err)
		}
		next(0) // 1: 3 is blocked for token 0
		b := next(1)
		if fmt.Sprint(order) != "[3 4 1 3]" {
			t.Fatal(order)
		}
		if again, err := b.Blocked(ctx, 1); err != nil || again {
			t.Fatal("both tokens are blocked:", again, err)
		}
		var s objects.ScanRequest
		must(t, m.Scans.Load(ctx, b.Scan(), &s))
		if !s.Failed || !s.Blocked || !s.Closed[0] || s.Finished {
			t.Fatalf("%+v", s)
		}
	})
}

func TestThreadsAndMessages(t *testing.T) {
	both(t, objects.Options{}, func(t *testing.T, m *objects.SharedMemory) {
		ctx := t.Context()
		w, err := m.Threads.Register(ctx, "link_finder_th1")
		must(t, err)
		if _, err := m.Threads.Register(ctx, "link_finder_th1"); !errors.Is(err, objects.ErrTaken) {
			t.Fatal(err)
		}
		_, _, err = m.Users.Launch(ctx, objects.Query{URL: "u"})
		must(t, err)
		c, err := m.Users.Claim(ctx, w, objects.Step1)
		must(t, err)
		list, err := m.Threads.List(ctx)
		must(t, err)
		if len(list) != 1 || list[0].Work != "u" {
			t.Fatalf("%+v", list)
		}
		must(t, c.Release(ctx))
		must(t, w.Close())
		if n, err := m.Processes.Send(ctx, objects.WriteStacks); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		if msg, err := m.Processes.Receive(ctx); err != nil || msg != objects.WriteStacks {
			t.Fatal(msg, err)
		}
	})
}

func TestCounts(t *testing.T) {
	both(t, objects.Options{}, func(t *testing.T, m *objects.SharedMemory) {
		ctx := t.Context()
		for _, n := range []int64{5, 3, 9, 7} {
			must(t, m.SetCounts(ctx, objects.Counts{Tweets: n, Accounts: n, ReadAt: time.Unix(n, 0)}))
		}
		got, err := m.Counts(ctx)
		must(t, err)
		if got.Tweets != 9 {
			t.Fatalf("%+v", got)
		}
	})
}

// ctxBackground is for child processes, which have no test to take a context from.
var ctxBackground = context.Background()
