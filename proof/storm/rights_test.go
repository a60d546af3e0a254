//go:build linux && (amd64 || arm64)

package storm

import (
	"fmt"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
)

// What a process has as long as it lives, or until it gives it up.

// lock takes a permit and the mutex. The cell is ours while we have the mutex.
func (w *farmer) lock() {
	var p, m shm.Permit
	if !w.none(w.timed("acquire", func() (err error) { p, err = w.f.Slots.TryAcquire(); return err })) {
		w.say("have", "permit", 0, 0)
		defer func() {
			w.say("give", "permit", 0, 0)
			w.fine(p.Release())
		}()
	}
	if !w.none(w.timed("lock", func() (err error) { m, err = w.f.Lock.TryLock(); return err })) {
		w.inside(m)
	}
}

func (w *farmer) inside(m shm.Permit) {
	w.say("have", "mutex", 0, 0)
	me := w.item()
	if !w.f.Root.CompareAndSwap(0, me) {
		v := w.f.Root.Load()
		if !m.Recovered() || !w.f.Root.CompareAndSwap(v, me) {
			w.bad("two have the mutex: %#x and %#x, recovered %v", v, me, m.Recovered())
		}
	}
	w.dawdle()
	if !w.f.Root.CompareAndSwap(me, 0) {
		w.bad("another has changed what the mutex guards: %#x", w.f.Root.Load())
	}
	w.say("give", "mutex", 0, 0)
	w.fine(m.Release())
}

// hold owns a name for a moment: it belongs to a living process or to nobody.
func (w *farmer) hold() {
	c, err := w.f.Holders.TryNew()
	if w.none(err) {
		return
	}
	n := uint64(w.rng.IntN(names))
	c.Record().Key = world.KeyOf(fmt.Sprint("held ", n))
	var held shm.Claim[world.Job]
	inserted := false
	err = w.timed("insert-held", func() (err error) { held, _, inserted, err = w.f.ByName2.InsertHeld(c); return err })
	if w.none(err) || !inserted {
		return
	}
	w.say("have", "name", n, 0)
	if r, ok, err := w.f.ByName2.Lookup(held.Record().Key); err != nil || !ok || r != held.Ref() {
		w.bad("a held name leads to %v, %v", r, err)
	}
	w.dawdle()
	w.say("give", "name", n, 0)
	w.fine(held.Free())
}
