package bench

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"testing"
)

// BenchmarkScale: the same operations while so many processes are attached; all
// but this one wait at step 3. Up to 4 processes, or BENCH_SCALE, at most 64.
func BenchmarkScale(b *testing.B) {
	limit, err := strconv.Atoi(cmp.Or(os.Getenv("BENCH_SCALE"), "4"))
	if err != nil {
		b.Fatal("BENCH_SCALE: ", err)
	}
	for _, m := range modes {
		if m.alone {
			continue
		}
		var w *world
		var agents []*process
		for _, count := range []int{2, 4, 8, 16, 32, 64} {
			if count > limit {
				break
			}
			for _, o := range []op{{"lookup", lookups}, {"putget", putGets}} {
				b.Run(fmt.Sprintf("op=%s/mode=%s/processes=%d", o.name, m.name, count), func(sub *testing.B) {
					tb := &lasting{sub, b}
					if w == nil {
						w = newWorld(tb, m, size{users: usualUsers})
					}
					agents = w.idle(tb, agents, count-1, 1)
					w.measure(sub, o)
				})
			}
		}
	}
}
