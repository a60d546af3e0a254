//go:build linux && (amd64 || arm64)

package shm_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/aotf/sharedmem/shm"
)

// Calls that move many records at once, and single ones among them, go through a
// ring much smaller than what passes it: each record comes out once for each
// time it was put in, and those of one producer in their order.
func TestRing_Batches(t *testing.T) {
	const producers, consumers, each = 3, 3, 3000
	for _, jobs := range []int{1, 5, 200} {
		f := &farm{jobs: jobs}
		s, err := shm.Private(f, nil)
		must(t, err)
		var putting, getting sync.WaitGroup
		for p := range uint64(producers) {
			putting.Go(func() {
				for n := uint64(0); n < each; {
					var cs []shm.Claim[job]
					for range rand.IntN(100) + 1 {
						if c, err := f.Jobs.TryNew(); err == nil && n < each {
							c.Record().Number = p<<32 | n
							cs, n = append(cs, c), n+1
						} else if err == nil {
							must(t, c.Free())
						}
					}
					if len(cs) == 0 {
						c, err := f.Jobs.New(t.Context())
						must(t, err)
						must(t, c.Free())
						continue
					}
					if done, err := f.Todo.TryPutAll(cs); err != nil || done != len(cs) {
						t.Errorf("put %d of %d: %v", done, len(cs), err)
						return
					}
				}
			})
		}
		var mu sync.Mutex
		seen := map[uint64]int{}
		for range consumers {
			getting.Go(func() {
				next := map[uint64]uint64{}
				cs := make([]shm.Claim[job], 70)
				for {
					n, err := f.Todo.TryGetAll(cs[:rand.IntN(len(cs))+1])
					if n == 0 {
						var c shm.Claim[job]
						if c, err = f.Todo.Get(t.Context()); errors.Is(err, shm.ErrStopped) {
							return
						}
						cs[0], n = c, 1
					}
					if err != nil && !errors.Is(err, shm.ErrEmpty) {
						t.Error(err)
						return
					}
					for _, c := range cs[:n] {
						number := c.Record().Number
						p, i := number>>32, number&(1<<32-1)
						if i < next[p] {
							t.Errorf("%d of producer %d came after %d", i, p, next[p]-1)
						}
						next[p] = i + 1
						must(t, c.Free())
						mu.Lock()
						seen[number]++
						mu.Unlock()
					}
				}
			})
		}
		putting.Wait()
		eventually(t, "all is got", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(seen) == producers*each
		})
		s.Stop()
		getting.Wait()
		for number, n := range seen {
			if n != 1 {
				t.Errorf("%#x came %d times", number, n)
			}
		}
		must(t, s.Close())
	}
}

// A batch that meets a full ring posts what had room, says how many, and leaves
// the other claims valid. An empty one does nothing.
func TestRing_BatchMeetsFull(t *testing.T) {
	f := &farm{jobs: 4}
	s, err := shm.Private(f, nil)
	must(t, err)
	var refs []shm.Ref[job]
	for i := range uint64(2) {
		c := newJob(t, f, "", i)
		refs = append(refs, c.Ref())
		must(t, f.Todo.TryPut(c))
	}
	taken, err := f.Todo.Take(refs[1])
	must(t, err)
	cs := []shm.Claim[job]{newJob(t, f, "", 2), newJob(t, f, "", 3), taken}
	if n, err := f.Todo.TryPutAll(cs); n != 2 || !errors.Is(err, shm.ErrFull) {
		t.Fatalf("posted %d, %v", n, err)
	}
	if !taken.Valid() || cs[0].Valid() {
		t.Error("what was not posted is to stay, what was is to be spent")
	}
	got := make([]shm.Claim[job], 8)
	if n, err := f.Todo.TryGetAll(got); n != 3 || !errors.Is(err, shm.ErrEmpty) {
		t.Fatalf("got %d, %v", n, err)
	}
	for i, want := range []uint64{0, 2, 3} {
		if n := got[i].Record().Number; n != want {
			t.Errorf("place %d: job %d, want %d", i, n, want)
		}
		must(t, got[i].Free())
	}
	must(t, taken.Free())
	if n, err := f.Todo.TryPutAll(nil); n != 0 || err != nil {
		t.Errorf("no claims: %d, %v", n, err)
	}
	if n, err := f.Todo.TryGetAll(nil); n != 0 || err != nil {
		t.Errorf("no room: %d, %v", n, err)
	}
	must(t, s.Close())
}
