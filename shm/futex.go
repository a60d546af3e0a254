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

// briefSleep is about what Go's monitor thread takes to see a blocked one.
const briefSleep = 50 * time.Microsecond

// forever is a wait without that bound, for a thread that others look after.
const forever = time.Duration(-1)

// A sleeper puts goroutines to sleep on a word of the segment. sleep returns
// when the word may have changed, the context ended, or a slice passed, which it
// reports: the caller looks again, and says then that it is idle. wake wakes all
// sleepers of the word, in every process. pulse is called once a slice.
type sleeper interface {
	sleep(ctx context.Context, w *word32, v uint32, idle bool) (slept bool)
	wake(w *word32)
	pulse()
	close() // ends every sleep of this process, now and later
}

// localSleeper serves private segments: all sleepers are goroutines of this
// process, and a channel per word is enough. Nobody dies between publishing and
// waking without all of them, so no slice is needed. It works on every system.
type localSleeper struct {
	mu   sync.Mutex
	beds map[*word32]chan struct{}
	done chan struct{}
}

func newLocalSleeper() *localSleeper {
	return &localSleeper{beds: map[*word32]chan struct{}{}, done: make(chan struct{})}
}

func (s *localSleeper) sleep(ctx context.Context, w *word32, v uint32, _ bool) bool {
	s.mu.Lock()
	if w.load(ptFutexRead) != v {
		s.mu.Unlock()
		return false
	}
	bed := s.beds[w]
	if bed == nil {
		bed = make(chan struct{})
		s.beds[w] = bed
	}
	s.mu.Unlock()
	select {
	case <-bed:
	case <-ctx.Done():
	case <-s.done:
	}
	return false
}

func (s *localSleeper) wake(w *word32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bed := s.beds[w]; bed != nil {
		close(bed)
		delete(s.beds, w)
	}
}

func (s *localSleeper) pulse() {}
func (s *localSleeper) close() { close(s.done) }

// futexSleeper serves shared segments. A few sleepers of a process wait in the
// kernel themselves, which hands over fastest. The others park in the crowd:
// those beyond the few, and those who have slept through a slice, so that an idle
// process is woken by one timer a slice and not by each of its sleepers.
type futexSleeper struct {
	direct [mostPlain]atomic.Pointer[kernelWait] // those who wait in the kernel, for close
	most   int
	crowd  crowd
	closed atomic.Bool
	brief  atomic.Bool  // the last direct sleep was
	wakes  atomic.Int64 // system calls made by wake
}

// mostPlain is the number of direct sleepers where futex_waitv is missing, and
// the crowd's thread has to poll.
const mostPlain = 32

func newFutexSleeper() *futexSleeper {
	s := &futexSleeper{most: min(runtime.GOMAXPROCS(0)+2, mostPlain)}
	s.crowd.init()
	return s
}

func (s *futexSleeper) sleep(ctx context.Context, w *word32, v uint32, idle bool) (slept bool) {
	most := s.most
	if noWaitV.Load() {
		idle, most = false, mostPlain
	}
	if idle {
		return s.crowd.sleep(ctx, w, v)
	}
	k := newKernelWait()
	place := 0
	for place < most && !s.direct[place].CompareAndSwap(nil, k) {
		place++
	}
	if place == most {
		k.release()
		return s.crowd.sleep(ctx, w, v)
	}
	defer k.release()
	defer s.direct[place].Store(nil)
	if s.closed.Load() { // close has looked before we were there
		return false
	}
	if ctx.Done() == nil {
		return s.wait(k, w, v)
	}
	stop := context.AfterFunc(ctx, k.cancel)
	slept = s.wait(k, w, v)
	if !stop() {
		// cancel runs or ran: k must not be reused while it may touch it.
		k.cancelled = true
	}
	return slept
}

// wait sleeps in the kernel. What else may run here is let through before, since
// Go takes the processor away from a blocked thread only after a while; but not
// when the last sleeps were shorter than that: then yielding, which wakes another
// thread, is most of what a hand-over costs.
func (s *futexSleeper) wait(k *kernelWait, w *word32, v uint32) (slept bool) {
	if !s.brief.Load() {
		runtime.Gosched()
	}
	began := time.Now()
	slept = k.wait(w, v, slice)
	if brief := time.Since(began) < briefSleep; brief != s.brief.Load() {
		s.brief.Store(brief)
	}
	return slept
}

func (s *futexSleeper) wake(w *word32) {
	s.wakes.Add(1)
	futexWakeAll(w)
}

func (s *futexSleeper) pulse() { s.crowd.pulse() }

func (s *futexSleeper) close() {
	s.closed.Store(true)
	for i := range s.direct {
		if k := s.direct[i].Load(); k != nil {
			k.cancel()
		}
	}
	s.crowd.close()
}

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
	control *kernelWait // its cancel word tells the thread that beds changed
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

func (c *crowd) init() { c.beds = map[*word32]*bed{} }

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
			c.control.cancel()
		} else {
			c.running = true
			c.control = newKernelWait()
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
		wait := forever
		if len(c.beds) > len(ws) {
			wait = slice / 20
		}
		control := c.control
		control.reset()
		c.mu.Unlock()
		control.waitMany(ws, vs, wait)
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
		c.control.cancel()
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
		b.wake(false)
		delete(c.beds, w)
	}
	if c.running {
		c.control.cancel()
	}
}
