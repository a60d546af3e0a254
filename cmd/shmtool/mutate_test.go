package main

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"

	"github.com/cespare/xxhash/v2"
)

// The description of the objects in a segment: see docs/format.md.
const (
	wordTextAt, wordTextLen, wordTextSum = 6, 7, 8
	pageOne                              = 4096
)

func wordAt(b []byte, i int) uint64     { return binary.LittleEndian.Uint64(b[8*i:]) }
func setWord(b []byte, i int, v uint64) { binary.LittleEndian.PutUint64(b[8*i:], v) }

// strange are values that bounds are broken with.
func strange(r *rand.Rand) uint64 {
	switch r.IntN(6) {
	case 0:
		return 0
	case 1:
		return ^uint64(0)
	case 2:
		return 1 << r.IntN(64)
	case 3:
		return 1<<r.IntN(64) - 1
	case 4:
		return uint64(r.IntN(5000))
	}
	return r.Uint64()
}

// mutate damages an image in one of the ways that files are damaged in, or that
// somebody would choose.
func mutate(base []byte, r *rand.Rand) (b []byte, how string) {
	b = bytes.Clone(base)
	at, n := int(wordAt(b, wordTextAt)), int(wordAt(b, wordTextLen))
	text := func() { setWord(b, wordTextSum, xxhash.Sum64(b[at:at+n])) } // else it would be refused at once
	switch r.IntN(10) {
	case 0:
		how = "bytes anywhere"
		for range 1 + r.IntN(50) {
			b[r.IntN(len(b))] = byte(r.Uint32())
		}
	case 1:
		how = "a word of the header"
		setWord(b, r.IntN(72), strange(r))
	case 2:
		how = "the registry"
		for range 1 + r.IntN(20) {
			setWord(b, (pageOne+r.IntN(at-pageOne))/8, strange(r))
		}
	case 3:
		how = "bytes of the description"
		for range 1 + r.IntN(4) {
			b[at+r.IntN(n)] = byte(' ' + r.IntN(95))
		}
		text()
	case 4:
		how = "numbers of the description"
		for range 1 + r.IntN(6) {
			for i := at + r.IntN(n); i < at+n; i++ {
				if b[i] >= '0' && b[i] <= '9' {
					b[i] = byte('0' + r.IntN(10))
					break
				}
			}
		}
		text()
	case 5:
		how = "truncated"
		b = b[:r.IntN(len(b))]
	case 6:
		how = "longer"
		b = append(b, make([]byte, r.IntN(3*pageOne))...)
		if r.IntN(2) == 0 {
			setWord(b, 2, uint64(len(b)))
		}
	case 7:
		how = "a page of zeroes or ones"
		page := r.IntN(len(b)/pageOne) * pageOne
		copy(b[page:page+pageOne], bytes.Repeat([]byte{byte(r.IntN(2) * 255)}, pageOne))
	default:
		how = "words of the objects"
		for range 1 + r.IntN(100) {
			setWord(b, (at+n)/8+1+r.IntN((len(b)-at-n)/8-1), strange(r))
		}
	}
	return b, how
}
