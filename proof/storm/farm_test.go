//go:build linux && (amd64 || arm64)

package storm

import (
	"context"
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
	s *shm.Segment
}

func (w *farmer) run() {
	w.loop([]func(){w.put, w.put, w.work, w.work, w.finish, w.promote, w.launch, w.settle, w.retire, w.lock, w.hold,
		w.send, w.take, w.sendSome, w.takeSome, w.pick, w.pickParcel, w.sweep})
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

// pick takes a job out of the middle of a ring or a bag.
func (w *farmer) pick() {
	from, take := "todo", w.f.Todo.Take
	if w.rng.IntN(2) == 0 {
		from, take = "picky", w.f.Picky.Take
	}
	for r, st := range w.f.Jobs.All() {
		if st.State() != shm.Posted || st.Queue() != from || w.rng.IntN(3) != 0 {
			continue
		}
		var c shm.Claim[world.Job]
		if w.none(w.timed("take", func() (err error) { c, err = take(r); return err }), shm.ErrStale, shm.ErrGone) {
			return
		}
		if c.Ref() != r {
			w.bad("%v was taken, and it is %v", r, c.Ref())
		}
		w.did("take-"+from, 1)
		w.process(c)
		return
	}
}

// sweep recovers what the dead left, beside those who do so of themselves. Seldom:
// a storm of sweeps would hide what the watches miss.
func (w *farmer) sweep() {
	if w.rng.IntN(16) != 0 {
		return
	}
	var r shm.Report
	w.fine(w.timed("sweep", func() (err error) { r, err = w.s.Sweep(context.Background()); return err }))
	w.did("sweep", 1)
	if r != (shm.Report{}) {
		w.did("sweep-with-work", 1)
	}
}
