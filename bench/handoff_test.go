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
	all := append([]*process{putter, getter}, servers...)
	ages, used := paced(b, putter, getter, handoffWarmUp+b.N, all...)
	ages = ages[handoffWarmUp:]
	sum := 0.0
	for _, v := range ages {
		sum += v
	}
	slices.Sort(ages)
	b.ReportMetric(sum/float64(len(ages)), "ns/op")
	b.ReportMetric(ages[len(ages)/2], "p50-ns")
	b.ReportMetric(ages[len(ages)*99/100], "p99-ns")
	b.ReportMetric(float64(used)/float64(handoffWarmUp+b.N), "cpu-ns/op")
}

// paced hands n items over, and returns how old each was, in nanoseconds, and
// the processor time of all the processes.
func paced(tb testing.TB, putter, getter *process, n int, all ...*process) (ages []float64, used time.Duration) {
	getter.say("gets %d", n)
	getter.hear("ready")
	used = cpu(tb, all...)
	putter.say("puts %d %d", n, handoffPace.Nanoseconds())
	for _, w := range getter.hear("ok") {
		v, err := strconv.ParseFloat(w, 64)
		if err != nil {
			tb.Fatal(err)
		}
		ages = append(ages, v)
	}
	putter.hear("ok")
	return ages, cpu(tb, all...) - used
}
