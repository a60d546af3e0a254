package world

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// Every transition of AOTF's tree. Afterwards a process attaches, sweeps, and
// compares what the interfaces say with what the records are: nothing is owned,
// charged, queued or counted that should not be, and all that is there can be
// brought to its end.

var treeCapacity = map[string]int{
	"users": 16, "scans": 8, "legs": 16, "tweets": 16, "addresses": 4, "threads": 4, "process-records": 16, "counts": 8,
	"blobs-256": 8, "blobs-1024": 8, "blobs-4096": 4, "blobs-16384": 2, "blobs-65536": 2,
}

// A step is one transition. It starts from the state that stageTree makes; ready
// brings the process to the brink of it.
type step struct {
	name     string
	capacity map[string]int
	more     func(t testing.TB, m *objects.SharedMemory)
	ready    func(m *objects.SharedMemory) func(ack func(string))
	alone    bool // nobody else works at the same time
}

func treeOperations() (list []Operation) {
	for _, x := range slices.Concat(userSteps, scanSteps, otherSteps) {
		op := Operation{
			Name: "tree-" + x.name, Audit: auditTree,
			Stage: func(t testing.TB, processes int) string { return stageTree(t, processes, x.capacity, x.more) },
			Attach: func(segment string) func(ack func(string)) {
				m, err := objects.Open(segment, &objects.Options{Attach: true})
				Check(err)
				return x.ready(m)
			},
		}
		if !x.alone {
			op.Survive = surviveTree
		}
		list = append(list, op)
	}
	return append(list,
		Operation{Name: "tree-attach", Audit: auditTree, Survive: surviveTree,
			Stage: func(t testing.TB, processes int) string { return stageTree(t, processes, nil, nil) },
			Attach: func(segment string) func(func(string)) {
				return func(func(string)) {
					_, err := objects.Open(segment, &objects.Options{Attach: true})
					Check(err)
				}
			}})
}

var (
	charged  = netip.MustParseAddr("192.0.2.9")
	accounts = []objects.Account{{ID: 1, Name: "one"}, {ID: 2, Name: "two"}}
)

// StageTree makes a segment in the state that every transition starts from. The
// operation "tree-launch" audits it.
func StageTree(t testing.TB, processes int) string {
	t.Helper()
	return stageTree(t, processes, nil, nil)
}

// stageTree makes a tree with a request before each step ("one", "two", "three"),
// one that waits for scan 1 ("wait"), one that has ended ("end"), a scan whose
// leg A was listed (a tweet in step C, its cursor behind it), one whose leg B was
// listed without a tweet, and leg B of the first and leg A of the second queued.
func stageTree(t testing.TB, processes int, more map[string]int, then func(testing.TB, *objects.SharedMemory)) string {
	t.Helper()
	name := shmtest.Name(t)
	capacity := maps.Clone(treeCapacity)
	maps.Copy(capacity, more)
	capacity["processes"] = processes
	m, err := objects.Create(name, &objects.Options{Capacity: capacity})
	Must(t, err)
	for _, id := range []int64{1, 2} {
		_, err = m.Scans.Launch(ctx, objects.Account{ID: id, Name: "name"}, false, false)
		Must(t, err)
	}
	list(m, objects.LegA, 1, true)
	list(m, objects.LegB, 2, false)
	for _, url := range []string{"end", "three", "wait", "two", "one"} {
		_, _, err := m.Users.Launch(ctx, objects.Query{URL: url, Address: charged})
		Must(t, err)
		if url == "one" {
			continue
		}
		Must(t, claim(m, objects.Step1).LinkFound(ctx, accounts, []string{"image"}, time.Now()))
		switch url {
		case "wait":
			id, _, err := m.Scans.Get(ctx, 1)
			Must(t, err)
			Must(t, claim(m, objects.Step2).WaitFor(ctx, []objects.ScanID{id}, true))
		case "end", "three":
			Must(t, claim(m, objects.Step2).Indexed(ctx))
		}
		if url == "end" {
			Must(t, claim(m, objects.Step3).Finish(ctx, make([]objects.Found, 40)))
		}
	}
	if then != nil {
		then(t, m)
	}
	Must(t, m.Close())
	return name
}

func claim(m *objects.SharedMemory, s objects.Step) objects.UserClaim {
	c, err := m.Users.Claim(ctx, nil, s)
	Check(err)
	return c
}

// listing claims a leg of one account, and gives others back.
func listing(m *objects.SharedMemory, leg objects.Leg, account int64) objects.ListingClaim {
	var others []objects.ListingClaim
	for {
		l, err := m.Scans.ClaimListing(ctx, nil, leg, 0)
		Check(err)
		if l.Account().ID != account {
			others = append(others, l)
			continue
		}
		for _, o := range others {
			Check(o.Release(ctx))
		}
		return l
	}
}

// list lists a leg of an account: with a tweet or without.
func list(m *objects.SharedMemory, leg objects.Leg, account int64, tweet bool) {
	l := listing(m, leg, account)
	if tweet {
		Check(l.PutTweet(ctx, objects.Tweet{ID: account, Images: []string{"p"}}))
	}
	Check(l.Done(ctx, objects.Cursor{Value: "c", Set: true}))
}

// indexing claims a tweet, or an instruction.
func indexing(m *objects.SharedMemory) objects.IndexingClaim {
	c, err := m.Scans.ClaimIndexing(ctx, nil)
	Check(err)
	return c
}

// aMoment is briefly for what takes a context.
func aMoment(f func(c context.Context) error) func(func(string)) {
	return func(func(string)) { briefly(f) }
}
