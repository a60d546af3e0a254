package shm

import "unsafe"

// memory is the block of bytes a segment lives in: a mapping of its file, or
// the Go heap (private segments). Views of it are Go slices, so that an index
// read from shared memory cannot leave it. This file holds all pointer
// arithmetic on a segment.
type memory struct{ b []byte }

// heapMemory returns zeroed, 8-aligned memory of the Go heap. It holds no
// pointers, so the garbage collector does not look into it.
func heapMemory(size uint64) memory {
	w := make([]uint64, (size+7)/8)
	return memory{unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(w))), size)}
}

// words views n words at offset off. off and n come from the declaration, never
// from shared memory; outside of the block is a defect of this package.
func (m memory) words(off, n uint64) []word {
	if n == 0 {
		return nil
	}
	b := m.b[off : off+n*8]
	if off%8 != 0 {
		panic("shm: misaligned view")
	}
	return unsafe.Slice((*word)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

func (m memory) word32(off uint64) *word32 {
	w := &m.words(off, 1)[0]
	return (*word32)(unsafe.Pointer(w))
}

// overlay views the bytes of a record as its Go type. The caller has checked
// the size of T against the record's.
func overlay[T any](rec []word) *T {
	return (*T)(unsafe.Pointer(unsafe.SliceData(rec)))
}

// plainWords views a Go value of the process as words; its size is a multiple
// of eight.
func plainWords[T any](v *T) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(v)), unsafe.Sizeof(*v)/8)
}

// asPlain views words of a record for plain access by their owner.
func asPlain(w []word) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(w))), len(w))
}

// asBytes views words as bytes.
func asBytes(w []uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(w))), len(w)*8)
}

// wordOffset is the distance in bytes from the start of rec to w, or -1 when w
// does not lie in rec.
func wordOffset(rec []word, w *word) int {
	d := uintptr(unsafe.Pointer(w)) - uintptr(unsafe.Pointer(unsafe.SliceData(rec)))
	if d >= uintptr(len(rec)*8) || d%8 != 0 {
		return -1
	}
	return int(d)
}

// contains tells whether a faulting address lies in the block.
func (m memory) contains(addr uintptr) bool {
	base := uintptr(unsafe.Pointer(unsafe.SliceData(m.b)))
	return addr >= base && addr < base+uintptr(len(m.b))
}
