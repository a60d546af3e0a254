package main

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// killer kills random workers at random moments while work is in flight. It stops
// the victim first, looks which claims it holds, and only then kills it, so that
// what it counts is what happened. A worker whose claim was delivered twice
// already is spared: a third death would fail that request, by design.
type killer struct {
	f   *front
	rng *rand.Rand

	mu          sync.Mutex
	killed      int
	interrupted int
	recoveries  []time.Duration
	waiting     sync.WaitGroup
	hungry      atomic.Bool
}

func newKiller(f *front) *killer {
	return &killer{f: f, rng: rand.New(rand.NewPCG(f.o.seed, 99))}
}

// may is how many queries may be launched now: the rest is kept for the kills
// that are still to come.
func (k *killer) may(queries int) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return queries * (k.killed + 1) / (k.f.o.kill + 1)
}

// isHungry tells whether a kill is due and nobody is at work.
func (k *killer) isHungry() bool { return k.hungry.Load() }

func (k *killer) run(ctx context.Context) error {
	for k.killed < k.f.o.kill {
		if err := pause(ctx, time.Duration(k.rng.IntN(100))*time.Millisecond); err != nil {
			return nil
		}
		k.strike(ctx)
	}
	k.waiting.Wait()
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// strike waits up to a while for a worker in the middle of something, and kills
// it; then anybody.
func (k *killer) strike(ctx context.Context) {
	defer k.hungry.Store(false)
	until := time.Now().Add(2 * time.Second)
	for ctx.Err() == nil {
		members := k.f.team.attachedMembers()
		late := time.Now().After(until)
		if !late {
			busy, again := k.claims()
			members = slices.DeleteFunc(members, func(m *member) bool { return !busy[m.slot] || again[m.slot] })
		}
		if len(members) == 0 {
			k.hungry.Store(true)
			_ = pause(ctx, 100*time.Microsecond)
			continue
		}
		if k.kill(members[k.rng.IntN(len(members))], late) {
			return
		}
	}
}

// claims tells which slots hold a claim from a queue, and which one that has
// been delivered before.
func (k *killer) claims() (busy, again map[int]bool) {
	busy, again = map[int]bool{}, map[int]bool{}
	for _, c := range k.f.m.Segment().Claims() {
		if c.State == "owned" && c.Queue != "" {
			busy[c.Process] = true
			again[c.Process] = again[c.Process] || c.Attempt > 1
		}
	}
	return busy, again
}

func (k *killer) kill(m *member, anyhow bool) bool {
	p := m.cmd.Process
	if p.Signal(syscall.SIGSTOP) != nil {
		return false
	}
	waitStopped(p.Pid)
	busy, again := k.claims()
	if again[m.slot] || !busy[m.slot] && !anyhow {
		_ = p.Signal(syscall.SIGCONT)
		return false
	}
	k.f.team.condemn(m)
	gen := k.generation(m.slot)
	start := time.Now()
	_ = p.Kill()
	k.mu.Lock()
	k.killed++
	if busy[m.slot] {
		k.interrupted++
	}
	k.mu.Unlock()
	k.f.say.line("killed %s (process %d)", m.role, p.Pid)
	k.waiting.Go(func() { k.recovery(m.slot, gen, start) })
	return true
}

func (k *killer) generation(slot int) uint32 {
	for _, p := range k.f.m.Segment().Processes() {
		if p.Slot == slot {
			return p.Gen
		}
	}
	return math.MaxUint32
}

// recovery measures the time until nothing is the dead worker's any more: its
// registry slot is free, or somebody else's.
func (k *killer) recovery(slot int, gen uint32, start time.Time) {
	for time.Since(start) < time.Minute && k.generation(slot) == gen {
		time.Sleep(100 * time.Microsecond)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.recoveries = append(k.recoveries, time.Since(start))
}

// p99 is in milliseconds.
func (k *killer) p99() float64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.recoveries) == 0 {
		return 0
	}
	slices.Sort(k.recoveries)
	i := (len(k.recoveries)*99+99)/100 - 1
	return float64(k.recoveries[i].Microseconds()) / 1000
}
