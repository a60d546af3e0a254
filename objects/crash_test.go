//go:build crashpoint

package objects_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// Every transition of the tree is killed at every access to a shared word. Then
// a process attaches, sweeps, and compares what the interfaces say with what the
// records are: nothing is owned, charged, queued or counted that should not be.

var crashCapacity = map[string]int{
	"users": 8, "scans": 4, "legs": 8, "tweets": 8, "addresses": 4, "threads": 4,
	"blobs-256": 8, "blobs-1024": 8, "blobs-4096": 4, "blobs-16384": 2, "blobs-65536": 2, "processes": 4,
}

const charged = "192.0.2.9"

// crashOps start with user "old" in step 1, charged, and the scan of account 1
// whose leg A was listed: a tweet in step C, its cursor behind it.
var crashOps = map[string]func(m *objects.SharedMemory){
	"launch": func(m *objects.SharedMemory) {
		_, _, err := m.Users.Launch(ctxBackground, objects.Query{URL: strings.Repeat("long", 200), Address: addr(charged)})
		need(err)
	},
	"launch-scan": func(m *objects.SharedMemory) {
		_, err := m.Scans.Launch(ctxBackground, objects.Account{ID: 2, Name: "two"}, false, true)
		need(err)
		_, err = m.Scans.Launch(ctxBackground, objects.Account{ID: 2, Name: "two"}, true, true)
		need(err)
	},
	"link-and-fail": func(m *objects.SharedMemory) {
		c, err := m.Users.Claim(ctxBackground, nil, objects.Step1)
		need(err)
		need(c.LinkFound(ctxBackground, make([]objects.Account, 6), []string{"image"}, time.Now()))
		c, err = m.Users.Claim(ctxBackground, nil, objects.Step2)
		need(err)
		need(c.Fail(ctxBackground, objects.ProcessingError))
		_, err = m.Users.Shed(ctxBackground)
		need(err)
	},
	"list": func(m *objects.SharedMemory) {
		l, err := m.Scans.ClaimListing(ctxBackground, nil, objects.LegB, 0)
		need(err)
		need(l.PutTweet(ctxBackground, objects.Tweet{ID: 2, Images: []string{strings.Repeat("n", 100)}}))
		need(l.Done(ctxBackground, objects.Cursor{Value: "b", Set: true}))
	},
	"index": func(m *objects.SharedMemory) {
		for range 2 { // the tweet, then the instruction behind it
			c, err := m.Scans.ClaimIndexing(ctxBackground, nil)
			need(err)
			need(c.Done(ctxBackground))
		}
	},
	"fail-leg": func(m *objects.SharedMemory) {
		l, err := m.Scans.ClaimListing(ctxBackground, nil, objects.LegB, 0)
		need(err)
		need(l.Fail(ctxBackground, true))
	},
	"thread": func(m *objects.SharedMemory) {
		w, err := m.Threads.Register(ctxBackground, "t")
		need(err)
		need(w.Close())
	},
	"counts": func(m *objects.SharedMemory) {
		for i := range int64(2) {
			need(m.SetCounts(ctxBackground, objects.Counts{Tweets: i, ReadAt: time.Now()}))
		}
	},
	"expire": func(m *objects.SharedMemory) {
		_, err := m.Users.Expire(ctxBackground, 0)
		need(err)
	},
}

func need(err error) {
	if err != nil {
		panic(err)
	}
}

func init() {
	shmtest.Register("crash-object", func(args []string) {
		m, err := objects.Open(args[0], &objects.Options{Attach: true})
		need(err)
		n, err := strconv.ParseInt(args[2], 10, 64)
		need(err)
		shm.CrashAfter(n)
		crashOps[args[1]](m)
		shm.CrashAfter(0)
		fmt.Println("end")
	})
}

func TestCrash_Transitions(t *testing.T) {
	for op := range crashOps {
		t.Run("op="+op, func(t *testing.T) {
			for n := 1; ; n++ {
				name := shmtest.Name(t)
				crashStage(t, name)
				p := shmtest.Child(t, "crash-object", name, op, fmt.Sprint(n))
				for _, ok := p.Line(); ok; _, ok = p.Line() {
				}
				survived := p.Wait() == nil
				crashAudit(t, name)
				if t.Failed() {
					t.Fatalf("killed at access %d", n)
				}
				if survived {
					t.Logf("%d points", n-1)
					return
				}
			}
		})
	}
}

func crashStage(t *testing.T, name string) {
	t.Helper()
	ctx := t.Context()
	m, err := objects.Create(name, &objects.Options{Capacity: crashCapacity})
	must(t, err)
	_, _, err = m.Users.Launch(ctx, objects.Query{URL: "old", Address: addr(charged)})
	must(t, err)
	_, err = m.Scans.Launch(ctx, objects.Account{ID: 1, Name: "one"}, false, false)
	must(t, err)
	l, err := m.Scans.ClaimListing(ctx, nil, objects.LegA, 0)
	must(t, err)
	must(t, l.PutTweet(ctx, objects.Tweet{ID: 1, Images: []string{"p"}}))
	must(t, l.Done(ctx, objects.Cursor{Value: "a", Set: true}))
	must(t, m.Close())
}

func crashAudit(t *testing.T, name string) {
	t.Helper()
	ctx := t.Context()
	m, err := objects.Open(name, &objects.Options{Attach: true})
	must(t, err)
	defer m.Remove()
	_, err = m.Segment().Sweep(ctx)
	must(t, err)
	shmtest.Verify(t, m.Segment())
	used := map[string]int{}
	for _, o := range m.Segment().Stats().Objects {
		used[o.Name] = o.Used
	}
	for _, c := range m.Segment().Claims() {
		if c.Object != "process-records" {
			t.Errorf("still claimed: %+v", c)
		}
	}
	queued := 0
	for s := objects.Step1; s <= objects.Step3; s++ {
		n, err := m.Users.Queued(ctx, s)
		must(t, err)
		queued += n
	}
	_, processing, err := m.Users.Count(ctx)
	must(t, err)
	unfinished, err := m.HTTP.Unfinished(ctx, addr(charged))
	must(t, err)
	if queued != processing || unfinished != processing {
		t.Errorf("%d processing, %d queued, %d charged", processing, queued, unfinished)
	}
	for _, url := range []string{"old", strings.Repeat("long", 200)} {
		id, ok, err := m.Users.Lookup(ctx, objects.Query{URL: url})
		must(t, err)
		var r objects.UserRequest
		if ok {
			must(t, m.Users.Load(ctx, id, &r))
		}
		if ok && r.Query.URL != url || r.Status == objects.End && r.Finished.IsZero() {
			t.Errorf("%+v", r)
		}
	}
	open := 0
	for account := int64(1); account <= 2; account++ {
		id, ok, err := m.Scans.Get(ctx, account)
		must(t, err)
		if !ok {
			continue
		}
		var s objects.ScanRequest
		must(t, m.Scans.Load(ctx, id, &s))
		for leg, closed := range s.Closed {
			if !closed && s.Legs[leg] != "queued" && s.Legs[leg] != "barrier" {
				t.Errorf("leg %d of scan %d is %s", leg, account, s.Legs[leg])
			}
			if s.Legs[leg] == "queued" || s.Legs[leg] == "barrier" {
				open++
			}
		}
	}
	listing, tweets, instructions, err := m.Scans.Depths(ctx)
	must(t, err)
	// A leg that is closed and whose record is not ended yet is delivered again.
	if used["legs"] != listing+instructions || used["legs"] < open || used["tweets"] != tweets {
		t.Errorf("%d legs for %d open ones (%d listing, %d instructions), %d tweets (%d queued)",
			used["legs"], open, listing, instructions, used["tweets"], tweets)
	}
	if used["threads"] != 0 || used["process-records"] != 1 || used["counts"] > 1 {
		t.Errorf("%d threads, %d processes, %d counts", used["threads"], used["process-records"], used["counts"])
	}
}
