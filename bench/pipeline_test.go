package bench

import "testing"

const (
	pipelineBatch = 64
	pipelineAhead = 8 // batches that may be on their way
)

// BenchmarkPipeline: user requests through the three steps. One process launches,
// three others claim and advance, each at one step, and do no other work. There
// are at most some 512 requests on their way, and the table is full.
func BenchmarkPipeline(b *testing.B) {
	for _, m := range modes {
		if m.alone {
			continue
		}
		var w *world
		var front *process
		var workers [3]*process
		b.Run("mode="+m.name, func(sub *testing.B) {
			if w == nil {
				tb := &lasting{sub, b}
				w = newFullWorld(tb, m, size{users: usualUsers})
				front = w.agent(tb)
				for i := range workers {
					workers[i] = w.agent(tb)
				}
				pipeline(front, workers, 10)
			}
			sub.ResetTimer()
			pipeline(front, workers, sub.N)
			sub.ReportMetric(float64(sub.N)/sub.Elapsed().Seconds(), "requests/s")
		})
	}
}

// pipeline returns when n requests are at END.
func pipeline(front *process, workers [3]*process, n int) {
	workers[0].say("work 1 %d", n)
	workers[1].say("work 2 %d", n)
	ahead := 0
	for left := n; left > 0; left -= pipelineBatch {
		k := min(left, pipelineBatch)
		front.say("front %d", k)
		workers[2].say("work 3 %d", k)
		if ahead++; ahead > pipelineAhead {
			front.hear("ok")
			workers[2].hear("ok")
			ahead--
		}
	}
	for range ahead {
		front.hear("ok")
		workers[2].hear("ok")
	}
	workers[0].hear("ok")
	workers[1].hear("ok")
}
