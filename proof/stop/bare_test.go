//go:build crashpoint

package stop

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
)

type claim = shm.Claim[world.Job]

// bare are others on the bare objects. They use up every record, permit and key
// that is free, put what they made through every queue, and free it; what they
// meet of others goes back where it was.
type bare struct {
	*meter
	t        *testing.T
	s        *shm.Segment
	w        *world.World
	child    int // the stopped process's slot
	serial   uint64
	adds     int
	fewBlobs bool // there are not enough for all, and the stopped process has some
	crowded  bool // a bucket of the index has as many keys as it can have
}

// mine and above are the numbers of our own jobs.
const mine = 1000

func newBare(t *testing.T, m *meter, s *shm.Segment, w *world.World, child int) *bare {
	return &bare{meter: m, t: t, s: s, w: w, child: child, serial: mine}
}

func (b *bare) segment() *shm.Segment { return b.s }

func (b *bare) close() (acks map[string]bool) {
	world.Must(b.t, b.s.Close())
	return map[string]bool{fmt.Sprint("adds ", b.adds): true}
}

// do makes a call that must succeed at once.
func (b *bare) do(what string, f func() error) {
	b.t.Helper()
	if err := b.call(b.t, what, f); err != nil {
		b.t.Fatalf("at %s: %s: %v", b.point, what, err)
	}
}

// get makes a call that finds something, or none of it.
func get[T any](b *bare, what string, none error, f func() (T, error)) (x T, ok bool) {
	b.t.Helper()
	err := b.call(b.t, what, func() (err error) { x, err = f(); return err })
	if err != nil && !errors.Is(err, none) {
		b.t.Fatalf("at %s: %s: %v", b.point, what, err)
	}
	return x, err == nil
}

// free counts the free records, by their headers.
func free(a *shm.Arena[world.Job]) int {
	n := a.Cap()
	for range a.All() {
		n--
	}
	return n
}

func (b *bare) cycle(midway func()) {
	b.t.Helper()
	b.jobs(midway)
	b.named(midway)
	b.contend()
	b.permits()
}

func (b *bare) nudge(object string) {
	b.t.Helper()
	w := b.w
	if object == "named" || object == "by-name" || object == "queue" {
		if c, ok := get(b, "new", shm.ErrFull, w.Named.TryNew); ok {
			b.serial++
			c.Record().Number = b.serial
			c.Record().Key = b.ownKey(rand.Uint64())
			b.do("insert", func() error {
				_, _, err := w.ByName.Insert(c, &w.Queue)
				if b.crowded && errors.Is(err, shm.ErrFull) {
					err = nil
				}
				return err
			})
			b.queued()
			b.contend()
		}
		return
	}
	c, ok := get(b, "new", shm.ErrFull, w.Jobs.TryNew)
	if !ok {
		b.cycle(func() {})
		return
	}
	b.serial++
	c.Record().Number = b.serial
	size := 16
	if object == "data-256" {
		size = 200
	}
	switch object {
	case "jobs":
		b.do("free", c.Free)
		return
	case "data-64", "data-256":
		b.do("blob", func() error { return c.SetBlob(&w.Data, &c.Record().Data, make([]byte, size)) })
		b.do("free", c.Free)
		return
	}
	b.blob(c)
	put := map[string]func(claim) error{"todo": w.Todo.TryPut, "done": w.Done.TryPut, "picky": w.Picky.Put, "urgent": w.Urgent.Put}[object]
	b.do("put", func() error { return put(c) })
	b.rounds()
}

// blob gives a record of ours a payload. When there are few, it may go without.
func (b *bare) blob(c claim) {
	b.t.Helper()
	none := errors.New("never")
	if b.fewBlobs {
		none = shm.ErrFull
	}
	get(b, "blob", none, func() (struct{}, error) {
		return struct{}{}, c.SetBlob(&b.w.Data, &c.Record().Data, fmt.Append(nil, "blob of ", c.Record().Number))
	})
}

// alloc takes every free record: not one may be out of reach.
func (b *bare) alloc(a *shm.Arena[world.Job]) (cs []claim) {
	b.t.Helper()
	n := free(a)
	for n > 1 && b.mode == "" && rand.IntN(2) == 0 {
		n-- // totals of all kinds, when driving
	}
	for range n {
		var c claim
		b.do("new", func() (err error) { c, err = a.TryNew(); return err })
		b.serial++
		c.Record().Number = b.serial
		cs = append(cs, c)
	}
	if b.mode == "" {
		return cs
	}
	if _, ok := get(b, "new when full", shm.ErrFull, a.TryNew); ok {
		b.t.Errorf("at %s: a record more than there are", b.point)
	}
	return cs
}

func (b *bare) jobs(midway func()) {
	b.t.Helper()
	w := b.w
	cs := b.alloc(&w.Jobs)
	midway()
	b.round("todo", &w.Jobs, w.Todo.TryGet, w.Todo.TryPut) // it may be full of slots that lead to nothing
	for i, c := range cs {
		b.blob(c)
		put := []func(claim) error{w.Todo.TryPut, w.Done.TryPut, w.Picky.Put, w.Urgent.Put}[(i+int(b.serial))%4]
		b.do("put", func() error { return put(c) })
	}
	midway()
	for r := range w.Jobs.All() {
		var j world.Job
		get(b, "load", shm.ErrGone, func() (shm.Status, error) { return w.Jobs.Load(r, &j) })
	}
	b.rounds()
}

func (b *bare) rounds() {
	b.t.Helper()
	w := b.w
	b.round("todo", &w.Jobs, w.Todo.TryGet, w.Todo.TryPut)
	b.round("done", &w.Jobs, w.Done.TryGet, w.Done.TryPut)
	b.round("picky", &w.Jobs, func() (claim, error) { return w.Picky.TryGet(nil) }, w.Picky.Put)
	b.round("urgent", &w.Jobs, func() (claim, error) { return w.Urgent.TryGet(nil) }, w.Urgent.Put)
}

// round takes everything out of a queue, frees our own, and puts the others back
// in their order. All that waits is found, but for one record that the stopped
// process is handing over at this instant.
func (b *bare) round(queue string, a *shm.Arena[world.Job], take func() (claim, error), put func(claim) error) {
	b.t.Helper()
	waiting, handed := 0, 0
	for _, st := range a.All() {
		if st.State() == shm.Posted && st.Queue() == queue {
			waiting++
			if st.Process() == b.child {
				handed++
			}
		}
	}
	var cs []claim
	for {
		c, ok := get(b, "get", shm.ErrEmpty, take)
		if !ok {
			break
		}
		cs = append(cs, c)
	}
	switch missing := waiting - len(cs); {
	case missing < 0 || missing > min(1, handed):
		b.t.Errorf("at %s: %s: got %d of %d, %d of them posted by the stopped process", b.point, queue, len(cs), waiting, handed)
	case missing > 0:
		b.hide(queue)
	}
	for _, c := range cs {
		switch n := c.Record().Number; {
		case n < mine:
			b.do("put back", func() error { return put(c) })
		default:
			text, err := b.w.Data.Append(nil, c.Record().Data)
			want := fmt.Sprint("blob of ", n)
			if b.fewBlobs && len(text) == 0 {
				want = ""
			}
			if err != nil || a == &b.w.Jobs && string(text) != want {
				b.t.Errorf("at %s: %q (%v), want %q", b.point, text, err, want)
			}
			b.do("free", c.Free)
		}
	}
}

func (b *bare) permits() {
	b.t.Helper()
	var ps []shm.Permit
	for range b.w.Slots.Free() {
		b.do("acquire", func() error {
			p, err := b.w.Slots.TryAcquire()
			ps = append(ps, p)
			return err
		})
	}
	if _, ok := get(b, "acquire", shm.ErrEmpty, b.w.Slots.TryAcquire); ok {
		b.t.Errorf("at %s: a permit more than there are", b.point)
	}
	held := world.Used(b.s, "lock") > 0
	p, ok := get(b, "lock", shm.ErrEmpty, b.w.Lock.TryLock)
	if ok == held {
		b.t.Errorf("at %s: lock held %v, taken %v", b.point, held, ok)
	}
	if ok {
		ps = append(ps, p)
	}
	for _, p := range ps {
		b.do("release", p.Release)
	}
	b.w.Count.Add(0, 1)
	b.adds++
}

func (m *meter) hide(queue string) {
	if m.hidden == nil {
		m.hidden = map[string]bool{}
	}
	m.hidden[queue] = true
}
