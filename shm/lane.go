package shm

import "fmt"

// lane is what a Ring and a Bag have in common: records of one arena wait in
// it, and where a record waits is said by its header alone. The carrier (the
// slots of a ring, or the bitmap of a bag) is the way to find it.
type lane struct {
	obj    Object
	arena  *arena
	wake   *Event // the application's shared event, or nil
	own    Event
	event  *Event    // the one of both in use
	turn   turnstile // of those who wait for any record of it
	posted header    // by us, here; and owned by us, from here: but for what with keeps
	owned  header
	ring   *ring // the carrier: this,
	bag    *bag  // or this
}

// prepare is called by the owner of the record before its header says posted.
func (q *lane) prepare(i uint32) {
	if q.bag != nil {
		q.bag.drawTicket(i)
	}
}

// publish makes a posted record findable: nil, errRingFull, or ErrCorrupt.
func (q *lane) publish(i uint32, h header) error {
	if q.bag != nil {
		q.bag.posted.set(ptBagBit, i)
		return nil
	}
	return q.ring.publish(i, h)
}

// A Queue is a Ring or a Bag of records of type T.
type Queue[T any] interface{ lane() *lane }

func (q *lane) object() *Object { return &q.obj }

func (q *lane) define(l *Layout, o Object, a *arena, wake *Event) {
	o.Of = a.obj.Name
	if wake != nil {
		o.Wakes = wake.obj.Name
		if !l.names[o.Wakes] || o.Wakes == "" {
			l.fail("%s %s: its event is to be defined before it", o.Kind, o.Name)
		}
	}
	if !l.names[o.Of] || o.Of == "" {
		l.fail("%s %s: its arena is to be defined before it", o.Kind, o.Name)
	}
	q.obj, q.arena, q.wake = o, a, wake
}

func (q *lane) bindLane(c *core) {
	q.own.attach(c, q.obj.Offset)
	q.turn = newTurnstile()
	q.event = q.wake
	if q.event == nil {
		q.event = &q.own
	}
	c.lanes[q.obj.ID] = q
}

func (q *lane) id() uint8 { return uint8(q.obj.ID) }

// holds tells whether a header says that its record waits here.
func (q *lane) has(h header) bool { return h.state() == Posted && h.queue() == q.id() }

// post hands a claimed record over: the header CAS from owned or new to posted,
// then the carrier. The payload is complete before the CAS, which publishes it
// to whoever claims (pairs with the load in claimPosted and in arena.load).
// Killed before the CAS: the claim is dropped with its owner. Between the CAS
// and the carrier: the header says posted by a dead process and the carrier
// does not show it: the sweep publishes it. After: it is in; a wake-up may be
// missing, and the sweep wakes everybody.
//
// A full ring takes the post back, and the claim is what it was: the turn in
// between was never in a slot.
func (q *lane) post(c claim) error {
	a := q.arena
	switch {
	case c.a != a:
		return fmt.Errorf("%w: %s takes records of arena %s", ErrStale, q.obj.Name, q.obj.Of)
	case c.h.state() == New && a.index != nil:
		return ErrNotIndexed
	case c.h.state() == Retiring: // for good: an Insert of its key has passed it already
		return ErrStale
	case c.h.owner() != a.c.self:
		return ErrStale
	}
	w := a.head(c.i)
	if q.bag != nil {
		if header(w.load(ptClaimValid)) != c.h { // a ticket is not for a late call
			return ErrStale
		}
		q.bag.drawTicket(c.i)
	}
	h := q.posted | c.h.kept().nextTurn().withAttempt(0)
	if !w.cas(ptPost, uint64(c.h), uint64(h)) {
		return ErrStale
	}
	if err := q.publish(c.i, h); err != nil {
		if w.cas(ptPostUndo, uint64(h), uint64(c.h)) {
			return err
		}
		return nil // somebody has taken it meanwhile: it was delivered
	}
	q.event.Signal()
	return nil
}

// postOrKeep is post for those who have nobody to tell: when the ring is full
// of stale slots, the record stays posted and the housekeeper tries again.
func (q *lane) postOrKeep(c claim, h header) error {
	if err := c.move(ptPost, h); err != nil {
		return err
	}
	q.publishOrKeep(c.i, h)
	return nil
}

func (q *lane) publishOrKeep(i uint32, h header) {
	if q.publish(i, h) != nil {
		c := q.arena.c
		c.mu.Lock()
		c.backlog = append(c.backlog, post{q, i, h})
		c.mu.Unlock()
		return
	}
	q.event.Signal()
}

// retryBacklog publishes what met a full ring.
func (c *core) retryBacklog() {
	c.mu.Lock()
	waiting := c.backlog
	c.backlog = nil
	c.mu.Unlock()
	for _, p := range waiting {
		if header(p.lane.arena.head(p.i).load(ptBacklog)) == p.h {
			p.lane.publishOrKeep(p.i, p.h)
		}
	}
}

func (c *core) backlogged() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.backlog) > 0
}

// claimPosted is the delivery: posted to owned(me, attempt+1) by one CAS on the
// header that was seen. Whoever wins it has the record, exactly once; killed
// after it, the sweep posts the record again, with its attempts.
func (q *lane) claimPosted(i uint32, h header) (claim, bool) {
	next := q.owned | h.kept().withAttempt(h.attempt()+1)
	if !q.arena.head(i).cas(ptClaim, uint64(h), uint64(next)) {
		return claim{}, false
	}
	return claim{q.arena, i, next}, true
}

// delivered finishes a claim on the side of the taker.
func (q *lane) delivered(c claim) (claim, error) {
	if c.h.attempt() > 1 {
		q.arena.scrub(c.i, q.obj.Phase)
	}
	if q.arena.c.closed.Load() {
		_ = c.giveBack()
		return claim{}, ErrClosed
	}
	return c, nil
}

// takeOut claims one record wherever it waits in the queue.
func (q *lane) takeOut(r ref) (claim, error) {
	if q.arena.c.closed.Load() {
		return claim{}, ErrClosed
	}
	i := r.index()
	if r == 0 || i >= q.arena.n {
		return claim{}, ErrGone
	}
	w := q.arena.head(i)
	h := header(w.load(ptTakeHeader))
	if q.arena.gone(r, h) {
		return claim{}, ErrGone
	}
	next := h.with(Owned, q.id(), q.arena.c.self).withAttempt(h.attempt() + 1) // Release takes it back
	if !q.has(h) || !w.cas(ptTake, uint64(h), uint64(next)) {
		return claim{}, ErrStale
	}
	if q.ring != nil { // it may have been what a Put waits for; see claimed
		q.arena.room.Signal()
	}
	if h.attempt() > 0 { // a worker had it before: empty what it left half done
		q.arena.scrub(i, q.obj.Phase)
	}
	c := claim{q.arena, i, next}
	if q.arena.c.closed.Load() { // Close may have looked before the claim was there
		_ = c.giveBack()
		return claim{}, ErrClosed
	}
	return c, nil
}

// length counts the records that wait here, by their headers.
func (q *lane) length() (n int) {
	q.arena.each(func(_ uint32, h header) bool {
		if q.has(h) {
			n++
		}
		return true
	})
	return n
}
