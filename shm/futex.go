package shm

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// slice bounds every sleep. It is a safety net: a wake-up that nobody owes any
// more (its sender died, and the sweeper with it) costs at most one slice.
const slice = time.Second

// A sleeper puts goroutines to sleep on a word of the segment. sleep returns
// when the word may have changed, the context ended, or a slice passed: the
// caller looks again. wake wakes all sleepers of the word, in every process.
type sleeper interface {
	sleep(ctx context.Context, w *word32, v uint32)
	wake(w *word32)
	close() // ends every sleep of this process, now and later
}

// localSleeper serves private segments: all sleepers are goroutines of this
// process, and a channel per word is enough. It works on every system.
type localSleeper struct {
	mu   sync.Mutex
	beds map[*word32]chan struct{}
	done chan struct{}
}

func newLocalSleeper() *localSleeper {
	return &localSleeper{beds: map[*word32]chan struct{}{}, done: make(chan struct{})}
}

func (s *localSleeper) sleep(ctx context.Context, w *word32, v uint32) {
	s.mu.Lock()
	if w.load(ptFutexRead) != v {
		s.mu.Unlock()
		return
	}
	bed := s.beds[w]
	if bed == nil {
		bed = make(chan struct{})
		s.beds[w] = bed
	}
	s.mu.Unlock()
	t := time.NewTimer(slice)
	defer t.Stop()
	select {
	case <-bed:
	case <-t.C:
	case <-ctx.Done():
	case <-s.done:
	}
}

func (s *localSleeper) wake(w *word32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bed := s.beds[w]; bed != nil {
		close(bed)
		delete(s.beds, w)
	}
}

func (s *localSleeper) close() { close(s.done) }

// futexSleeper serves shared segments. The first few sleepers of a process wait
// in the kernel themselves, which hands over fastest; the others park on a
// channel, and one thread waits in the kernel for all of their words.
type futexSleeper struct {
	direct  atomic.Int32
	most    int32
	crowd   crowd
	closed  atomic.Bool
	waiting sync.Map // *kernelWait of direct sleepers, for close
}

func newFutexSleeper() *futexSleeper {
	s := &futexSleeper{most: int32(max(8, 2*runtime.GOMAXPROCS(0)))}
	s.crowd.init()
	return s
}

func (s *futexSleeper) sleep(ctx context.Context, w *word32, v uint32) {
	if s.closed.Load() {
		return
	}
	if s.direct.Add(1) > s.most {
		s.direct.Add(-1)
		s.crowd.sleep(ctx, w, v)
		return
	}
	defer s.direct.Add(-1)
	k := newKernelWait()
	defer k.release()
	s.waiting.Store(k, nil)
	defer s.waiting.Delete(k)
	if s.closed.Load() { // close has looked at waiting before we were in it
		return
	}
	stop := context.AfterFunc(ctx, k.cancel)
	runtime.Gosched() // what runs next on this P should not wait for the kernel
	k.wait(w, v, slice)
	if !stop() {
		// cancel runs or ran: k must not be reused while it may touch it.
		k.cancelled = true
	}
}

func (s *futexSleeper) wake(w *word32) { futexWakeAll(w) }

func (s *futexSleeper) close() {
	s.closed.Store(true)
	s.waiting.Range(func(k, _ any) bool { k.(*kernelWait).cancel(); return true })
	s.crowd.close()
}

// crowd is where sleepers beyond the direct ones park. Its thread starts with
// the first of them and ends when nobody is left.
type crowd struct {
	mu      sync.Mutex
	beds    map[*word32]*bed
	running bool
	ended   bool
	control *kernelWait // its cancel word tells the thread that beds changed
}

type bed struct {
	v  uint32
	ch chan struct{}
}

func (c *crowd) init() { c.beds = map[*word32]*bed{} }

func (c *crowd) sleep(ctx context.Context, w *word32, v uint32) {
	c.mu.Lock()
	b := c.beds[w]
	if b == nil || b.v != v {
		if b != nil { // the word has changed under the older sleepers
			close(b.ch)
		}
		b = &bed{v, make(chan struct{})}
		c.beds[w] = b
	}
	switch {
	case c.ended:
		c.mu.Unlock()
		return
	case !c.running:
		c.running = true
		c.control = newKernelWait()
		go c.serve()
	default:
		c.control.cancel()
	}
	c.mu.Unlock()
	select {
	case <-b.ch:
	case <-ctx.Done():
	}
}

// serve waits for the words of all beds, as many as the kernel takes at once,
// the rest in the next round, until none is left.
func (c *crowd) serve() {
	last := time.Now()
	for {
		c.mu.Lock()
		lookAgain := c.ended || time.Since(last) >= slice // the safety net
		if lookAgain {
			last = time.Now()
		}
		var ws []*word32
		var vs []uint32
		for w, b := range c.beds {
			if lookAgain || !stillIs(w, b.v) {
				close(b.ch)
				delete(c.beds, w)
				continue
			}
			if len(ws) < mostWords {
				ws, vs = append(ws, w), append(vs, b.v)
			}
		}
		more := len(c.beds) > len(ws)
		if len(c.beds) == 0 {
			c.running = false
			c.mu.Unlock()
			return
		}
		control := c.control
		control.reset()
		c.mu.Unlock()
		wait := slice - time.Since(last)
		if more {
			wait = min(wait, slice/20)
		}
		control.waitMany(ws, vs, max(wait, time.Millisecond))
		runtime.Gosched() // lets those who were woken run before we sleep again
	}
}

// stillIs looks at a word on behalf of sleepers; memory that is gone has changed.
func stillIs(w *word32, v uint32) (same bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if _, ok := recover().(interface{ Addr() uintptr }); ok {
			same = false
		}
	}()
	return w.load(ptFutexRead) == v
}

func (c *crowd) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for w, b := range c.beds {
		close(b.ch)
		delete(c.beds, w)
	}
	if c.running {
		c.control.cancel()
	}
}
