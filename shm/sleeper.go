package shm

import (
	"context"
	"sync"
	"time"
)

// slice bounds every sleep. It is a safety net: a wake-up that nobody owes any
// more (its sender died, and the sweeper with it) costs at most one slice.
const slice = time.Second

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
