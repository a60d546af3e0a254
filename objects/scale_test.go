package objects_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// A worker that claims and dies.
func init() {
	shmtest.Register("scale-worker", func(args []string) {
		m, err := objects.Open(args[0], &objects.Options{Attach: true})
		if err != nil {
			panic(err)
		}
		for range 100 {
			if _, err := m.Users.Claim(ctxBackground, nil, objects.Step1); err != nil {
				panic(err)
			}
			if _, err := m.Scans.ClaimIndexing(ctxBackground, nil); err != nil {
				panic(err)
			}
		}
		fmt.Println("holding 200")
		select {}
	})
}

// A million user requests and a million tweets in one segment, and a worker that
// is killed with two hundred claims: all of them are delivered, each once.
func TestScale_Million(t *testing.T) {
	const n = 1_000_000
	if testing.Short() || raceEnabled {
		t.Skip("a million records take too long under the race detector or -short")
	}
	ctx := t.Context()
	name := shmtest.Name(t)
	m, err := objects.Open(name, &objects.Options{Capacity: map[string]int{"users": n, "tweets": n}})
	if errors.Is(err, shm.ErrNoSpace) {
		t.Skip("the tmpfs is too small for a million records: ", err)
	}
	must(t, err)
	defer m.Close()
	for i := range n {
		_, created, err := m.Users.Launch(ctx, objects.Query{URL: fmt.Sprint("https://example.org/", i)})
		if err != nil || !created {
			t.Fatal(i, created, err)
		}
	}
	_, err = m.Scans.Launch(ctx, objects.Account{ID: 1, Name: "someone"}, true, false)
	must(t, err)
	l, err := m.Scans.ClaimListing(ctx, nil, objects.LegA, 0)
	must(t, err)
	for i := range n {
		must(t, l.PutTweet(ctx, objects.Tweet{ID: int64(i), Images: []string{"p"}}))
	}
	must(t, l.Done(ctx, objects.Cursor{Value: "end", Set: true}))
	if total, processing, _ := m.Users.Count(ctx); total != n || processing != n {
		t.Fatalf("%d requests, %d processing", total, processing)
	}

	w := shmtest.Child(t, "scale-worker", name)
	w.Want("holding 200")
	w.Kill()
	seen := make([]bool, n)
	for range n {
		c, err := m.Users.Claim(ctx, nil, objects.Step1)
		must(t, err)
		var i int
		if _, err := fmt.Sscanf(c.Request().Query.URL, "https://example.org/%d", &i); err != nil || seen[i] {
			t.Fatalf("%q: delivered twice, or nothing: %v", c.Request().Query.URL, err)
		}
		seen[i] = true
		must(t, c.Fail(ctx, objects.NotAnURL))
	}
	tweets := make([]bool, n)
	for range n {
		c, err := m.Scans.ClaimIndexing(ctx, nil)
		must(t, err)
		if c.Tweet() == nil || tweets[c.Tweet().ID] {
			t.Fatal("an instruction before its tweets, or a tweet twice")
		}
		tweets[c.Tweet().ID] = true
		must(t, c.Done(ctx))
	}
	c, err := m.Scans.ClaimIndexing(ctx, nil)
	must(t, err)
	if c.Tweet() != nil {
		t.Fatal("a tweet too many")
	}
	must(t, c.Done(ctx))
	if r := m.Redelivered(); r != 200 {
		t.Errorf("%d claims were delivered again, want 200", r)
	}
	if _, processing, _ := m.Users.Count(ctx); processing != 0 {
		t.Errorf("%d processing at the end", processing)
	}
	shmtest.Verify(t, m.Segment())
	t.Logf("segment of %d MiB, by process %d", m.Segment().Stats().Size>>20, os.Getpid())
}
