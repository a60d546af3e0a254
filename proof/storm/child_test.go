//go:build linux && (amd64 || arm64)

package storm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func TestMain(m *testing.M) { shmtest.Main(m) }

// A child writes lines of six words, each in one write:
//
//	GOROUTINE WORD KIND ID EXTRA TIME
//
// try+ before an item comes into being, ok+ or no+ after it; try-, ok-, no- the
// same for its end. So of each goroutine at most the last of them is unknown
// after a kill. have and give: a right that is held, said after it was got and
// before it is given up. order: a delivery. The others belong to the tree. TIME
// is nanoseconds since boot, one clock for all.

// worker is one goroutine of a child.
type worker struct {
	g       uint64
	rng     *rand.Rand
	id      uint64 // of the next item: the incarnation, the goroutine, a number
	stopped func() bool
	hasty   bool // never rests
	ops     uint64
	buf     []byte
}

const (
	incarnationShift = 32
	goroutineShift   = 28
)

func producer(id uint64) uint64 { return id >> goroutineShift }

func (w *worker) item() uint64 { w.id++; return w.id }

func (w *worker) say(word, kind string, id, extra uint64) {
	b := strconv.AppendUint(w.buf[:0], w.g, 10)
	b = append(append(append(append(b, ' '), word...), ' '), kind...)
	for _, n := range []uint64{id, extra, uint64(clock())} {
		b = strconv.AppendUint(append(b, ' '), n, 10)
	}
	w.buf = append(b, '\n')
	_, _ = os.Stdout.Write(w.buf)
}

// bad is something impossible; the parent reports it.
func (w *worker) bad(format string, args ...any) {
	fmt.Printf("%d bad %s\n", w.g, fmt.Sprintf(format, args...))
}

// none tells whether a call returned nothing, for a reason that is in order.
func (w *worker) none(err error, also ...error) bool {
	if err == nil {
		return false
	}
	for _, e := range append(also, shm.ErrEmpty, shm.ErrFull) {
		if errors.Is(err, e) {
			return true
		}
	}
	w.bad("%v", err)
	return true
}

// fine is for calls that nothing can make fail.
func (w *worker) fine(err error) {
	if err != nil {
		w.bad("%v", err)
	}
}

var errTime = []error{context.DeadlineExceeded}

// moment is how long a blocking call waits.
func (w *worker) moment() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Duration(w.rng.IntN(3000))*time.Microsecond)
}

// slow is the time from which a call that does not block is reported.
const slow = time.Millisecond

// timed measures one call that does not block.
func (w *worker) timed(op string, call func() error) error {
	started := time.Now()
	err := call()
	took := time.Since(started)
	w.ops++
	if took >= slow {
		w.say("slow", op, uint64(took), 0)
	}
	if w.ops%100 == 0 {
		w.say("calls", "call", 100, 0)
	}
	return err
}

// rest leaves the processor now and then, as work outside of the segment would.
func (w *worker) rest() {
	if !w.hasty && w.rng.IntN(4) == 0 {
		time.Sleep(time.Duration(w.rng.IntN(1000)) * time.Microsecond)
	}
}

// dawdle keeps what the worker has for a while, so that deaths meet it.
func (w *worker) dawdle() {
	if !w.hasty && w.rng.IntN(4) == 0 {
		time.Sleep(time.Duration(w.rng.IntN(3000)) * time.Microsecond)
	}
}

func newWorker(incarnation, g uint64, stopped func() bool) worker {
	return worker{g: g, rng: rand.New(rand.NewPCG(incarnation, g)),
		id: incarnation<<incarnationShift | g<<goroutineShift, stopped: stopped}
}

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

func init() {
	// storm FARM TREE INCARNATION
	shmtest.Register("storm", func(args []string) {
		n, err := strconv.ParseUint(args[2], 10, 32)
		world.Check(err)
		stopped := terminated()
		f := newFarm()
		s, err := shm.Attach(args[0], f, nil)
		world.Check(err)
		w := newWorker(n, 0, stopped)
		slot, gen := self(s)
		w.say("hello", "farm", slot, gen)
		m, err := objects.Open(args[1], &objects.Options{Attach: true})
		world.Check(err)
		slot, gen = self(m.Segment())
		w.say("hello", "tree", slot, gen)
		var work sync.WaitGroup
		work.Go((&farmer{newWorker(n, 1, stopped), f}).run)
		work.Go((&blocker{farmer{newWorker(n, 2, stopped), f}}).run)
		work.Go((&forester{newWorker(n, 3, stopped), m}).run)
		work.Wait()
		world.Check(s.Close())
		world.Check(m.Close())
		w.say("bye", "all", 0, 0)
	})
	// control: the same work on memory that nobody shares, all the time: it meets
	// every pause that the machine makes.
	shmtest.Register("control", func([]string) {
		f := newFarm()
		s, err := shm.Private(f, &shm.Options{Capacity: farmCapacity})
		world.Check(err)
		stopped := terminated()
		hasty := &farmer{newWorker(0, 1, stopped), f}
		hasty.hasty = true
		var work sync.WaitGroup
		work.Go(hasty.run)
		work.Go((&blocker{farmer{newWorker(0, 2, stopped), f}}).run)
		work.Wait()
		world.Check(s.Close())
		w := newWorker(0, 0, stopped)
		w.say("bye", "all", 0, 0)
	})
}
