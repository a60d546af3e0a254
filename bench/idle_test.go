package bench

import (
	"cmp"
	"os"
	"testing"
	"time"
)

// BenchmarkIdle: ten processes wait for requests that do not come, each ten times
// at once: ten goroutines, in Python threads. An op is the time that is looked at:
// a second, or BENCH_IDLE (a Go duration). Memory is the mean of the ten; PSS
// divides what processes share. cpu and switches are a second's, of the ten and
// the servers together.
func BenchmarkIdle(b *testing.B) {
	period, err := time.ParseDuration(cmp.Or(os.Getenv("BENCH_IDLE"), "1s"))
	if err != nil {
		b.Fatal("BENCH_IDLE: ", err)
	}
	const count, waits = 10, 10
	for _, m := range modes {
		if m.alone {
			continue
		}
		b.Run("mode="+m.name, func(b *testing.B) {
			w := newWorld(b, m, size{users: usualUsers})
			agents := w.idle(b, nil, count, waits)
			all := append(agents[:count:count], w.servers...)
			time.Sleep(500 * time.Millisecond) // what starting leaves behind is not idling
			b.ResetTimer()
			used, gave := cpu(b, all...), switches(b, all...)
			for range b.N {
				time.Sleep(period)
			}
			b.StopTimer()
			seconds := b.Elapsed().Seconds()
			b.ReportMetric(float64((cpu(b, all...)-used).Microseconds())/seconds, "cpu-us/s")
			b.ReportMetric((switches(b, all...)-gave)/seconds, "switches/s")
			b.ReportMetric(procField(b, "smaps_rollup", "Rss", agents...)/count, "rss-kB/process")
			b.ReportMetric(procField(b, "smaps_rollup", "Pss", agents...)/count, "pss-kB/process")
			b.ReportMetric(procField(b, "smaps_rollup", "Pss", w.servers...), "servers-pss-kB")
		})
	}
}

// idle makes the number of agents up to n; each new one waits at step 3, so many
// times at once.
func (w *world) idle(tb testing.TB, agents []*process, n, waits int) []*process {
	for len(agents) < n {
		p := w.agent(tb)
		p.say("block %d", waits)
		p.hear("ready")
		agents = append(agents, p)
	}
	return agents
}
