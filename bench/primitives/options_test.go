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

// BenchmarkOptions is what Options.Prefault costs and brings: an attach to 64 MiB,
// which is ns/op, and after each the first claim of every record, first-ns/record,
// which touches two pages: one of its own, one of headers.
func BenchmarkOptions(b *testing.B) {
	const n = blocksInGiB / 16
	for _, prefault := range []bool{false, true} {
		b.Run(fmt.Sprintf("prefault=%v", prefault), func(b *testing.B) {
			name := shmtest.Name(b)
			first, err := shm.Create(name, new(blocks), &shm.Options{Capacity: map[string]int{"blocks": n}})
			if errors.Is(err, shm.ErrUnsupported) || errors.Is(err, shm.ErrNoSpace) {
				b.Skip("not measured: ", err)
			}
			must(b, err)
			defer first.Close()
			var touching time.Duration
			claims := make([]shm.Claim[block], n)
			for b.Loop() {
				var all blocks
				s, err := shm.Attach(name, &all, &shm.Options{Prefault: prefault})
				must(b, err)
				b.StopTimer()
				start := time.Now()
				for i := range claims {
					if claims[i], err = all.All.TryNew(); err != nil {
						b.Fatal(err)
					}
					claims[i].Record().Bytes[0]++
				}
				touching += time.Since(start)
				for _, c := range claims {
					must(b, c.Free())
				}
				must(b, s.Close())
				runtime.GC()
				b.StartTimer()
			}
			b.ReportMetric(float64(touching)/float64(b.N)/n, "first-ns/record")
		})
	}
}
