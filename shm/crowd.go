//go:build linux && (amd64 || arm64)

package shm

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// crowd is where sleepers park on a channel while one thread waits in the kernel
// for the words of all. The thread starts with the first of them, ends when no
// word is left, and has no timeout: a thread that blocks with one keeps Go's
// monitor thread awake for milliseconds after each return. The slice is the
// pulse, on a timer of Go's, which wakes the sleepers and not the thread.
type crowd struct {
	mu      sync.Mutex
	beds    map[*word32]*bed
	running bool
	ended   bool
	control control
	woken   *atomic.Int64
}

type bed struct {
	v        uint32
	n        int // sleepers
	*morning     // of those who sleep now
}

// A morning is the end of a sleep.
type morning struct {
	come  chan struct{}
	slept bool // through a slice; written before come is closed
}

func (b *bed) wake(slept bool) {
	b.slept = slept
	close(b.come)
	b.morning = &morning{come: make(chan struct{})}
}

func (c *crowd) sleep(ctx context.Context, w *word32, v uint32) (slept bool) {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return false
	}
	b := c.beds[w]
	if b == nil || b.v != v {
		if b != nil { // the word has changed under the older sleepers
			b.wake(false)
		}
		b = &bed{v: v, morning: &morning{come: make(chan struct{})}}
		c.beds[w] = b
		if c.running {
			c.control.ring()
		} else {
			c.running = true
			go c.serve()
		}
	}
	b.n++
	m := b.morning
	c.mu.Unlock()
	select {
	case <-m.come:
		slept = m.slept
	case <-ctx.Done():
	}
	c.mu.Lock()
	b.n--
	c.mu.Unlock()
	return slept
}

// serve waits for the words of all beds, as many as the kernel takes at once,
// the rest in the next round, until none is left.
func (c *crowd) serve() {
	for {
		c.mu.Lock()
		var ws []*word32
		var vs []uint32
		for w, b := range c.beds {
			if !stillIs(w, b.v) {
				b.wake(false)
				delete(c.beds, w)
			} else if len(ws) < mostWords {
				ws, vs = append(ws, w), append(vs, b.v)
			}
		}
		if len(c.beds) == 0 {
			c.running = false
			c.mu.Unlock()
			return
		}
		wait := forever // somebody else looks after the slice
		if len(c.beds) > len(ws) {
			wait = slice / 20
		}
		c.control.reset()
		c.mu.Unlock()
		c.control.wait(ws, vs, wait)
		c.woken.Add(1)
		runtime.Gosched() // lets those who were woken run before we sleep again
	}
}

// pulse makes everybody look, and forgets words that nobody waits for.
func (c *crowd) pulse() {
	c.mu.Lock()
	defer c.mu.Unlock()
	forgot := false
	for w, b := range c.beds {
		if b.n > 0 {
			b.wake(true)
		} else {
			delete(c.beds, w)
			forgot = true
		}
	}
	if forgot {
		c.control.ring()
	}
}

// stillIs looks at a word on behalf of sleepers; memory that is gone has changed.
func stillIs(w *word32, v uint32) (same bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer orGone(&same)
	return w.load(ptFutexRead) == v
}

func (c *crowd) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for w, b := range c.beds {
		b.wake(false)
		delete(c.beds, w)
	}
	if c.running {
		c.control.ring()
	}
}
