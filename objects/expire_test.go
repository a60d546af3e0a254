package objects_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
)

// A request that is expired while it is being claimed is not delivered as one at
// its end: its worker could make no transition, and nobody would let go of it.
func TestExpire_WhileClaimed(t *testing.T) {
	m, err := objects.Open("", &objects.Options{Private: true, Capacity: map[string]int{"users": 8}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began := time.Now()
	var watchdog sync.WaitGroup
	watchdog.Go(func() {
		for ctx.Err() == nil {
			if _, err := m.Users.Expire(context.Background(), 0); err != nil {
				t.Error(err)
			}
		}
	})
	expired, claimed := 0, 0
	for i := 0; time.Since(began) < time.Second || expired == 0 && time.Since(began) < time.Minute; i++ {
		if _, _, err := m.Users.Launch(context.Background(), objects.Query{URL: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
		moment, cancel := context.WithTimeout(t.Context(), 20*time.Microsecond)
		c, err := m.Users.Claim(moment, nil, objects.Step1)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		claimed++
		if s := c.Request().Status; s != objects.LinkFinder {
			t.Fatalf("claimed at %v, after %d claims", s, claimed)
		}
		err = c.LinkFound(context.Background(), []objects.Account{{ID: 1}}, nil, time.Time{})
		if errors.Is(err, objects.ErrStale) {
			expired++
		} else if err != nil {
			t.Fatal(err)
		}
		// What Expire takes out of a ring leaves its slot taken until somebody looks.
		moment, cancel = context.WithTimeout(t.Context(), 20*time.Microsecond)
		if c, err := m.Users.Claim(moment, nil, objects.Step2); err == nil {
			_ = c.Fail(context.Background(), objects.NotAnURL)
		}
		cancel()
		if c.Open() {
			t.Fatal("the claim of an ended request is still open")
		}
	}
	cancel()
	watchdog.Wait()
	if expired == 0 {
		t.Errorf("of %d claims, none was expired: the test tests nothing", claimed)
	}
	t.Logf("%d claims, %d expired", claimed, expired)
}
