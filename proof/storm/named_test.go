//go:build linux && (amd64 || arm64)

package storm

import (
	"fmt"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
)

// The life of a job that is found by its name.

func (w *farmer) launch() {
	c, err := w.f.Named.TryNew()
	if w.none(err) {
		return
	}
	id := w.item()
	c.Record().Key, c.Record().Number = world.KeyOf(fmt.Sprint("name ", w.rng.IntN(40))), id
	w.dawdle()
	if w.none(c.SetBlob(&w.f.Data, &c.Record().Data, blobOf(id))) {
		w.fine(c.Free())
		return
	}
	w.say("try+", "name", id, 0)
	inserted := false
	err = w.timed("insert", func() (err error) { _, inserted, err = w.f.ByName.Insert(c, &w.f.Queue); return err })
	if w.none(err) || !inserted {
		w.say("no+", "name", id, 0)
		return
	}
	w.say("ok+", "name", id, 0)
}

func (w *farmer) settle() {
	c, err := w.f.Queue.TryGet()
	if w.none(err) {
		return
	}
	w.fine(w.f.check(c, false))
	if r, ok, err := w.f.ByName.Lookup(c.Record().Key); err != nil || !ok || r != c.Ref() {
		w.bad("job %#x is claimed, and its key leads to %v, %v", c.Record().Number, r, err)
	}
	w.fine(c.Settle())
}

func (w *farmer) retire() {
	for r, st := range w.f.Named.All() {
		var j world.Job
		if st.State() != shm.Settled || w.rng.IntN(3) == 0 {
			continue
		}
		if _, err := w.f.Named.Load(r, &j); err != nil {
			continue
		}
		// Tried from the retirement on: who dies behind it leaves the rest to the sweep.
		w.say("try-", "name", j.Number, 0)
		c, err := w.f.Named.Retire(r)
		if w.none(err, shm.ErrStale, shm.ErrGone) {
			w.say("no-", "name", j.Number, 0)
			return
		}
		w.fine(c.Free())
		w.say("ok-", "name", j.Number, 0)
		return
	}
}
