package primitives

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// BenchmarkOptions is what Options.Prefault costs and brings: an attach to 64 MiB,
// which is ns/op, and after the first twenty the first claim of every record,
// first-ns/record, which touches two pages: one of its own, one of headers.
func BenchmarkOptions(b *testing.B) {
	const n, rounds = blocksInGiB / 16, 20
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
			mapped := mappings(b, name)
			for i := 0; b.Loop(); i++ {
				var all blocks
				s, err := shm.Attach(name, &all, &shm.Options{Prefault: prefault})
				b.StopTimer()
				must(b, err)
				if i >= rounds { // it takes a hundred times as long as what is measured
					claims = claims[:0]
				}
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
				clear(claims) // they hold the segment
				unmapped(b, name, mapped)
				b.StartTimer()
			}
			b.ReportMetric(float64(touching)/float64(min(b.N, rounds))/n, "first-ns/record")
		})
	}
}

// unmapped waits until the collector has unmapped what was closed. The next attach
// would wait for that: the kernel takes a mapping off the list first, and then holds
// the address space's lock until it has let go of the pages, so this takes it, too.
func unmapped(b *testing.B, name string, left int) {
	for mappings(b, name) > left {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	must(b, err)
	must(b, unix.Munmap(page))
}

// mappings counts those of a segment in this process.
func mappings(b *testing.B, name string) int {
	maps, err := os.ReadFile("/proc/self/maps")
	must(b, err)
	return strings.Count(string(maps), name)
}
