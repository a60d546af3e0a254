package bench

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"testing"
)

// BenchmarkGrowth: the same operations while so many requests are in memory. That
// is the table's capacity, and it is full, so that the number stays: all wait but
// a 32nd, which has ended and is what launching frees. Levels go up to 10,000, or
// to BENCH_GROWTH; above 100,000 only in the modes without a server.
func BenchmarkGrowth(b *testing.B) {
	limit, err := strconv.Atoi(cmp.Or(os.Getenv("BENCH_GROWTH"), "10000"))
	if err != nil {
		b.Fatal("BENCH_GROWTH: ", err)
	}
	type key struct {
		mode     string
		requests int
	}
	waiting := func(requests int) int { return requests - requests/32 }
	get := shared(b, func(tb testing.TB, k key) *world {
		return newFullWorld(tb, modeNamed(k.mode), size{users: k.requests, fill: waiting(k.requests)})
	})
	for _, o := range []op{{"lookup", nil}, {"launch", launchAndEnd}} { // lookup first: launch ends what waits
		for _, m := range modes {
			for _, requests := range []int{1000, 10000, 100000, 1000000} {
				if requests > limit || requests > 100000 && m.name != "private" && m.name != "shm" {
					continue
				}
				b.Run(fmt.Sprintf("op=%s/mode=%s/requests=%d", o.name, m.name, requests), func(b *testing.B) {
					w := get(b, key{m.name, requests})
					if o.name == "lookup" {
						w.measure(b, op{"find", findScattered(waiting(requests))}, waiting(requests))
					} else {
						w.measure(b, o)
					}
				})
			}
		}
	}
}

// findScattered looks up what the memory was filled with, far apart: the
// caches of the processor are of no more use than in an application.
func findScattered(fill int) func(*testing.B, memory, int) error {
	return func(b *testing.B, m memory, n int) error {
		b.StopTimer()
		urls := make([]string, 4096)
		for i := range urls {
			urls[i] = fillURL(i * 7919 % fill)
		}
		b.StartTimer()
		return find(m, urls, n)
	}
}
