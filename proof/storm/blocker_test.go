//go:build linux && (amd64 || arm64)

package storm

import (
	"errors"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
)

// blocker does what a farmer does with the calls that wait.
type blocker struct{ farmer }

func (w *blocker) run() {
	ops := []func(){w.get, w.getBag, w.newAndPut, w.receiveNext, w.acquire, w.lockWaiting}
	for !w.stopped() {
		ops[w.rng.IntN(len(ops))]()
		w.rest()
	}
}

// ended tells whether a blocking call returned without what it waited for.
func (w *blocker) ended(err error) bool { return w.none(err, errTime...) }

func (w *blocker) get() {
	ctx, cancel := w.moment()
	defer cancel()
	if c, err := w.f.Todo.Get(ctx); !w.ended(err) {
		w.process(c)
	}
}

func (w *blocker) getBag() {
	ctx, cancel := w.moment()
	defer cancel()
	if c, err := w.f.Urgent.Get(ctx, nil); !w.ended(err) {
		w.process(c)
	}
}

func (w *blocker) newAndPut() {
	ctx, cancel := w.moment()
	defer cancel()
	if c, err := w.f.Parcels.New(ctx); !w.ended(err) {
		w.deliver(c, func(c shm.Claim[world.Job]) error {
			err := w.f.Line.Put(ctx, c)
			if errors.Is(err, ctx.Err()) && err != nil {
				return shm.ErrFull // no slot came free in time: the claim stands
			}
			return err
		})
	}
}

func (w *blocker) receiveNext() {
	ctx, cancel := w.moment()
	defer cancel()
	if c, err := w.f.Line.Get(ctx); !w.ended(err) {
		w.receive(c)
	}
}

func (w *blocker) acquire() {
	ctx, cancel := w.moment()
	defer cancel()
	p, err := w.f.Slots.Acquire(ctx)
	if w.ended(err) {
		return
	}
	w.say("have", "permit", 0, 0)
	w.dawdle()
	w.say("give", "permit", 0, 0)
	w.fine(p.Release())
}

func (w *blocker) lockWaiting() {
	ctx, cancel := w.moment()
	defer cancel()
	if m, err := w.f.Lock.Lock(ctx); !w.ended(err) {
		w.inside(m)
	}
}
