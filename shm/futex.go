//go:build linux && (amd64 || arm64)

package shm

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// briefSleep is about what Go's monitor thread takes to see a blocked one.
const briefSleep = 50 * time.Microsecond

// yieldEvery is well below what Go's monitor thread takes to rob a goroutine.
const yieldEvery = 4 * time.Millisecond

// futexSleeper serves shared segments. A few sleepers of a process wait in the
// kernel themselves, which hands over fastest. The others park in the crowd:
// those beyond the few, and those who have slept through a slice, so that an idle
// process is woken by one timer a slice and not by each of its sleepers.
//
// A direct sleep has no timeout and no second word to be cancelled by, which would
// be a fifth of what a hand-over costs. The pulse ends it once a slice; who cancels
// it bumps the word, as a signal does, so that it ends also when it had not begun.
type futexSleeper struct {
	direct [mostPlain]place
	most   int
	crowd  crowd
	closed atomic.Bool
	brief  atomic.Bool // the last direct sleep was
	// yielded is when one of them last let others run, after started.
	yielded atomic.Int64
	wakes   atomic.Int64 // system calls made by wake
	woken   atomic.Int64 // ends of sleeps in the kernel, and pulses: what an idle process is woken by
}

// mostPlain is the number of direct sleepers where futex_waitv is missing, and
// the crowd's thread has to poll.
const mostPlain = 32

func newFutexSleeper() *futexSleeper {
	s := &futexSleeper{most: min(runtime.GOMAXPROCS(0)+2, mostPlain)}
	s.crowd.beds, s.crowd.woken = map[*word32]*bed{}, &s.woken
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
	p := s.take(w, most)
	if p == nil {
		return s.crowd.sleep(ctx, w, v)
	}
	defer p.leave(s)
	p.wakeAtEnd(ctx, s)
	if s.closed.Load() || ctx.Err() != nil { // they have looked before we were there
		return false
	}
	return s.wait(w, v)
}

func (s *futexSleeper) take(w *word32, most int) *place {
	for i := range most {
		if p := &s.direct[i]; p.w.CompareAndSwap(nil, w) {
			return p
		}
	}
	return nil
}

// A place is for one direct sleeper. The context of the last one stays registered,
// because it is mostly that of the next one too, a worker's loop: to register costs
// more than all else here.
type place struct {
	w    atomic.Pointer[word32] // slept on; nil: nobody is there
	done <-chan struct{}        // of the context
	stop func() bool            // takes its registration back
}

var nobodysWord word32 // on a place that is closed

// wakeAtEnd has the sleeper woken when its context ends. Who is there alone calls it.
func (p *place) wakeAtEnd(ctx context.Context, s *futexSleeper) {
	if ctx.Done() == p.done {
		return
	}
	p.forget()
	if p.done = ctx.Done(); p.done != nil {
		p.stop = context.AfterFunc(ctx, func() {
			if w := p.w.Load(); w != nil { // it may be somebody else's by now, who looks once for nothing
				s.cancel(w)
			}
		})
	}
}

func (p *place) forget() {
	if p.stop != nil {
		p.stop()
	}
	p.done, p.stop = nil, nil
}

func (p *place) leave(s *futexSleeper) {
	if s.closed.Load() {
		p.forget()
	}
	p.w.Store(nil)
}

// wait sleeps in the kernel. What else may run here is let through before, since
// Go takes the processor away from a blocked thread only after a while; but not
// when the last sleeps were shorter than that: then yielding, which wakes another
// thread, is most of what a hand-over costs. Now and then it is done all the same:
// who has not yielded for 10 ms looks to Go's monitor thread like one who keeps a
// processor for himself, is robbed of it in the midst of a system call, and for
// milliseconds looked after every 20 us.
func (s *futexSleeper) wait(w *word32, v uint32) (slept bool) {
	began := time.Since(started)
	if !s.brief.Load() || began-time.Duration(s.yielded.Load()) > yieldEvery {
		s.yielded.Store(int64(began))
		runtime.Gosched()
		began = time.Since(started)
	}
	futexWait(w, v)
	s.woken.Add(1)
	took := time.Since(started) - began
	if brief := took < briefSleep; brief != s.brief.Load() {
		s.brief.Store(brief)
	}
	return took >= slice/2
}

func (s *futexSleeper) wake(w *word32) {
	s.wakes.Add(1)
	futexWakeAll(w)
}

// cancel ends the sleeps on a word, also of those who are about to begin one: they
// have announced themselves, so the word moves on. Other sleepers look once for nothing.
func (s *futexSleeper) cancel(w *word32) {
	there := true
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer orGone(&there)
	if bump(w) {
		s.wake(w)
	}
}

// pulse makes everybody look who sleeps in this process.
func (s *futexSleeper) pulse() {
	s.woken.Add(1)
	gone := false
	for i := range s.direct {
		if w := s.direct[i].w.Load(); w != nil {
			gone = futexWakeOwn(w) || gone
		}
	}
	if gone {
		interruptThreads()
	}
	s.crowd.pulse()
}

// interruptThreads ends the sleeps on words that are gone with the end of a
// truncated file. Nothing can wake them: the kernel finds sleepers by the page. But
// a system call that a signal interrupts is begun anew, and then fails. The signal
// is the one with which Go interrupts its own threads; more of them do no harm.
func interruptThreads() {
	tasks, _ := filepath.Glob("/proc/self/task/*")
	for _, task := range tasks {
		if tid, err := strconv.Atoi(filepath.Base(task)); err == nil {
			_ = unix.Tgkill(os.Getpid(), tid, unix.SIGURG)
		}
	}
}

func (s *futexSleeper) close() {
	s.closed.Store(true)
	for i := range s.direct {
		if p := &s.direct[i]; p.w.CompareAndSwap(nil, &nobodysWord) {
			p.forget()
		} else if w := p.w.Load(); w != nil {
			s.cancel(w)
		}
	}
	s.crowd.close()
}

// orGone is deferred by those who touch words on behalf of sleepers: it turns the
// fault of memory that is gone into false.
func orGone(there *bool) {
	if p := recover(); p != nil {
		if _, fault := p.(interface{ Addr() uintptr }); !fault {
			panic(p)
		}
		*there = false
	}
}
