package primitives

import (
	"testing"

	"github.com/puzpuzpuz/xsync/v4"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// BenchmarkPutGet is one put and one get by one thread, nobody else about.
// kind=ring hands over a record of a segment; kind=vyukov a word of the process,
// in the queue by Dmitry Vyukov whose claimer must not die.
func BenchmarkPutGet(b *testing.B) {
	b.Run("kind=ring", func(b *testing.B) {
		var w wire
		shmtest.New(b, &w, nil)
		putGet(b, &w)
	})
	b.Run("kind=vyukov", func(b *testing.B) {
		q := xsync.NewMPMCQueue[uint64](1024)
		cpuPerOp(b, func() {
			for b.Loop() {
				q.TryEnqueue(1)
				q.TryDequeue()
			}
		})
	})
}

func putGet(b *testing.B, w *wire) {
	c, err := w.Cells.TryNew()
	must(b, err)
	cpuPerOp(b, func() {
		for b.Loop() {
			if err = w.There.TryPut(c); err == nil {
				c, err = w.There.TryGet()
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	must(b, c.Free())
}

// BenchmarkAllocFree is one record taken and given back.
func BenchmarkAllocFree(b *testing.B) {
	var w wire
	shmtest.New(b, &w, nil)
	cpuPerOp(b, func() {
		for b.Loop() {
			c, err := w.Cells.TryNew()
			if err == nil {
				err = c.Free()
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// wire is what the processes of these benchmarks share.
type wire struct {
	Cells       shm.Arena[cell]
	There, Back shm.Ring[cell]
}

type cell struct{ N uint64 }

func (w *wire) Define(l *shm.Layout) {
	w.Cells.Define(l, "cells", 1024)
	w.There.Define(l, "there", &w.Cells)
	w.Back.Define(l, "back", &w.Cells)
}

func must(t testing.TB, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}
