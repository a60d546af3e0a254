package world

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aotf/sharedmem/shm"
)

// A Company is another process at work on the same objects, round after round.
type Company struct {
	t     testing.TB
	s     *shm.Segment
	end   func() map[string]bool
	left  atomic.Bool
	alone atomic.Bool // it leaves the dead to its own death watch
	mu    sync.Mutex
	made  int // rounds
	more  sync.Cond
	work  sync.WaitGroup
}

// accompany starts the rounds. end is called behind the last.
func accompany(t testing.TB, s *shm.Segment, round func(c *Company, n int), end func() map[string]bool) *Company {
	c := &Company{t: t, s: s, end: end}
	c.more.L = &c.mu
	c.work.Go(func() {
		for n := 0; !c.left.Load(); n++ {
			round(c, n)
			c.mu.Lock()
			c.made++
			c.mu.Unlock()
			c.more.Broadcast()
			runtime.Gosched()
		}
	})
	return c
}

// Rounds waits until n whole rounds were made from now on.
func (c *Company) Rounds(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for until := c.made + 1 + n; c.made < until; {
		c.more.Wait()
	}
}

// Outlive goes on with the work until nobody else is registered. No sweep is
// ordered: the death is noticed by the company's own watch.
func (c *Company) Outlive() {
	c.t.Helper()
	c.alone.Store(true)
	for deadline := time.Now().Add(10 * time.Second); len(c.s.Processes()) > 1; c.Rounds(1) {
		if time.Now().After(deadline) {
			c.t.Errorf("still registered: %+v", c.s.Processes())
			return
		}
	}
}

// Leave ends the work, and tells an Audit where the things are that it made.
func (c *Company) Leave() (acks map[string]bool) {
	c.left.Store(true)
	c.work.Wait()
	return c.end()
}
