//go:build linux && (amd64 || arm64)

package hostile

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

var (
	ctx   = context.Background()
	bases = []string{"world", "tree"}
)

func init() {
	// mess BASE SEGMENT: leave as much half done as one process can, and wait.
	shmtest.Register("mess", func(args []string) {
		if args[0] == "world" {
			messWorld(args[1])
		} else {
			messTree(args[1])
		}
		fmt.Println("done")
		select {}
	})
}

// messWorld leaves one of everything that a process can hold, and what is
// published and has blobs. It needs no hook: the images are those of any build.
func messWorld(segment string) {
	w := &world.World{}
	_, err := shm.Attach(segment, w, nil)
	world.Check(err)
	j, err := w.Jobs.TryNew()
	world.Check(err)
	world.Check(j.SetBlob(&w.Data, &j.Record().Data, []byte(strings.Repeat("d", 60))))
	world.Check(w.Todo.TryPut(j))
	n, err := w.Named.TryNew()
	world.Check(err)
	n.Record().Key = world.KeyOf("settled")
	world.Check(n.SetBlob(&w.Data, &n.Record().Data, []byte(strings.Repeat("n", 200))))
	_, _, err = w.ByName.Insert(n, nil)
	world.Check(err)
	c, err := w.Todo.TryGet()
	world.Check(err)
	world.Check(c.SetBlob(&w.Data, &c.Record().Result.Text, []byte("half")))
	_, err = w.Picky.TryGet(nil)
	world.Check(err)
	c, err = w.Jobs.TryNew()
	world.Check(err)
	world.Check(c.SetBlob(&w.Data, &c.Record().Data, []byte("new")))
	c, err = w.Jobs.TryNew()
	world.Check(err)
	_, err = c.Hold()
	world.Check(err)
	_, err = w.Slots.TryAcquire()
	world.Check(err)
	_, err = w.Lock.TryLock()
	world.Check(err)
	c, err = w.Named.TryNew()
	world.Check(err)
	c.Record().Key = world.KeyOf("held")
	_, _, _, err = w.ByName.InsertHeld(c)
	world.Check(err)
	c, err = w.Queue.TryGet()
	world.Check(err)
	r := c.Ref()
	world.Check(c.Settle())
	_, err = w.Named.Retire(r)
	world.Check(err)
}

// messTree leaves a claim of every kind, a launched request and scan, a barrier
// that waits, a worker's name, a charged address and counts.
func messTree(segment string) {
	m, err := objects.Open(segment, &objects.Options{Attach: true})
	world.Check(err)
	w, err := m.Threads.Register(ctx, "worker")
	world.Check(err)
	_, err = m.Users.Claim(ctx, w, objects.Step1)
	world.Check(err)
	_, _, err = m.Users.Launch(ctx, objects.Query{URL: strings.Repeat("long", 200)})
	world.Check(err)
	c, err := m.Users.Claim(ctx, nil, objects.Step1)
	world.Check(err)
	world.Check(c.LinkFound(ctx, make([]objects.Account, 6), []string{"image"}, time.Now()))
	c, err = m.Users.Claim(ctx, nil, objects.Step2)
	world.Check(err)
	s, err := m.Scans.Launch(ctx, objects.Account{ID: 2, Name: "two"}, true, true)
	world.Check(err)
	world.Check(c.WaitFor(ctx, []objects.ScanID{s.ID}, true))
	l, err := m.Scans.ClaimListing(ctx, w, objects.LegB, 0)
	world.Check(err)
	world.Check(l.PutTweet(ctx, objects.Tweet{ID: 2, Images: []string{strings.Repeat("n", 100)}}))
	_, err = m.Scans.ClaimIndexing(ctx, w)
	world.Check(err)
	_, err = m.HTTP.Allow(ctx, address)
	world.Check(err)
	world.Check(m.SetCounts(ctx, objects.Counts{Tweets: 7}))
}

// base captures a segment with work under way. Its process is dead when the
// image is used: alive by its word, dead by the lock.
func base(t testing.TB, which string) []byte {
	t.Helper()
	stage := "put"
	if which == "tree" {
		stage = "tree-launch"
	}
	name := world.Find(stage).Stage(t, 4)
	p := shmtest.Child(t, "mess", which, name)
	p.Want("done")
	b, err := os.ReadFile(pathOf(name))
	world.Must(t, err)
	p.Kill()
	return b
}

// Every kind of area is in one base at least, or edits would miss it.
func TestBases(t *testing.T) {
	have := map[string]int{}
	for _, which := range bases {
		m := newImage(base(t, which))
		for k, areas := range m.areas {
			for _, a := range areas {
				have[areaKinds[k]] += len(a)
			}
		}
	}
	for _, kind := range areaKinds {
		if have[kind] == 0 {
			t.Errorf("no %s in the bases", kind)
		}
	}
	t.Log("words:", have)
}
