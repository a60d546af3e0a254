//go:build linux && (amd64 || arm64)

package storm

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/aotf/sharedmem/objects"
)

// workerNames are fewer than foresters: a name is free when its process is gone.
const workerNames = 12

// register enters this worker into the registry, or looks itself up and leaves.
func (w *forester) register() {
	ctx := context.Background()
	if w.me != nil {
		w.findMe()
		if w.rng.IntN(4) == 0 {
			w.leave()
		}
		return
	}
	n := w.rng.Uint64() % workerNames
	var me objects.Worker
	err := w.timed("register", func() (err error) { me, err = w.m.Threads.Register(ctx, fmt.Sprint("worker-", n)); return err })
	if w.none(err, objects.ErrTaken) {
		return
	}
	w.say("have", "thread", n, 0)
	w.me, w.name = me, n
	w.findMe()
}

// findMe holds that who is registered is listed, once, as the process that it is.
func (w *forester) findMe() {
	ctx := context.Background()
	slot, times := w.m.Segment().Slot(), 0
	list, err := w.m.Threads.List(ctx)
	w.fine(err)
	for _, th := range list {
		if th.Name == w.me.Name() && th.Slot == slot && th.Process == os.Getpid() {
			times++
		}
	}
	if times != 1 {
		w.bad("%s is registered and listed %d times: %+v", w.me.Name(), times, list)
	}
	processes, err := w.m.Processes.List(ctx)
	w.fine(err)
	times = 0
	for _, p := range processes {
		if p.Slot == slot && p.Process == os.Getpid() {
			times++
		}
	}
	if times != 1 {
		w.bad("process %d in slot %d is listed %d times: %+v", os.Getpid(), slot, times, processes)
	}
	w.did("list-threads", 1)
}

func (w *forester) leave() {
	if w.me == nil {
		return
	}
	w.say("give", "thread", w.name, 0)
	w.fine(w.me.Close())
	w.me = nil
}

// patience is for a call that has nothing to wait for. It is far longer than any
// pause of a machine.
const patience = 30 * time.Second

// send sends a message to all processes. This one is among them, so it comes back;
// and nobody but this goroutine takes it here.
func (w *forester) send() {
	// Not WriteStacks: messages are bits, and nobody here writes files.
	message := objects.Message(1) << (1 + w.rng.IntN(8))
	n := 0
	err := w.timed("send", func() (err error) { n, err = w.m.Processes.Send(context.Background(), message); return err })
	if err != nil || n < 1 {
		w.bad("a message went to %d processes, %v", n, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if got, err := w.m.Processes.Receive(ctx); err != nil || got&message == 0 {
		w.bad("message %#x was sent, received %#x, %v", message, got, err)
	}
	w.did("message", 1)
}

// metrics are those that the tree does not add to of itself.
const metrics = uint64(objects.UserFullTime)

// measure adds to a metric.
func (w *forester) measure() {
	m, count, sum := w.rng.Uint64()%metrics, 1+w.rng.Uint64()%5, w.rng.Uint64()%1000
	w.say("try=", "metric", m, count<<32|sum)
	w.fine(w.timed("add-metric", func() error {
		return w.m.Metrics.Add(context.Background(), objects.Metric(m), int(count), time.Duration(sum))
	}))
	w.say("ok=", "metric", m, count<<32|sum)
}

// countsAt are the counts that were read at a time. They show when they are not of
// one piece.
func countsAt(at time.Time) objects.Counts {
	return objects.Counts{Tweets: at.UnixNano(), Accounts: at.UnixNano() / 2, ReadAt: at}
}

func (w *forester) setCounts() {
	at := uint64(clock())
	w.dawdle() // as who counts a database does: another may have counted since
	w.say("try=", "counts", at, 0)
	if w.none(w.timed("set-counts", func() error { return w.m.SetCounts(context.Background(), countsAt(time.Unix(0, int64(at)))) })) {
		w.say("no=", "counts", at, 0)
		return
	}
	w.say("ok=", "counts", at, 0)
	w.readCounts()
}

func (w *forester) readCounts() {
	from := uint64(clock())
	var n objects.Counts
	w.fine(w.timed("counts", func() (err error) { n, err = w.m.Counts(context.Background()); return err }))
	if n == (objects.Counts{}) { // nobody has set them yet
		w.say("saw", "counts", 0, from)
		return
	}
	if n != countsAt(n.ReadAt) {
		w.bad("counts are not of one piece: %+v", n)
	}
	w.say("saw", "counts", uint64(n.ReadAt.UnixNano()), from)
}
