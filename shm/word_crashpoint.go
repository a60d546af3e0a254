//go:build crashpoint

package shm

import "sync/atomic"

// The instrumented twin of word.go: every access counts, and the process can
// be told to kill itself at any of them. See crash.go.

type word struct{ v uint64 }

func (w *word) load(p point) uint64 {
	crash(p, &w.v)
	return atomic.LoadUint64(&w.v)
}

func (w *word) store(p point, v uint64) {
	crash(p, &w.v)
	atomic.StoreUint64(&w.v, v)
	crash(p, &w.v)
}

func (w *word) cas(p point, old, v uint64) bool {
	crash(p, &w.v)
	ok := atomic.CompareAndSwapUint64(&w.v, old, v)
	crash(p, &w.v)
	return ok
}

func (w *word) add(p point, d uint64) uint64 {
	crash(p, &w.v)
	n := atomic.AddUint64(&w.v, d)
	crash(p, &w.v)
	return n
}

type word32 struct{ v uint32 }

func (w *word32) load(p point) uint32 {
	crash(p, w.line())
	return atomic.LoadUint32(&w.v)
}

func (w *word32) cas(p point, old, v uint32) bool {
	crash(p, w.line())
	ok := atomic.CompareAndSwapUint32(&w.v, old, v)
	crash(p, w.line())
	return ok
}

func reach(p point) { crash(p, nil) }
