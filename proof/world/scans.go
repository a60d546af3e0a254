package world

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
)

func launchScan(id int64, prior, reset bool) func(m *objects.SharedMemory) func(func(string)) {
	return func(m *objects.SharedMemory) func(func(string)) {
		return func(ack func(string)) {
			_, err := m.Scans.Launch(ctx, objects.Account{ID: id, Name: "name"}, prior, reset)
			Check(err)
			ack(fmt.Sprint("scan ", id))
		}
	}
}

// lister claims a leg, and then does one thing with it.
func lister(leg objects.Leg, account int64, do func(l objects.ListingClaim) error) func(m *objects.SharedMemory) func(func(string)) {
	return func(m *objects.SharedMemory) func(func(string)) {
		l := listing(m, leg, account)
		return func(func(string)) { Check(do(l)) }
	}
}

// indexer claims a tweet or an instruction, and then does one thing with it.
func indexer(do func(c objects.IndexingClaim) error) func(m *objects.SharedMemory) func(func(string)) {
	return func(m *objects.SharedMemory) func(func(string)) {
		c := indexing(m)
		return func(func(string)) { Check(do(c)) }
	}
}

func done(c objects.IndexingClaim) error { return c.Done(ctx) }

// finishScans ends both scans; that of account 1 fails.
func finishScans(t testing.TB, m *objects.SharedMemory) {
	finishScan(t, m)
	list(m, objects.LegA, 2, false)
	for {
		_, tweets, instructions, err := m.Scans.Depths(ctx)
		Must(t, err)
		if tweets+instructions == 0 {
			return
		}
		Must(t, indexing(m).Done(ctx))
	}
}

// noInstruction leaves the tweet alone in step C.
func noInstruction(t testing.TB, m *objects.SharedMemory) {
	c := indexing(m)
	if c.Tweet() != nil {
		t.Fatal("the instruction of scan 2 is ready, and was passed over")
	}
	Must(t, c.Done(ctx))
}

var scanSteps = []step{
	{name: "scan", ready: launchScan(3, false, true)},
	{name: "scan-prior", ready: launchScan(3, true, false)},
	{name: "scan-existing", ready: launchScan(1, false, false)},
	{name: "scan-promote", ready: launchScan(2, true, false)},
	{name: "scan-reset", ready: launchScan(2, false, true)},
	{name: "list-claim", ready: func(m *objects.SharedMemory) func(func(string)) {
		return func(func(string)) {
			_, err := m.Scans.ClaimListing(ctx, nil, objects.LegB, 0)
			Check(err)
		}
	}},
	{name: "list-tweet", ready: lister(objects.LegB, 1, func(l objects.ListingClaim) error {
		return l.PutTweet(ctx, objects.Tweet{ID: 2, Images: []string{strings.Repeat("n", 100)}})
	})},
	{name: "list-done", ready: lister(objects.LegB, 1, func(l objects.ListingClaim) error {
		return l.Done(ctx, objects.Cursor{Value: "b", Set: true})
	})},
	{name: "list-blocked", ready: lister(objects.LegB, 1, func(l objects.ListingClaim) error {
		_, err := l.Blocked(ctx, 0)
		return err
	})},
	{name: "list-fail", ready: lister(objects.LegA, 2, func(l objects.ListingClaim) error { return l.Fail(ctx, true) })},
	{name: "list-release", ready: lister(objects.LegB, 1, func(l objects.ListingClaim) error { return l.Release(ctx) })},
	{name: "index-claim", more: noInstruction, ready: func(m *objects.SharedMemory) func(func(string)) {
		return func(func(string)) { indexing(m) }
	}},
	{name: "index-done", more: noInstruction, ready: indexer(done)},
	{name: "index-fail", more: noInstruction, ready: indexer(func(c objects.IndexingClaim) error { return c.Fail(ctx) })},
	{name: "index-release", more: noInstruction, ready: indexer(func(c objects.IndexingClaim) error { return c.Release(ctx) })},
	// The instruction of scan 2 passes the barrier: no tweet was before it.
	{name: "barrier", ready: func(m *objects.SharedMemory) func(func(string)) {
		return func(func(string)) { indexing(m) }
	}},
	{name: "barrier-done", ready: indexer(done)},
	{name: "barrier-fail", ready: indexer(func(c objects.IndexingClaim) error { return c.Fail(ctx) })},
	{name: "scan-shed", more: finishScans, ready: func(m *objects.SharedMemory) func(func(string)) {
		return func(func(string)) { shed(m.Scans.Shed) }
	}},
	{name: "scan-replace", more: finishScans, ready: func(m *objects.SharedMemory) func(func(string)) { // one that failed, long ago
		aged := later(48 * time.Hour)
		return func(ack func(string)) {
			l, err := m.Scans.Launch(ctx, objects.Account{ID: 1, Name: "name"}, false, false)
			Check(err)
			if l.Created != aged {
				panic("not replaced")
			}
			ack("scan 1")
		}
	}},
	{name: "scan-load", ready: func(m *objects.SharedMemory) func(func(string)) {
		return func(func(string)) {
			id, _, err := m.Scans.Get(ctx, 1)
			Check(err)
			var s objects.ScanRequest
			Check(m.Scans.Load(ctx, id, &s))
			_, _, _, err = m.Scans.Depths(ctx)
			Check(err)
		}
	}},
}

var otherSteps = []step{
	{name: "register", ready: func(m *objects.SharedMemory) func(func(string)) {
		return func(func(string)) {
			_, err := m.Threads.Register(ctx, "t")
			Check(err)
		}
	}},
	{name: "works", alone: true, ready: func(m *objects.SharedMemory) func(func(string)) {
		w, err := m.Threads.Register(ctx, "t")
		Check(err)
		return func(func(string)) {
			_, err := m.Users.Claim(ctx, w, objects.Step1)
			Check(err)
		}
	}},
	{name: "unregister", ready: func(m *objects.SharedMemory) func(func(string)) {
		w, err := m.Threads.Register(ctx, "t")
		Check(err)
		return func(func(string)) { Check(w.Close()) }
	}},
	{name: "lists", ready: func(m *objects.SharedMemory) func(func(string)) {
		_, err := m.Threads.Register(ctx, "t")
		Check(err)
		return func(func(string)) {
			_, err := m.Threads.List(ctx)
			Check(err)
			_, err = m.Processes.List(ctx)
			Check(err)
		}
	}},
	{name: "send", ready: func(m *objects.SharedMemory) func(func(string)) {
		return func(func(string)) {
			_, err := m.Processes.Send(ctx, objects.WriteStacks)
			Check(err)
		}
	}},
	{name: "receive", ready: func(m *objects.SharedMemory) func(func(string)) {
		_, err := m.Processes.Send(ctx, objects.WriteStacks)
		Check(err)
		return func(func(string)) {
			_, err := m.Processes.Receive(ctx)
			Check(err)
		}
	}},
	{name: "stacks", alone: true, ready: func(m *objects.SharedMemory) func(func(string)) {
		_, err := m.Processes.Send(ctx, objects.WriteStacks)
		Check(err)
		// The file of stacks is none of the segment's: it cannot be written here.
		dir := filepath.Join(os.TempDir(), "no such directory")
		return func(func(string)) {
			if err := m.ServeMessages(ctx, dir); !errors.Is(err, os.ErrNotExist) {
				panic(err)
			}
		}
	}},
	{name: "metrics", ready: func(m *objects.SharedMemory) func(func(string)) {
		return func(func(string)) { Check(m.Metrics.Add(ctx, objects.UserFullTime, 1, time.Second)) }
	}},
	{name: "counts", ready: func(m *objects.SharedMemory) func(func(string)) {
		Check(m.SetCounts(ctx, objects.Counts{Tweets: 1, ReadAt: time.Unix(1, 0)}))
		return func(ack func(string)) {
			Check(m.SetCounts(ctx, objects.Counts{Tweets: 2, ReadAt: time.Unix(2, 0)}))
			ack("counts")
		}
	}},
	{name: "leave", ready: func(m *objects.SharedMemory) func(func(string)) {
		return func(func(string)) { Check(m.Close()) }
	}},
	{name: "leave-open", ready: func(m *objects.SharedMemory) func(func(string)) {
		claim(m, objects.Step1)
		listing(m, objects.LegB, 1)
		return func(func(string)) {
			if err := m.Close(); err == nil {
				panic(errors.New("closed with open claims, and said nothing"))
			}
		}
	}},
	{name: "stop", alone: true, ready: func(m *objects.SharedMemory) func(func(string)) {
		return func(func(string)) { Check(m.Stop(ctx)) }
	}},
}
