//go:build !crashpoint

package shm

import "sync/atomic"

// word is a 64-bit word of a segment. It is touched only through these
// methods, which name the point of the protocol they stand for; under the
// build tag crashpoint the same methods can kill the process there. Go's
// atomics are sequentially consistent, and so are these.
type word struct{ v uint64 }

func (w *word) load(_ point) uint64             { return atomic.LoadUint64(&w.v) }
func (w *word) store(_ point, v uint64)         { atomic.StoreUint64(&w.v, v) }
func (w *word) cas(_ point, old, v uint64) bool { return atomic.CompareAndSwapUint64(&w.v, old, v) }
func (w *word) add(_ point, d uint64) uint64    { return atomic.AddUint64(&w.v, d) }

// word32 is the word of a futex: the kernel compares 32 bits.
type word32 struct{ v uint32 }

func (w *word32) load(_ point) uint32             { return atomic.LoadUint32(&w.v) }
func (w *word32) cas(_ point, old, v uint32) bool { return atomic.CompareAndSwapUint32(&w.v, old, v) }

// reach marks a step that touches no shared word: a system call.
func reach(_ point) {}
