package shm

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"
)

// A Ring is a bounded FIFO queue of records for any number of producers and
// consumers in any number of processes. It has room for every record of its
// arena, so that what a dead process had claimed always finds its place again:
// to bound the queue, bound the arena. Order is FIFO per post; a record posted
// again, by its worker or after its worker's death, goes to the tail.
//
// Phase says which fields of a record are published while it waits here or is
// claimed from here (tag phase). Wake, if not nil, is an Event shared with other
// queues. The zero value is ready for Define.
type Ring[T any] struct {
	Phase int
	Wake  *Event

	q ring
}

// Define adds the ring to a layout, behind its arena. It costs 8 bytes for each
// record of the arena, rounded up to a power of two.
func (r *Ring[T]) Define(l *Layout, name string, of *Arena[T]) {
	r.q = ring{}
	r.q.lane.ring = &r.q
	r.q.define(l, Object{Name: name, Kind: KindRing, Phase: r.Phase}, &of.a, r.Wake)
	l.add(&r.q)
}

func (r *Ring[T]) lane() *lane { return &r.q.lane }

// TryPut posts the record and spends the claim. It does not block. ErrStale
// when the claim was spent. ErrFull when records taken from the middle (Take)
// have left the ring without a free slot until its head is got; the claim then
// stays valid.
func (r *Ring[T]) TryPut(c Claim[T]) error { return r.q.post(c.c) }

// Put is TryPut that waits for a slot. When there is one, it also works after the
// segment was stopped, so that a worker can finish.
func (r *Ring[T]) Put(ctx context.Context, c Claim[T]) error {
	if err := r.TryPut(c); !errors.Is(err, ErrFull) {
		return err
	}
	return r.q.arena.room.Wait(ctx, func() (bool, error) { return wanted(r.TryPut(c), ErrFull) })
}

// TryPutAll posts the records in order, stops at the first error, and returns
// how many it posted. Each is a post of its own: others may put in between, and who
// is killed in here has posted some.
func (r *Ring[T]) TryPutAll(cs []Claim[T]) (n int, err error) {
	for _, c := range cs {
		if err := r.TryPut(c); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// TryGet claims the oldest record, or returns ErrEmpty. It does not block.
func (r *Ring[T]) TryGet() (Claim[T], error) {
	c, err := r.q.get()
	return Claim[T]{c}, err
}

// TryGetAll claims up to len(dst) records and returns how many, with ErrEmpty when
// there were no more. Each is a claim of its own, as with TryPutAll.
func (r *Ring[T]) TryGetAll(dst []Claim[T]) (n int, err error) {
	for n < len(dst) {
		c, err := r.TryGet()
		if err != nil {
			return n, err
		}
		dst[n] = c
		n++
	}
	return n, nil
}

// Get is TryGet that waits for a record.
func (r *Ring[T]) Get(ctx context.Context) (c Claim[T], err error) {
	err = r.q.event.waitInTurn(ctx, r.q.turn, func() (bool, error) {
		c, err = r.TryGet()
		return wanted(err, ErrEmpty)
	})
	return c, err
}

// Take claims one record out of the middle. It counts as an attempt unless the
// claim is released or ends well. Its slot stays taken until the head of the ring has passed it. ErrStale when it is
// not in this ring, ErrGone when it was freed.
//
// A record that comes back into the ring by exactly its 65,536th post since, or a
// multiple, while the head still stands before that slot, is delivered from there,
// ahead of its turn; or a put returns ErrFull once more than it had to. It is
// delivered once, as always.
func (r *Ring[T]) Take(ref Ref[T]) (Claim[T], error) {
	c, err := r.q.takeOut(ref.r)
	return Claim[T]{c}, err
}

// Len counts the waiting records by their headers: 8 bytes a record of the arena.
func (r *Ring[T]) Len() int { return r.q.length() }

// ring is the untyped part. Its words are
//
//	tail, head  64-bit positions, only hints: each may lag, everybody helps
//	slot        {lap:24, turn:16, index+1:24}, written for position p with lap(p) = p / slots
//
// A slot is written by one CAS, over what it held a lap ago, and by nobody else:
// getting a record does not touch it. So producers alone write the lines of the
// slots, and consumers alone the line of the head, unless they have to help.
// Invariants: the header decides who has a record, a slot only leads to it;
// positions are filled in order, and one is filled only when head has passed
// the same slot a lap ago; all records before head have been claimed; nobody
// waits for a step of another. Source: bounded queues with a counter in the slot
// (Shann, Huang and Chen; Evequoz), without the claim-then-fill of Vyukov's, whose
// claimer must not die.
type ring struct {
	lane
	tail, head_ *word
	slots       []word
	shift       uint
	headSeen    atomic.Uint64 // a position the head has passed, as this process knows
}

const (
	slotLapShift = 40
	lapMask      = 1<<lapBits - 1
	retryBudget  = 1 << 20 // loops no live competition needs: the memory is hostile
)

var errRingFull = fmt.Errorf("%w: every slot of the ring is taken", ErrFull)

func (q *ring) capacity() uint64 { return 1 << bits.Len64(uint64(q.arena.obj.Capacity)-1) }

func (q *ring) size() uint64 { return 3*hotLine + q.capacity()*8 }

func (q *ring) bind(c *core) error {
	q.bindLane(c)
	o := q.obj.Offset
	q.tail, q.head_ = &c.mem.words(o+hotLine, 1)[0], &c.mem.words(o+2*hotLine, 1)[0]
	q.slots = c.mem.words(o+3*hotLine, q.capacity())
	q.shift = uint(bits.Len64(q.capacity() - 1))
	return nil
}

func slotOf(lap uint64, turn uint16, index1 uint32) uint64 {
	return lap<<slotLapShift | uint64(turn)<<24 | uint64(index1)
}

func slotLap(s uint64) uint64    { return s >> slotLapShift }
func slotTurn(s uint64) uint16   { return uint16(s >> 24) }
func slotIndex1(s uint64) uint32 { return uint32(s) & indexMask }

func (q *ring) lap(p uint64) uint64 { return p >> q.shift & lapMask }
func (q *ring) slot(p uint64) *word { return &q.slots[p&uint64(len(q.slots)-1)] }
func lapBefore(lap uint64) uint64   { return (lap - 1) & lapMask }
func (q *ring) corrupt(what string, v, limit uint64) error {
	return &CorruptError{q.obj.Name, what, v, limit}
}

// waiting tells whether a slot leads to a record that still waits here, and
// returns the header that says so.
func (q *ring) waiting(s uint64) (h header, ok bool, err error) {
	i := slotIndex1(s) - 1
	if i >= q.arena.n {
		return 0, false, q.corrupt("record in a slot", uint64(i), uint64(q.arena.n))
	}
	h = header(q.arena.head(i).load(ptRingHeader)) // pairs with the CAS in lane.post
	return h, q.has(h) && h.turn() == slotTurn(s), nil
}

// unfilled tells whether a slot was not yet written in a lap: it holds what it
// was given a lap ago, or nothing in the first.
func unfilled(s, lap uint64) bool {
	if slotIndex1(s) == 0 {
		return s == 0 && lap == 0
	}
	return slotLap(s) == lapBefore(lap)
}

func filled(s, lap uint64) bool { return slotLap(s) == lap && slotIndex1(s) != 0 }

// publish puts a posted record into the first position that is not filled. The
// one CAS on the slot is the enqueue; moving the tail after it is help that
// anybody gives. Killed before the CAS: the record is in no slot, its poster is
// dead: the sweep publishes it. After it: tail lags by one, the next call moves it.
//
// The tail is at or before the first unfilled position, and only filled ones are
// passed over, so an unfilled one is the first. The CAS fails if it was filled
// meanwhile.
func (q *ring) publish(i uint32, h header) error {
	for range retryBudget {
		t := q.tail.load(ptRingTail)
		w := q.slot(t)
		s := w.load(ptRingSlot)
		lap := q.lap(t)
		switch {
		case unfilled(s, lap):
			if !q.passed(t) {
				if _, waits, err := q.waiting(s); err != nil {
					return err
				} else if waits { // it cannot be filled before that record is claimed
					return errRingFull
				}
				q.raiseHead(t)
			}
			if w.cas(ptRingFill, s, slotOf(lap, h.turn(), i+1)) { // pairs with the slot load in get
				q.tail.cas(ptRingTailMove, t, t+1)
				return nil
			}
		case filled(s, lap):
			q.tail.cas(ptRingTailMove, t, t+1) // the tail lags
		default:
			if q.tail.load(ptRingTail) == t && w.load(ptRingSlot) == s {
				return q.corrupt("lap of a slot at the tail", slotLap(s), lap)
			}
		}
	}
	return q.corrupt("retries of a put", retryBudget, retryBudget)
}

// passed tells whether the head has passed the position that shares a slot with
// t, a lap before it. Once known for the slots of a lap, the consumers' line is
// not read again for them.
func (q *ring) passed(t uint64) bool {
	n := uint64(len(q.slots))
	if q.headSeen.Load()+n > t {
		return true
	}
	at := q.head_.load(ptRingHead)
	q.headSeen.Store(at)
	return at+n > t
}

// raiseHead moves the head past the position that shares a slot with t, whose
// record was claimed: so were those of all earlier ones. Whoever claimed it may
// have been killed before he moved the head, and without this the head would be
// left a lap behind for good.
func (q *ring) raiseHead(t uint64) {
	n := uint64(len(q.slots))
	for {
		at := q.head_.load(ptRingHead)
		if at+n > t || q.head_.cas(ptRingHeadMove, at, t-n+1) {
			return
		}
	}
}

// get claims the record at the head. The decision is the CAS on its header;
// moving the head after it is help that anybody gives. Killed between: the record
// is owned by a dead process, which the sweep returns, and the next call moves
// the head.
//
// The head is at or before the first record that waits, and at or before the first
// unfilled position; so when that is what it points to, nothing waits.
func (q *ring) get() (claim, error) {
	if q.arena.c.closed.Load() {
		return claim{}, ErrClosed
	}
	for range retryBudget + len(q.slots) { // it may have to pass the slots of records that were taken
		at := q.head_.load(ptRingHead)
		w := q.slot(at)
		s := w.load(ptRingSlot) // pairs with the CAS on the slot in publish
		lap := q.lap(at)
		switch {
		case unfilled(s, lap):
			return claim{}, ErrEmpty
		case filled(s, lap):
			i := slotIndex1(s) - 1
			if i >= q.arena.n {
				return claim{}, q.corrupt("record in a slot", uint64(i), uint64(q.arena.n))
			}
			h := header(q.arena.head(i).load(ptRingHeader)) // pairs with the CAS in lane.post
			if q.has(h) && h.turn() == slotTurn(s) {
				if c, won := q.claimPosted(i, h); won {
					q.head_.cas(ptRingHeadMove, at, at+1)
					q.claimed(at)
					return q.delivered(c)
				}
			}
			q.head_.cas(ptRingHeadMove, at, at+1)
			q.arena.room.Signal() // past a slot whose record was taken: a Put may wait for it
		default:
			if q.head_.load(ptRingHead) == at && w.load(ptRingSlot) == s {
				return claim{}, q.corrupt("lap of a slot at the head", slotLap(s), lap)
			}
		}
	}
	return claim{}, q.corrupt("retries of a get", retryBudget, retryBudget)
}

// claimed wakes a Put that found the ring full because of the record at that
// position. Who finds so has loaded the tail a lap ahead of it, so before the tail
// is there nobody has; and the producers' line is read only when somebody waits
// for room of any kind.
func (q *ring) claimed(at uint64) {
	room := &q.arena.room
	if room.w.load(ptEventRead)&1 != 0 && q.tail.load(ptRingTail) >= at+uint64(len(q.slots)) {
		room.signal()
	}
}

// ahead tells whether what slot number p holds was written at or after the head,
// as it was loaded before; the others are left over from records long claimed.
func (q *ring) ahead(p int, s, head uint64) bool {
	n := uint64(len(q.slots))
	at := head + (uint64(p)-head)&(n-1)
	return filled(s, q.lap(at)) || filled(s, q.lap(at+n))
}
