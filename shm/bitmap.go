package shm

import "math/bits"

// A bitmap is a hint: the set of records whose header may say what the bitmap
// stands for (free, or posted in a bag). Headers decide; a wrong bit costs a
// look, a missing bit is restored by the sweep.
//
// Each word is {version:16, bits:48}. Setting a bit always bumps the version,
// so that a process which found the header changed, stalled, and then clears
// the bit, cannot wipe out a bit that was set in between.
type bitmap struct{ w []word }

const (
	bitsPerWord = 48
	hintMask    = 1<<(bitsPerWord+hintBits) - 1
)

func bitmapWords(n uint32) uint64 { return (uint64(n) + bitsPerWord - 1) / bitsPerWord }

// set is called after the header CAS that makes the bit true. Killed before
// it: the sweep sets the bit from the header.
func (b bitmap) set(p point, i uint32) {
	w := &b.w[i/bitsPerWord]
	for {
		old := w.load(p)
		v := (old+1<<bitsPerWord)&hintMask | 1<<(i%bitsPerWord)
		if w.cas(p, old, v) { // pairs with the load in clear and in next
			return
		}
	}
}

// clear drops bit i unless keep, asked after the word was read, says that the
// header still stands for it.
func (b bitmap) clear(p point, i uint32, keep func() bool) {
	w := &b.w[i/bitsPerWord]
	mask := uint64(1) << (i % bitsPerWord)
	for {
		old := w.load(p) // pairs with the CAS in set: a later set changes the version
		if old&mask == 0 || keep() {
			return
		}
		if w.cas(p, old, old&^mask) {
			return
		}
	}
}

func (b bitmap) has(p point, i uint32) bool {
	return b.w[i/bitsPerWord].load(p)&(1<<(i%bitsPerWord)) != 0
}

// next returns the first set bit at or after from, wrapping once; ok is false
// when none is set.
func (b bitmap) next(p point, from, n uint32) (i uint32, ok bool) {
	words := uint32(len(b.w))
	if from >= n {
		from = 0
	}
	first := from / bitsPerWord
	for k := uint32(0); k <= words; k++ {
		j := first + k
		if j >= words {
			j -= words
		}
		v := b.w[j].load(p) & (1<<bitsPerWord - 1)
		if k == 0 {
			v &^= 1<<(from%bitsPerWord) - 1
		}
		if v != 0 {
			if i = j*bitsPerWord + uint32(bits.TrailingZeros64(v)); i < n {
				return i, true
			}
		}
	}
	return 0, false
}

// each calls f for every set bit below n.
func (b bitmap) each(p point, n uint32, f func(i uint32) bool) {
	for j := range b.w {
		for v := b.w[j].load(p) & (1<<bitsPerWord - 1); v != 0; v &= v - 1 {
			if i := uint32(j)*bitsPerWord + uint32(bits.TrailingZeros64(v)); i < n && !f(i) {
				return
			}
		}
	}
}
