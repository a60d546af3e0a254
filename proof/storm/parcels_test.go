//go:build linux && (amd64 || arm64)

package storm

import (
	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
)

// Parcels are taken in the order in which they were sent.

func (w *farmer) send() {
	c, err := w.f.Parcels.TryNew()
	if w.none(err) {
		return
	}
	w.deliver(c, w.f.Line.TryPut)
}

func (w *farmer) deliver(c shm.Claim[world.Job], put func(shm.Claim[world.Job]) error) {
	id := w.item()
	c.Record().Number = id
	w.say("try+", "parcel", id, 0)
	if w.none(w.timed("put", func() error { return put(c) })) {
		w.fine(c.Free())
		w.say("no+", "parcel", id, 0)
		return
	}
	w.say("ok+", "parcel", id, 0)
}

func (w *farmer) take() {
	var c shm.Claim[world.Job]
	if w.none(w.timed("get", func() (err error) { c, err = w.f.Line.TryGet(); return err })) {
		return
	}
	w.receive(c)
}

func (w *farmer) receive(c shm.Claim[world.Job]) {
	w.say("order", "parcel", c.Record().Number, uint64(c.Attempt()))
	w.dawdle()
	w.free("parcel", c.Record().Number, c.Free)
}

// mostAtOnce are in one batch at most.
const mostAtOnce = 4

// sendSome sends parcels in one call. Each is put by itself: who is killed in it
// has sent the first of them.
func (w *farmer) sendSome() {
	var cs []shm.Claim[world.Job]
	for range 2 + w.rng.IntN(mostAtOnce-1) {
		c, err := w.f.Parcels.TryNew()
		if w.none(err) {
			break
		}
		c.Record().Number = w.item()
		cs = append(cs, c)
	}
	var ids []uint64 // of claims that are spent, nothing may be read
	for _, c := range cs {
		ids = append(ids, c.Record().Number)
		w.say("try+", "parcel", c.Record().Number, 0)
	}
	n := 0
	w.none(w.timed("put-all", func() (err error) { n, err = w.f.Line.TryPutAll(cs); return err }))
	for i, id := range ids {
		if i < n {
			w.say("ok+", "parcel", id, 0)
			continue
		}
		w.fine(cs[i].Free())
		w.say("no+", "parcel", id, 0)
	}
	if n > 1 {
		w.did("put-all", n)
	}
}

// takeSome takes parcels in one call, and ends them one by one.
func (w *farmer) takeSome() {
	var cs [mostAtOnce]shm.Claim[world.Job]
	n := 0
	w.none(w.timed("get-all", func() (err error) { n, err = w.f.Line.TryGetAll(cs[:]); return err }))
	for _, c := range cs[:n] {
		w.receive(c)
	}
	if n > 1 {
		w.did("get-all", n)
	}
}

// pickParcel takes a parcel out of the middle: the order is not held for it, and it
// still is for those that stay.
func (w *farmer) pickParcel() {
	for r, st := range w.f.Parcels.All() {
		if st.State() != shm.Posted || w.rng.IntN(5) != 0 {
			continue
		}
		var c shm.Claim[world.Job]
		if w.none(w.timed("take", func() (err error) { c, err = w.f.Line.Take(r); return err }), shm.ErrStale, shm.ErrGone) {
			return
		}
		w.did("take-parcel", 1)
		w.dawdle()
		w.free("parcel", c.Record().Number, c.Free)
		return
	}
}
