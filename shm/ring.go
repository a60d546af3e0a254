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
// how many it posted. Each is a post of its own: others may put in between, and
// whoever is killed in here has posted some. It costs less than as many TryPut:
// the tail is moved and the sleepers are woken once for many.
func (r *Ring[T]) TryPutAll(cs []Claim[T]) (n int, err error) {
	if len(cs) == 0 {
		return 0, nil
	}
	at := cursor{}
	for n < len(cs) && err == nil {
		if err = r.q.hand(&at, cs[n].c); err == nil {
			n++
		}
	}
	r.q.leaveTail(&at)
	r.q.event.Signal()
	return n, err
}

// TryGet claims the oldest record, or returns ErrEmpty. It does not block.
func (r *Ring[T]) TryGet() (Claim[T], error) {
	at := cursor{}
	c, err := r.q.get(&at)
	r.q.leaveHead(&at)
	return Claim[T]{c}, err
}

// TryGetAll claims up to len(dst) records and returns how many, with ErrEmpty when
// there were no more. Each is a claim of its own, as with TryPutAll.
func (r *Ring[T]) TryGetAll(dst []Claim[T]) (n int, err error) {
	at := cursor{}
	for n < len(dst) && err == nil {
		if dst[n].c, err = r.q.get(&at); err == nil {
			n++
		}
	}
	r.q.leaveHead(&at)
	return n, err
}

// Get is TryGet that waits for a record.
func (r *Ring[T]) Get(ctx context.Context) (c Claim[T], err error) {
	err = r.q.event.waitInTurn(ctx, r.q.turn, func() (bool, error) {
		c, err = r.TryGet()
		return wanted(err, ErrEmpty)
	})
	return c, err
}

// Take claims one record out of the middle; the attempt is not counted. Its
// slot stays taken until the head of the ring has passed it. ErrStale when it is
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
	h = header(q.arena.head(i).load(ptRingHeader)) // pairs with the CAS in lane.hand
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

// ahead tells whether what slot number p holds was written at or after the head,
// as it was loaded before; the others are left over from records long claimed.
func (q *ring) ahead(p int, s, head uint64) bool {
	n := uint64(len(q.slots))
	at := head + (uint64(p)-head)&(n-1)
	return filled(s, q.lap(at)) || filled(s, q.lap(at+n))
}

// inSlots tells for which of the given posts some slot leads to the record.
func (q *ring) inSlots(turns map[uint32]uint16) map[uint32]bool {
	found := map[uint32]bool{}
	head := q.head_.load(ptRingHead)
	for p := range q.slots {
		s := q.slots[p].load(ptSweepSlot)
		if turn, ok := turns[slotIndex1(s)-1]; ok && turn == slotTurn(s) && q.ahead(p, s, head) {
			found[slotIndex1(s)-1] = true
		}
	}
	return found
}

// isFull reports a put that found no slot.
func isFull(err error) bool { return errors.Is(err, ErrFull) }
