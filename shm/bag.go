package shm

import (
	"cmp"
	"context"
	"slices"
	"sync"
)

// A Bag is a queue from which each taker claims the first record that suits it:
// oldest first among those its match function accepts. It never fills up, and a
// record that nobody may take for hours is in nobody's way. Use it where claims
// are selective; a Ring is faster where they are not.
//
// Phase and Wake are as for Ring. The zero value is ready for Define.
type Bag[T any] struct {
	Phase int
	Wake  *Event

	q     bag
	looks sync.Pool // copies of records, for match
}

// Define adds the bag to a layout, behind its arena. It costs one bit for each
// record of the arena, and the arena 8 bytes a record, once for all its bags.
func (b *Bag[T]) Define(l *Layout, name string, of *Arena[T]) {
	b.q = bag{}
	b.looks.New = func() any { return new(T) }
	b.q.lane.bag = &b.q
	of.a.obj.Tickets = true
	b.q.define(l, Object{Name: name, Kind: KindBag, Phase: b.Phase}, &of.a, b.Wake)
	l.add(&b.q)
}

func (b *Bag[T]) lane() *lane { return &b.q.lane }

// Put posts the record behind all others and spends the claim. It does not
// block and never finds the bag full. ErrStale when the claim was spent.
func (b *Bag[T]) Put(c Claim[T]) error { return b.q.post(c.c) }

// TryGet claims the oldest record that match accepts (nil: any), or returns
// ErrEmpty. match gets a copy of the published fields, which is its own only until it
// returns; it must not block. Its cost grows with the number of waiting records.
func (b *Bag[T]) TryGet(match func(Ref[T], *T) bool) (Claim[T], error) {
	rec := b.looks.Get().(*T)
	defer b.looks.Put(rec)
	c, err := b.q.get(func(r ref) bool {
		if match == nil {
			return true
		}
		_, err := b.q.arena.load(r, plainWords(rec))
		return err == nil && match(Ref[T]{r}, rec)
	})
	return Claim[T]{c}, err
}

// Get is TryGet that waits. What match looks at, outside of the record, must
// signal the bag's event when it changes.
func (b *Bag[T]) Get(ctx context.Context, match func(Ref[T], *T) bool) (c Claim[T], err error) {
	err = b.q.event.Wait(ctx, func() (bool, error) {
		c, err = b.TryGet(match)
		return wanted(err, ErrEmpty)
	})
	return c, err
}

// Take claims one record. It counts as an attempt unless the claim is released
// or ends well. ErrStale when it does not wait here, ErrGone when it was freed.
func (b *Bag[T]) Take(ref Ref[T]) (Claim[T], error) {
	c, err := b.q.takeOut(ref.r)
	return Claim[T]{c}, err
}

// Move brings a waiting record into another bag of the same arena, by one CAS;
// it keeps its age. ErrStale when it does not wait here, ErrGone when it was
// freed. Killed after the CAS: the sweep makes it findable.
func (b *Bag[T]) Move(ref Ref[T], to *Bag[T]) error { return b.q.moveTo(ref.r, &to.q) }

// Wakes is the event on which takers of the bag wait.
func (b *Bag[T]) Wakes() *Event { return b.q.event }

// Len counts the waiting records by their headers: 8 bytes a record of the arena.
func (b *Bag[T]) Len() int { return b.q.length() }

// bag is the untyped part: a bitmap of posted records. The header says posted,
// the ticket in the arena gives the order (one counter for all bags of the arena,
// so that a moved record keeps its age), the bit is the hint that leads there. Killed between the header and the bit: the sweep sets
// the bit of every record whose header says that it waits here.
type bag struct {
	lane
	posted bitmap
}

func (q *bag) size() uint64 {
	return hotLine + bitmapWords(uint32(q.arena.obj.Capacity))*8
}

func (q *bag) bind(c *core) error {
	q.bindLane(c)
	o := q.obj.Offset
	q.posted.w = c.mem.words(o+hotLine, bitmapWords(q.arena.n))
	return nil
}

// drawTicket gives the record its place in the order. A number drawn by a process that dies is never
// used; numbers need only grow.
func (q *bag) drawTicket(i uint32) {
	q.arena.tickets[i].store(ptBagTicket, q.arena.next.add(ptBagTicket, 1))
}

type ticket struct {
	number uint64
	i      uint32
	h      header
}

var ticketLists = sync.Pool{New: func() any { return new([]ticket) }}

// get looks at every waiting record, oldest first, and claims the first that
// matches. One that was claimed by another meanwhile is passed over: whoever
// posts it again signals the event.
func (q *bag) get(match func(r ref) bool) (claim, error) {
	if q.arena.c.closed.Load() {
		return claim{}, ErrClosed
	}
	list := ticketLists.Get().(*[]ticket)
	defer ticketLists.Put(list)
	all := (*list)[:0]
	q.posted.each(ptBagLook, q.arena.n, func(i uint32) bool {
		w := q.arena.head(i)
		h := header(w.load(ptBagHeader)) // pairs with the CAS in lane.post
		if q.has(h) {
			all = append(all, ticket{q.arena.tickets[i].load(ptBagTicket), i, h})
		} else {
			q.forget(i)
		}
		return true
	})
	*list = all
	slices.SortFunc(all, func(a, b ticket) int { return cmp.Compare(a.number, b.number) })
	for _, t := range all {
		if !match(makeRef(q.arena.id, t.h, t.i)) {
			continue
		}
		if c, ok := q.claimPosted(t.i, t.h); ok {
			q.forget(t.i)
			return q.delivered(c)
		}
	}
	return claim{}, ErrEmpty
}

func (q *bag) moveTo(r ref, to *bag) error {
	i := r.index()
	switch {
	case q.arena.c.closed.Load():
		return ErrClosed
	case r == 0 || i >= q.arena.n || to.arena != q.arena:
		return ErrGone
	}
	w := q.arena.head(i)
	h := header(w.load(ptTakeHeader))
	if q.arena.gone(r, h) {
		return ErrGone
	}
	next := h.with(Posted, to.id(), q.arena.c.self).nextTurn()
	to.posted.set(ptBagBit, i) // stays while the header says posted: see forget
	if !q.has(h) || !w.cas(ptBagMove, uint64(h), uint64(next)) {
		return ErrStale
	}
	to.event.Signal()
	return nil
}

// forget clears a bit whose record does not wait here, unless it is posted
// elsewhere: somebody may be about to move it here, and has set the bit. Whoever
// stops or dies between that and the header hides nothing; a bit that stays for
// nothing costs a look until its record is claimed. (A model finds what happens
// without.)
func (q *bag) forget(i uint32) {
	q.posted.clear(ptBagBit, i, func() bool {
		return header(q.arena.head(i).load(ptBagHeader)).state() == Posted
	})
}
