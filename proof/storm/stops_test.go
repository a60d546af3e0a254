//go:build linux && (amd64 || arm64)

package storm

import (
	"math/rand/v2"
	"syscall"
	"time"
)

// stopSome stops one child at a time, for a moment. Nobody may take anything from
// it, and nobody may wait for it who does not want what it has. To show that, the
// first stop of a round is longer than any call may take.
func (c *campaign) stopSome(rng *rand.Rand, end time.Time) {
	long := time.Until(end) > 2*stopLong
	for time.Now().Before(end) {
		time.Sleep(time.Duration(rng.Int64N(int64(2 * stopEvery))))
		p := c.at(witnesses + rng.IntN(processes-witnesses))
		if p == nil || long && p.there.Load() < 2 {
			continue
		}
		d := time.Duration(rng.Int64N(int64(stopFor)))
		if long {
			d = stopLong
		}
		if p.stop(d, long) && long {
			long = false
			c.f.longStops++
		}
	}
}

// stop stops a child for a time. It tells whether the child is still there; when
// it is spared, nobody may kill it meanwhile.
func (p *child) stop(d time.Duration, spared bool) bool {
	p.mu.Lock()
	if p.killed != 0 {
		p.mu.Unlock()
		return false
	}
	p.spared = spared
	from := clock()
	err := p.cmd.Process.Signal(syscall.SIGSTOP)
	p.stops = append(p.stops, span{from, 1<<63 - 1})
	n := len(p.stops) - 1
	p.mu.Unlock()
	if err == nil {
		time.Sleep(d)
		err = p.cmd.Process.Signal(syscall.SIGCONT) // it may have been killed meanwhile
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stops[n].to = clock()
	p.spared = false
	return err == nil
}
