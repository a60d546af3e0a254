//go:build linux && (amd64 || arm64)

package storm

import (
	"math/rand/v2"
	"syscall"
	"time"
)

// stopSome stops a child for a while, now and then. Nobody may take anything
// from it, and nobody may wait for it who does not want what it has.
func (c *campaign) stopSome(rng *rand.Rand, end time.Time) {
	for time.Now().Before(end) {
		time.Sleep(time.Duration(rng.Int64N(int64(2 * stopEvery))))
		p := c.at(witnesses + rng.IntN(processes-witnesses))
		if p == nil {
			continue
		}
		p.mu.Lock()
		from := clock()
		err := p.cmd.Process.Signal(syscall.SIGSTOP)
		p.stops = append(p.stops, span{from, 1<<63 - 1})
		n := len(p.stops) - 1
		p.mu.Unlock()
		if err != nil {
			continue
		}
		time.Sleep(time.Duration(rng.Int64N(int64(stopFor))))
		_ = p.cmd.Process.Signal(syscall.SIGCONT) // it may have been killed meanwhile
		p.mu.Lock()
		p.stops[n].to = clock()
		p.mu.Unlock()
	}
}
