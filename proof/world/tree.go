package world

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// Every transition of the tree is killed at every access to a shared word. Then
// a process attaches, sweeps, and compares what the interfaces say with what the
// records are: nothing is owned, charged, queued or counted that should not be.

var treeCapacity = map[string]int{
	"users": 8, "scans": 4, "legs": 8, "tweets": 8, "addresses": 4, "threads": 4,
	"blobs-256": 8, "blobs-1024": 8, "blobs-4096": 4, "blobs-16384": 2, "blobs-65536": 2,
}

var charged = netip.MustParseAddr("192.0.2.9")

// transitions start with user "old" in step 1, charged, and the scan of account 1
// whose leg A was listed: a tweet in step C, its cursor behind it.
var transitions = map[string]func(m *objects.SharedMemory){
	"launch": func(m *objects.SharedMemory) {
		_, _, err := m.Users.Launch(ctx, objects.Query{URL: strings.Repeat("long", 200), Address: charged})
		Check(err)
	},
	"launch-scan": func(m *objects.SharedMemory) {
		_, err := m.Scans.Launch(ctx, objects.Account{ID: 2, Name: "two"}, false, true)
		Check(err)
		_, err = m.Scans.Launch(ctx, objects.Account{ID: 2, Name: "two"}, true, true)
		Check(err)
	},
	"link-and-fail": func(m *objects.SharedMemory) {
		c, err := m.Users.Claim(ctx, nil, objects.Step1)
		Check(err)
		Check(c.LinkFound(ctx, make([]objects.Account, 6), []string{"image"}, time.Now()))
		c, err = m.Users.Claim(ctx, nil, objects.Step2)
		Check(err)
		Check(c.Fail(ctx, objects.ProcessingError))
		_, err = m.Users.Shed(ctx)
		Check(err)
	},
	"list": func(m *objects.SharedMemory) {
		l, err := m.Scans.ClaimListing(ctx, nil, objects.LegB, 0)
		Check(err)
		Check(l.PutTweet(ctx, objects.Tweet{ID: 2, Images: []string{strings.Repeat("n", 100)}}))
		Check(l.Done(ctx, objects.Cursor{Value: "b", Set: true}))
	},
	"index": func(m *objects.SharedMemory) {
		for range 2 { // the tweet, then the instruction behind it
			c, err := m.Scans.ClaimIndexing(ctx, nil)
			Check(err)
			Check(c.Done(ctx))
		}
	},
	"fail-leg": func(m *objects.SharedMemory) {
		l, err := m.Scans.ClaimListing(ctx, nil, objects.LegB, 0)
		Check(err)
		Check(l.Fail(ctx, true))
	},
	"thread": func(m *objects.SharedMemory) {
		w, err := m.Threads.Register(ctx, "t")
		Check(err)
		Check(w.Close())
	},
	"counts": func(m *objects.SharedMemory) {
		for i := range int64(2) {
			Check(m.SetCounts(ctx, objects.Counts{Tweets: i, ReadAt: time.Now()}))
		}
	},
	"expire": func(m *objects.SharedMemory) {
		_, err := m.Users.Expire(ctx, 0)
		Check(err)
	},
}

func treeOperations() (list []Operation) {
	for _, name := range slices.Sorted(maps.Keys(transitions)) {
		list = append(list, Operation{
			Name: "tree-" + name, Audit: auditTree,
			Stage: stageTree,
			Attach: func(segment string) func(ack func(string)) {
				m, err := objects.Open(segment, &objects.Options{Attach: true})
				Check(err)
				return func(func(string)) { transitions[name](m) }
			},
		})
	}
	return list
}

func stageTree(t testing.TB, processes int) string {
	t.Helper()
	name := shmtest.Name(t)
	capacity := maps.Clone(treeCapacity)
	capacity["processes"] = processes
	m, err := objects.Create(name, &objects.Options{Capacity: capacity})
	Must(t, err)
	_, _, err = m.Users.Launch(ctx, objects.Query{URL: "old", Address: charged})
	Must(t, err)
	_, err = m.Scans.Launch(ctx, objects.Account{ID: 1, Name: "one"}, false, false)
	Must(t, err)
	l, err := m.Scans.ClaimListing(ctx, nil, objects.LegA, 0)
	Must(t, err)
	Must(t, l.PutTweet(ctx, objects.Tweet{ID: 1, Images: []string{"p"}}))
	Must(t, l.Done(ctx, objects.Cursor{Value: "a", Set: true}))
	Must(t, m.Close())
	return name
}

func auditTree(t testing.TB, name string, _ map[string]bool) {
	t.Helper()
	m, err := objects.Open(name, &objects.Options{Attach: true})
	Must(t, err)
	defer m.Remove()
	_, err = m.Segment().Sweep(ctx)
	Must(t, err)
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
		Must(t, err)
		queued += n
	}
	_, processing, err := m.Users.Count(ctx)
	Must(t, err)
	unfinished, err := m.HTTP.Unfinished(ctx, charged)
	Must(t, err)
	if queued != processing || unfinished != processing {
		t.Errorf("%d processing, %d queued, %d charged", processing, queued, unfinished)
	}
	for _, url := range []string{"old", strings.Repeat("long", 200)} {
		id, ok, err := m.Users.Lookup(ctx, objects.Query{URL: url})
		Must(t, err)
		var r objects.UserRequest
		if ok {
			Must(t, m.Users.Load(ctx, id, &r))
		}
		if ok && r.Query.URL != url || r.Status == objects.End && r.Finished.IsZero() {
			t.Errorf("%+v", r)
		}
	}
	open := 0
	for account := int64(1); account <= 2; account++ {
		id, ok, err := m.Scans.Get(ctx, account)
		Must(t, err)
		if !ok {
			continue
		}
		var s objects.ScanRequest
		Must(t, m.Scans.Load(ctx, id, &s))
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
	Must(t, err)
	// A leg that is closed and whose record is not ended yet is delivered again.
	if used["legs"] != listing+instructions || used["legs"] < open || used["tweets"] != tweets {
		t.Errorf("%d legs for %d open ones (%d listing, %d instructions), %d tweets (%d queued)",
			used["legs"], open, listing, instructions, used["tweets"], tweets)
	}
	if used["threads"] != 0 || used["process-records"] != 1 || used["counts"] > 1 {
		t.Errorf("%d threads, %d processes, %d counts", used["threads"], used["process-records"], used["counts"])
	}
}
