//go:build linux && (amd64 || arm64)

package storm

import (
	"context"
	"errors"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
)

// blocker does what a farmer does with the calls that wait.
type blocker struct{ farmer }

func (w *blocker) run() {
	w.loop([]func(){w.get, w.getBag, w.newAndPut, w.receiveNext, w.acquire, w.lockWaiting})
}

// ended tells whether a blocking call returned without what it waited for.
func (w *blocker) ended(err error) bool { return w.none(err, errTime...) }

// claim waits for a record.
func (w *blocker) claim(op string, get func(ctx context.Context) (shm.Claim[world.Job], error)) (c shm.Claim[world.Job], ok bool) {
	err := w.waited(op, func(ctx context.Context) (err error) { c, err = get(ctx); return err })
	return c, !w.ended(err)
}

// permit waits for a permit.
func (w *blocker) permit(op string, get func(ctx context.Context) (shm.Permit, error)) (p shm.Permit, ok bool) {
	err := w.waited(op, func(ctx context.Context) (err error) { p, err = get(ctx); return err })
	return p, !w.ended(err)
}

func (w *blocker) get() {
	if c, ok := w.claim("get", w.f.Todo.Get); ok {
		w.process(c)
	}
}

func (w *blocker) getBag() {
	any := func(ctx context.Context) (shm.Claim[world.Job], error) { return w.f.Urgent.Get(ctx, nil) }
	if c, ok := w.claim("get-bag", any); ok {
		w.process(c)
	}
}

func (w *blocker) newAndPut() {
	c, ok := w.claim("new", w.f.Parcels.New)
	if !ok {
		return
	}
	w.deliver(c, func(c shm.Claim[world.Job]) error {
		err := w.waited("put", func(ctx context.Context) error { return w.f.Line.Put(ctx, c) })
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			return shm.ErrFull // no slot came free in time: the claim stands
		}
		return err
	})
}

func (w *blocker) receiveNext() {
	if c, ok := w.claim("get", w.f.Line.Get); ok {
		w.receive(c)
	}
}

func (w *blocker) acquire() {
	p, ok := w.permit("acquire", w.f.Slots.Acquire)
	if !ok {
		return
	}
	w.say("have", "permit", 0, 0)
	w.dawdle()
	w.say("give", "permit", 0, 0)
	w.fine(p.Release())
}

func (w *blocker) lockWaiting() {
	if m, ok := w.permit("lock", w.f.Lock.Lock); ok {
		w.inside(m)
	}
}
