package bench

import (
	"slices"
	"strconv"
	"testing"
	"time"
)

const (
	handoffPace   = time.Millisecond // long enough for the getter to be asleep again
	handoffWarmUp = 20
)

// BenchmarkHandoff: from the put in one process to the return of a get that was
// blocked in another; the putter puts every millisecond. ns/op is the mean.
// cpu-ns/op is the processor time of putter, getter and servers for one hand-off,
// the putter's timer included.
func BenchmarkHandoff(b *testing.B) {
	type pair struct {
		*world
		putter, getter *process
	}
	for _, m := range modes {
		if m.alone {
			continue
		}
		var p pair
		b.Run("mode="+m.name, func(sub *testing.B) {
			if p.world == nil {
				tb := &lasting{sub, b}
				p.world = newWorld(tb, m, size{users: usualUsers})
				p.putter, p.getter = p.agent(tb), p.agent(tb)
			}
			handOff(sub, p.putter, p.getter, p.servers)
		})
	}
}

func handOff(b *testing.B, putter, getter *process, servers []*process) {
	n := handoffWarmUp + b.N
	all := append([]*process{putter, getter}, servers...)
	getter.say("gets %d", n)
	getter.hear("ready")
	used := cpu(b, all...)
	putter.say("puts %d %d", n, handoffPace.Nanoseconds())
	words := getter.hear("ok")
	putter.hear("ok")
	used = cpu(b, all...) - used
	ages, sum := make([]float64, 0, b.N), 0.0
	for _, w := range words[handoffWarmUp:] {
		v, err := strconv.ParseFloat(w, 64)
		if err != nil {
			b.Fatal(err)
		}
		ages, sum = append(ages, v), sum+v
	}
	slices.Sort(ages)
	b.ReportMetric(sum/float64(len(ages)), "ns/op")
	b.ReportMetric(ages[len(ages)/2], "p50-ns")
	b.ReportMetric(ages[len(ages)*99/100], "p99-ns")
	b.ReportMetric(float64(used)/float64(n), "cpu-ns/op")
}
