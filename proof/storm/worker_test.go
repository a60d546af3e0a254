//go:build linux && (amd64 || arm64)

package storm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aotf/sharedmem/shm"
)

// A child writes lines of six words, each in one write:
//
//	GOROUTINE WORD KIND ID EXTRA TIME
//
// try+ before an item comes into being, ok+ or no+ after it; try-, ok-, no- the
// same for its end. So of each goroutine what was tried last is unknown after a
// kill: one item, or those of one batch. try= and ok= are for what is added or
// set. have and give: a right that is held, said after it was got and before it
// is given up. order: a delivery. did: that something happened at all. The others
// belong to the tree. TIME is nanoseconds since boot, one clock for all.

// worker is one goroutine of a child.
type worker struct {
	g       uint64
	rng     *rand.Rand
	id      uint64 // of the next item: the incarnation, the goroutine, a number
	stopped func() bool
	hasty   bool // never rests
	ops     uint64
	waits   uint64
	buf     []byte
}

const (
	incarnationShift = 32
	goroutineShift   = 28
)

func newWorker(seed, incarnation, g uint64, stopped func() bool) worker {
	return worker{g: g, rng: rand.New(rand.NewPCG(seed, incarnation<<4|g)),
		id: incarnation<<incarnationShift | g<<goroutineShift, stopped: stopped}
}

// loop makes random calls until the process is told to end.
func (w *worker) loop(ops []func()) {
	for !w.stopped() {
		ops[w.rng.IntN(len(ops))]()
		w.rest()
	}
}

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

// did says that something happened which a storm without it would not test.
func (w *worker) did(what string, n int) {
	if n > 0 {
		w.say("did", what, uint64(n), 0)
	}
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

// errTime is what a call returns that has waited long enough.
var errTime = []error{context.DeadlineExceeded, context.Canceled}

// slow is the time from which a call is reported.
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

// waited makes one call that waits, for a moment: until a deadline, or until it is
// cancelled. It measures how long after that it returns.
func (w *worker) waited(op string, call func(ctx context.Context) error) error {
	moment := time.Duration(w.rng.IntN(3000)) * time.Microsecond
	due := time.Now().Add(moment)
	ctx, cancel := context.WithDeadline(context.Background(), due)
	var at atomic.Pointer[time.Time]
	at.Store(&due)
	if w.rng.IntN(4) == 0 {
		cancel()
		at.Store(nil)
		ctx, cancel = context.WithCancel(context.Background())
		late := time.AfterFunc(moment, func() {
			now := time.Now()
			at.Store(&now)
			cancel()
		})
		defer late.Stop()
	}
	defer cancel()
	err := call(ctx)
	ended := time.Now()
	w.waits++
	if due := at.Load(); due != nil && ended.Sub(*due) >= slow {
		w.say("late", op, uint64(ended.Sub(*due)), 0)
	}
	if w.waits%20 == 0 {
		w.say("waits", "call", 20, 0)
	}
	return err
}

// mostRest keeps so many processes from being busy all at once that those that are
// killed could not get a processor to die on.
const mostRest = 16 * time.Millisecond

// rest leaves the processor, as work outside of the segment would.
func (w *worker) rest() {
	if !w.hasty {
		time.Sleep(time.Duration(w.rng.Int64N(int64(mostRest))))
	}
}

// dawdle keeps what the worker has for a while, so that deaths meet it. Once in a
// while it is slow, so that others lose their patience.
func (w *worker) dawdle() {
	if w.hasty || w.rng.IntN(4) != 0 {
		return
	}
	most := 3 * time.Millisecond
	if w.rng.IntN(16) == 0 {
		most = 60 * time.Millisecond
	}
	time.Sleep(time.Duration(w.rng.Int64N(int64(most))))
}
