//go:build linux && (amd64 || arm64)

package storm

import (
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func TestMain(m *testing.M) { shmtest.Main(m) }

// self is the registry slot and generation of this process.
func self(s *shm.Segment) (slot, gen uint64) {
	for _, p := range s.Processes() {
		if p.Self {
			return uint64(p.Slot), uint64(p.Gen)
		}
	}
	panic("not registered")
}

func terminated() func() bool {
	var stop atomic.Bool
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() { <-term; stop.Store(true) }()
	return stop.Load
}

func number(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	world.Check(err)
	return n
}

func init() {
	// storm FARM TREE SEED INCARNATION HASTY
	shmtest.Register("storm", func(args []string) {
		seed, n := number(args[2]), number(args[3])
		stopped := terminated()
		f := newFarm()
		s, err := shm.Attach(args[0], f, nil)
		world.Check(err)
		w := newWorker(seed, n, 0, stopped)
		slot, gen := self(s)
		w.say("hello", "farm", slot, gen)
		m, err := objects.Open(args[1], &objects.Options{Attach: true})
		world.Check(err)
		slot, gen = self(m.Segment())
		w.say("hello", "tree", slot, gen)
		farms := &farmer{newWorker(seed, n, 1, stopped), f, s}
		waits := &blocker{farmer{newWorker(seed, n, 2, stopped), f, s}}
		grows := &forester{worker: newWorker(seed, n, 3, stopped), m: m}
		farms.hasty, grows.hasty = args[4] == "farmer", args[4] == "forester"
		var work sync.WaitGroup
		work.Go(farms.run)
		work.Go(waits.run)
		work.Go(grows.run)
		work.Wait()
		world.Check(s.Close())
		world.Check(m.Close())
		w.say("bye", "all", 0, 0)
	})
	// control: the same work on memory that nobody shares, all the time: it meets
	// every pause that the machine makes.
	shmtest.Register("control", func(args []string) {
		seed := number(args[0])
		f := newFarm()
		s, err := shm.Private(f, &shm.Options{Capacity: farmCapacity})
		world.Check(err)
		stopped := terminated()
		hasty := &farmer{newWorker(seed, 0, 1, stopped), f, s}
		hasty.hasty = true
		var work sync.WaitGroup
		work.Go(hasty.run)
		work.Go((&blocker{farmer{newWorker(seed, 0, 2, stopped), f, s}}).run)
		work.Wait()
		world.Check(s.Close())
		w := newWorker(seed, 0, 0, stopped)
		w.say("bye", "all", 0, 0)
	})
}
