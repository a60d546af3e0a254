//go:build linux && (amd64 || arm64)

// Package storm kills many processes at random moments while they work on all
// objects, and compares what they said with what is left.
package storm

import (
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

const (
	processes  = 22
	witnesses  = 2                     // of them: neither killed nor stopped, so that they see every death, and can say how long a call took
	alive      = 16                    // are attached when one is killed, or it has to wait
	killEvery  = 5 * time.Millisecond  // on average, if the machine starts processes so fast
	stopEvery  = 60 * time.Millisecond // on average
	stopFor    = 60 * time.Millisecond // at most
	stopLong   = 7 * time.Second       // once a round
	roundTime  = 15 * time.Second      // then everything is taken apart, and new segments made
	tooLate    = 10 * time.Second      // for a recovery
	registered = 64
)

// A campaign is one round: two segments, the processes in them, and what is
// known of them.
type campaign struct {
	t          *testing.T
	farm, tree string
	seed       uint64
	l          *ledger
	f          *figures

	mu          sync.Mutex
	incarnation uint64
	children    [processes]*child
	over        bool
}

func stormTime(t *testing.T) time.Duration {
	v := os.Getenv("PROOF_STORM")
	if v == "" {
		return 15 * time.Second
	}
	d, err := time.ParseDuration(v)
	world.Must(t, err)
	return d
}

// PROOF_STORM=1h makes it longer. A failure names the items that do not add up.
func TestStorm(t *testing.T) {
	left := stormTime(t)
	f := &figures{}
	before := look()
	seed := stormSeed(t)
	for ; left > 0 && !t.Failed(); left -= roundTime {
		storm(t, f, seed, min(left, roundTime))
		seed++
	}
	t.Logf("%d processes and a control on %s", processes, before.since())
	f.print(t)
	for _, s := range f.judge() {
		t.Error(s)
	}
}

func stormSeed(t *testing.T) uint64 {
	seed := world.Setting(t, "PROOF_SEED", uint64(time.Now().UnixNano()%1e9))
	t.Logf("PROOF_SEED=%d repeats the choices, not the times", seed)
	return seed
}

func storm(t *testing.T, f *figures, seed uint64, d time.Duration) {
	c := &campaign{t: t, farm: shmtest.Name(t), tree: shmtest.Name(t), seed: seed, l: newLedger(), f: f}
	create(t, c)
	watch := startWatch(t, f, c.farm, c.tree)
	rng := rand.New(rand.NewPCG(seed, 0))
	var work, witness sync.WaitGroup
	for i := range processes {
		if i < witnesses {
			witness.Go(func() { c.keep(i) })
		} else {
			work.Go(func() { c.keep(i) })
		}
	}
	control := c.startControl()
	end := time.Now().Add(d)
	started := time.Now()
	var stops sync.WaitGroup
	stops.Go(func() { c.stopSome(rand.New(rand.NewPCG(seed, 1)), end) })
	for time.Now().Before(end) && !t.Failed() {
		time.Sleep(time.Duration(rng.Int64N(int64(2 * killEvery))))
		c.kill(rng)
	}
	f.killing += time.Since(started)
	stops.Wait()
	c.finish(&work, witnesses, processes)
	watch.finish(t)
	c.finish(&witness, 0, witnesses)
	control()
	f.ledger(c.l)
	for _, s := range judge(c.l, c.audit(t)) {
		t.Error(s)
	}
}

func create(t *testing.T, c *campaign) {
	capacity := map[string]int{"processes": registered}
	for k, v := range farmCapacity {
		capacity[k] = v
	}
	s, err := shm.Create(c.farm, newFarm(), &shm.Options{Capacity: capacity})
	world.Must(t, err)
	world.Must(t, s.Close())
	capacity = map[string]int{"processes": registered}
	for k, v := range treeCapacity {
		capacity[k] = v
	}
	m, err := objects.Create(c.tree, &objects.Options{Capacity: capacity, PerAddress: perAddress, Tokens: tokens})
	world.Must(t, err)
	world.Must(t, m.Close())
}

// finish tells the children in some places to end, once they have said hello and so
// listen, and waits until they have.
func (c *campaign) finish(work *sync.WaitGroup, from, to int) {
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	ended := make(chan struct{})
	go func() { work.Wait(); close(ended) }()
	for limit := time.After(2 * time.Minute); ; { // one may have been started after it was told
		c.mu.Lock()
		for _, p := range c.children[from:to] {
			if p != nil && p.there.Load() > 0 {
				_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may be dead
			}
		}
		c.mu.Unlock()
		select {
		case <-ended:
			return
		case <-time.After(20 * time.Millisecond):
		case <-limit:
			c.t.Fatal("the children do not end")
		}
	}
}
