//go:build linux && (amd64 || arm64)

package storm

import (
	"fmt"
	"strings"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
)

// A farm is the world of the other campaigns and what only a storm needs: a ring
// for the order of delivery, and names that processes hold.
type farm struct {
	world.World
	Parcels shm.Arena[world.Job]
	Line    shm.Ring[world.Job] // parcels, in the order they were sent
	Holders shm.Arena[world.Job]
	ByName2 shm.Index[world.Job, world.Key]
}

const (
	farmJobs = 200
	permits  = 3
	names    = 6 // that processes may hold
)

var farmCapacity = map[string]int{"data-64": 400, "data-256": 400}

func newFarm() *farm { return &farm{World: world.World{Size: farmJobs}} }

func (f *farm) Define(l *shm.Layout) {
	f.World.Define(l)
	f.Parcels.Define(l, "parcels", farmJobs)
	f.Line.Define(l, "line", &f.Parcels)
	f.Holders.Define(l, "holders", 64)
	f.ByName2.Define(l, "holders-by-name", &f.Holders)
}

// farmer does random work on the bare objects, without ever blocking.
type farmer struct {
	worker
	f *farm
}

func (w *farmer) run() {
	ops := []func(){w.put, w.put, w.work, w.work, w.finish, w.promote, w.launch, w.settle, w.retire, w.lock, w.hold, w.send, w.take}
	for !w.stopped() {
		ops[w.rng.IntN(len(ops))]()
		w.rest()
	}
}

func blobOf(id uint64) []byte { return []byte(strings.Repeat(fmt.Sprint(id, ";"), 1+int(id%11))) }

func (w *farmer) put() {
	var c shm.Claim[world.Job]
	if w.none(w.timed("new", func() (err error) { c, err = w.f.Jobs.TryNew(); return err })) {
		return
	}
	id := w.item()
	c.Record().Number = id
	if w.none(w.timed("set-blob", func() error { return c.SetBlob(&w.f.Data, &c.Record().Data, blobOf(id)) })) {
		w.fine(c.Free())
		return
	}
	w.say("try+", "job", id, 0)
	err := w.timed("put", func() error {
		if id%2 == 0 {
			return w.f.Todo.TryPut(c)
		}
		return w.f.Picky.Put(c)
	})
	if w.none(err) {
		w.fine(c.Free())
		w.say("no+", "job", id, 0)
		return
	}
	w.f.Count.Add(0, 1)
	w.say("ok+", "job", id, 0)
}

// check compares a job with what its maker and its worker have written.
func (f *farm) check(c shm.Claim[world.Job], done bool) error {
	r := c.Record()
	got, err := f.Data.Append(nil, r.Data)
	if r.Number == 0 || err != nil || string(got) != string(blobOf(r.Number)) {
		return fmt.Errorf("job %#x: %q, %v", r.Number, got, err)
	}
	if !done {
		if r.Result != (world.Result{}) {
			return fmt.Errorf("job %#x is not done and has a result", r.Number)
		}
		return nil
	}
	text, err := f.Data.Append(nil, r.Result.Text)
	if r.Result.Sum != r.Number*3 || err != nil || string(text) != fmt.Sprint("sum ", r.Result.Sum) {
		return fmt.Errorf("result of job %#x: %d %q, %v", r.Number, r.Result.Sum, text, err)
	}
	return nil
}

// work brings a job from todo, picky or urgent on to done, or back.
func (w *farmer) work() {
	some := func(_ shm.Ref[world.Job], j *world.Job) bool { return j.Number%4 == uint64(w.rng.IntN(4)) }
	var c shm.Claim[world.Job]
	err := w.timed("get", func() (err error) {
		switch w.rng.IntN(4) {
		case 0:
			c, err = w.f.Picky.TryGet(some)
		case 1:
			c, err = w.f.Urgent.TryGet(nil)
		default:
			c, err = w.f.Todo.TryGet()
		}
		return err
	})
	if !w.none(err) {
		w.process(c)
	}
}

func (w *farmer) process(c shm.Claim[world.Job]) {
	w.fine(w.f.check(c, false))
	w.dawdle()
	n := c.Record().Number
	switch w.rng.IntN(8) {
	case 0:
		w.fine(c.Release())
		return
	case 1:
		w.fine(w.f.Picky.Put(c))
		return
	}
	c.Record().Result.Sum = n * 3
	if w.none(c.SetBlob(&w.f.Data, &c.Record().Result.Text, []byte(fmt.Sprint("sum ", n*3)))) {
		w.fine(c.Release())
		return
	}
	if w.none(w.timed("put", func() error { return w.f.Done.TryPut(c) })) {
		w.fine(c.Release())
	}
}

func (w *farmer) finish() {
	c, err := w.f.Done.TryGet()
	if w.none(err) {
		return
	}
	w.fine(w.f.check(c, true))
	w.free("job", c.Record().Number, c.Free)
}

// free ends an item, on the record.
func (w *worker) free(kind string, id uint64, end func() error) {
	w.say("try-", kind, id, 0)
	if err := w.timed("free", end); err != nil {
		w.bad("free %s %#x: %v", kind, id, err)
	}
	w.say("ok-", kind, id, 0)
}

func (w *farmer) promote() {
	for r, st := range w.f.Jobs.All() {
		if st.Queue() == "picky" && st.State() == shm.Posted && w.rng.IntN(3) == 0 {
			w.none(w.timed("move", func() error { return w.f.Picky.Move(r, &w.f.Urgent) }), shm.ErrStale, shm.ErrGone)
			return
		}
	}
}

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
