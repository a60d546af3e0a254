package bench

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Where should the header word of a record lie? Three placements, measured
// before anything was built on one of them; docs/architecture.md holds the
// figures and the choice.
//
//	record   the first word of the record: one line for header and payload
//	dense    headers[i]: eight neighbours share a line
//	strided  headers in a dense array, but neighbours lie in different lines

const recordWords = 512 / 8

type placement struct {
	name string
	at   func(i, n int) int // index of the header word of record i
}

var placements = []placement{
	{"record", func(i, n int) int { return n + i*recordWords }},
	{"dense", func(i, n int) int { return i }},
	{"strided", func(i, n int) int { return i%(n/8)*8 + i/(n/8) }},
}

// mapWords maps n words of a fresh tmpfs file, or maps the same file again.
func mapWords(tb testing.TB, fd, n int) []uint64 {
	b, err := unix.Mmap(fd, 0, n*8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		tb.Fatal(err)
	}
	return unsafe.Slice((*uint64)(unsafe.Pointer(&b[0])), n)
}

func unmapWords(w []uint64) {
	_ = unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(&w[0])), len(w)*8))
}

func tmpfsFile(tb testing.TB, words int) int {
	fd, err := unix.Open("/dev/shm", unix.O_TMPFILE|unix.O_RDWR, 0o600)
	if err != nil {
		tb.Skip("no tmpfs: ", err)
	}
	f := os.NewFile(uintptr(fd), "headers")
	tb.Cleanup(func() { f.Close() })
	if err := unix.Fallocate(fd, 0, 0, int64(words)*8); err != nil {
		tb.Skip("tmpfs too small: ", err)
	}
	return fd
}

// BenchmarkHeader/op=putget: one thread allocates, fills, posts, claims, reads
// and frees record after record, as a queue with one item in flight does.
// op=handoff: a producer and a consumer, up to 64 records apart.
// op=sweep: one pass over every header, in a mapping not touched before (cold)
// or touched (warm).
func BenchmarkHeader(b *testing.B) {
	for _, p := range placements {
		n := 1 << 14
		b.Run("op=putget/place="+p.name, func(b *testing.B) { putGet(b, p, n) })
		b.Run("op=handoff/place="+p.name, func(b *testing.B) { handoff(b, p, n) })
		for _, n := range []int{1 << 13, 1 << 20} {
			for _, warm := range []bool{false, true} {
				state := map[bool]string{false: "cold", true: "warm"}[warm]
				b.Run(fmt.Sprintf("op=sweep/place=%s/records=%d/cache=%s", p.name, n, state),
					func(b *testing.B) { sweep(b, p, n, warm) })
			}
		}
	}
}

func putGet(b *testing.B, p placement, n int) {
	words := n * (1 + recordWords)
	w := mapWords(b, tmpfsFile(b, words), words)
	defer unmapWords(w)
	for i := 0; b.Loop(); i++ {
		r := i & (n - 1)
		h, payload := &w[p.at(r, n)], w[n+r*recordWords+1:]
		v := *h
		atomic.CompareAndSwapUint64(h, v, v+1) // alloc
		payload[0], payload[1] = uint64(i), 1
		atomic.CompareAndSwapUint64(h, v+1, v+2) // post
		atomic.CompareAndSwapUint64(h, v+2, v+3) // claim
		if payload[0] != uint64(i) {
			b.Fatal("lost")
		}
		atomic.CompareAndSwapUint64(h, v+3, v+4) // free
	}
}

func handoff(b *testing.B, p placement, n int) {
	words := n * (1 + recordWords)
	w := mapWords(b, tmpfsFile(b, words), words)
	defer unmapWords(w)
	var put, got struct {
		atomic.Uint64
		_ [120]byte
	}
	done := make(chan struct{})
	total := uint64(b.N)
	go func() {
		defer close(done)
		for i := uint64(0); i < total; i++ {
			for put.Load() <= i {
				runtime.Gosched()
			}
			r := int(i) & (n - 1)
			h := &w[p.at(r, n)]
			v := atomic.LoadUint64(h)
			atomic.CompareAndSwapUint64(h, v, v+1) // claim
			if w[n+r*recordWords+1] != i {
				panic("lost")
			}
			atomic.CompareAndSwapUint64(h, v+1, v+2) // free
			got.Store(i + 1)
		}
	}()
	b.ResetTimer()
	for i := uint64(0); i < total; i++ {
		for i-got.Load() >= 64 {
			runtime.Gosched()
		}
		r := int(i) & (n - 1)
		h := &w[p.at(r, n)]
		v := atomic.LoadUint64(h)
		atomic.CompareAndSwapUint64(h, v, v+1) // alloc
		w[n+r*recordWords+1] = i
		atomic.CompareAndSwapUint64(h, v+1, v+2) // post
		put.Store(i + 1)
	}
	<-done
}

func sweep(b *testing.B, p placement, n int, warm bool) {
	words := n * (1 + recordWords)
	fd := tmpfsFile(b, words)
	w := mapWords(b, fd, words)
	defer func() { unmapWords(w) }()
	owned := 0
	for b.Loop() {
		if !warm {
			b.StopTimer()
			unmapWords(w)
			w = mapWords(b, fd, words)
			b.StartTimer()
		}
		for i := range n {
			if atomic.LoadUint64(&w[p.at(i, n)]) != 0 {
				owned++
			}
		}
	}
	if owned != 0 {
		b.Fatal("headers changed")
	}
}
