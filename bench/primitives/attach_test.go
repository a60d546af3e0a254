package primitives

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// block is a record as large as a page of most tables.
type block struct{ Bytes [4096]byte }

type blocks struct{ All shm.Arena[block] }

func (s *blocks) Define(l *shm.Layout) { s.All.Define(l, "blocks", 1) }

const blocksInGiB = 1 << 30 / 4160 // 4096 bytes, and the arena's words for each

// BenchmarkAttach is an attach to a segment that is there already, attach-ns, and with
// the close behind it, ns/op.
func BenchmarkAttach(b *testing.B) {
	for _, size := range []struct {
		name   string
		blocks int
	}{{"1MiB", blocksInGiB >> 10}, {"1GiB", blocksInGiB}} {
		b.Run("size="+size.name, func(b *testing.B) {
			name := shmtest.Name(b)
			first, err := shm.Create(name, new(blocks), &shm.Options{Capacity: map[string]int{"blocks": size.blocks}})
			if errors.Is(err, shm.ErrUnsupported) || errors.Is(err, shm.ErrNoSpace) {
				b.Skip("not measured: ", err)
			}
			must(b, err)
			defer first.Close()
			var attaching time.Duration
			for i := 1; b.Loop(); i++ {
				start := time.Now()
				s, err := shm.Attach(name, new(blocks), nil)
				attaching += time.Since(start)
				must(b, err)
				must(b, s.Close())
				if i%64 == 0 { // the collector unmaps; address space is not endless
					b.StopTimer()
					runtime.GC()
					b.StartTimer()
				}
			}
			b.ReportMetric(float64(attaching)/float64(b.N), "attach-ns")
		})
	}
}

func init() {
	// attached NAME: be there, asleep.
	shmtest.Register("attached", func(args []string) {
		s, err := shm.Attach(args[0], new(wire), nil)
		check(err)
		fmt.Println("attached")
		<-s.Done()
	})
}

// BenchmarkAttached is one put and one get by one thread while so many processes,
// this one among them, are attached and idle.
func BenchmarkAttached(b *testing.B) {
	var w wire
	s := shmtest.New(b, &w, nil)
	attached := 1
	for _, n := range []int{2, 4, 8, 16, 32, 64} {
		b.Run(fmt.Sprintf("processes=%d", n), func(sub *testing.B) {
			for ; attached < n; attached++ {
				shmtest.Child(b, "attached", s.Name()).Want("attached")
			}
			putGet(sub, &w)
		})
	}
}
