package shm

import (
	"context"
	"time"
)

// A Report says what a sweep did. All counts are of this sweep alone: two
// processes may sweep at once and share the work.
type Report struct {
	Dead    int `json:"dead"`    // slots of dead processes that are free again
	Posted  int `json:"posted"`  // records returned to, or completed into, their queue
	Settled int `json:"settled"` // new records that something names, completed
	Freed   int `json:"freed"`   // records that nobody can reach
	Permits int `json:"permits"` // permits of dead owners
	Hints   int `json:"hints"`   // bitmap bits restored
}

func (r Report) nothing() bool { return r == Report{} }

// sweep puts back in service what no living process owns. It is a pass over all
// headers; every step is one CAS from the exact word that was judged, so any
// number of processes may sweep at once, be stopped or be killed doing it. After
// reading a header it looks at the owner's slot: not alive, then only the CAS.
// Every take-over changes the turn or the owner, so the word cannot come back.
func (c *core) sweep() (r Report) {
	for _, a := range c.arenas {
		if a != nil {
			a.sweep(&r)
		}
	}
	for _, s := range c.sems {
		r.Permits += s.sweep()
	}
	if !r.nothing() {
		c.wakeAll()
	}
	return r
}

// sweepAndFree sweeps, and frees the slots of the dead that nothing names any
// more. A dead process cannot come to own anything again, so one pass that
// finds nothing is proof.
func (c *core) sweepAndFree() Report {
	var before [maxSlots + 1]uint64
	for i := range c.nslots {
		before[i] = c.slot(i)[slotWord].load(ptSweepSlotWord)
	}
	r := c.sweep()
	owns, keep := c.owners(), c.unjudged()
	for i := range c.nslots {
		v := before[i]
		if slotState(v) != slotDead || owns[i+1] || keep {
			continue
		}
		w := &c.slot(i)[slotWord]
		if w.load(ptSweepFree) != v {
			continue
		}
		c.slot(i)[slotSwept].store(ptSweepTime, uint64(Now()))
		if w.cas(ptSweepFree, v, slotValue(slotGen(v)+1, slotFree)) {
			r.Dead++
		}
	}
	if r.Dead > 0 {
		c.wakeAll()
	}
	return r
}

// unjudged tells whether a sweep without the program leaves something that the
// program's own sweep might still have to decide.
func (c *core) unjudged() (some bool) {
	for _, a := range c.arenas {
		if a == nil || !a.unjudged() {
			continue
		}
		a.each(func(_ uint32, h header) bool {
			some = h.state() == New || h.state() == Settled
			return !some
		})
		if some {
			return true
		}
	}
	return false
}

// unjudged tells whether what anchors the records is not known here: it is a
// function of the program.
func (a *arena) unjudged() bool { return a.c.foreign && a.obj.Anchored }

// owners returns which slots still own a record or a permit.
func (c *core) owners() (owns [maxSlots + 1]bool) {
	for _, a := range c.arenas {
		if a == nil {
			continue
		}
		a.each(func(_ uint32, h header) bool {
			if s := h.state(); s == New || s == Owned || s == Retiring {
				owns[h.owner()] = true
			}
			return true
		})
	}
	for _, s := range c.sems {
		for i := range s.cells {
			slot, gen := cellOwner(s.cells[i].load(ptSemSweep))
			if slot != 0 && uint32(slot) <= c.nslots && slotGen(c.slot(uint32(slot) - 1)[slotWord].load(ptSweepSlotWord))&cellGenMask == gen {
				owns[slot] = true
			}
		}
	}
	return owns
}

func (a *arena) sweep(r *Report) {
	c := a.c
	lost := posts{} // by the dead
	a.each(func(i uint32, h header) bool {
		switch h.state() {
		case Free:
			if !a.free.has(ptSweepBit, i) {
				a.free.set(ptSweepBit, i)
				r.Hints++
			}
		case Posted:
			q := c.lanes[h.queue()]
			if q == nil || q.arena != a {
				break // verify reports it
			}
			switch {
			case q.bag != nil:
				if !q.bag.posted.has(ptSweepBit, i) {
					q.bag.posted.set(ptSweepBit, i)
					r.Hints++
				}
			case c.ownerGone(h.owner()):
				lost.note(a, i, h)
			}
		case Settled:
			if !a.named(i, h) && a.retireUnnamed(i, h) {
				r.Freed++
			}
		case New, Owned, Retiring:
			if c.ownerGone(h.owner()) {
				a.recover(i, h, r)
			}
		}
		return true
	})
	lost.inNoSlot(a, func(q *ring, i uint32, h header) { q.republish(i, h, r) })
}

// named tells whether a settled record is still wanted. Records of an index leave
// it by Retire only, and need no look.
func (a *arena) named(i uint32, h header) bool {
	return a.anchored == nil && !a.obj.Holder || a.isAnchored(makeRef(a.id, h, i), a.rec(i))
}

// retireUnnamed frees a settled record that nothing names.
func (a *arena) retireUnnamed(i uint32, h header) bool {
	mine := claim{a, i, h.with(Retiring, 0, a.c.self).nextTurn()}
	return a.head(i).cas(ptSweepRetire, uint64(h), uint64(mine.h)) && a.release(mine) == nil
}

// recover takes one record over from its dead owner.
func (a *arena) recover(i uint32, h header, r *Report) {
	c := a.c
	if h.state() == New && a.unjudged() {
		return
	}
	w := a.head(i)
	q := c.lanes[h.queue()]
	if q != nil && q.arena != a {
		q = nil
	}
	if h.state() == Owned && q != nil {
		// Back to its queue, with its attempts: at least one, so that the next
		// taker empties what was half written.
		next := h.with(Posted, q.id(), c.self).withAttempt(max(1, h.attempt())).nextTurn()
		if w.cas(ptSweepPost, uint64(h), uint64(next)) {
			q.publishOrKeep(i, next)
			r.Posted++
		}
		return
	}
	// Ours from here on, in the same state: killed now, another sweep goes on.
	mine := claim{a, i, h.with(h.state(), h.queue(), c.self).nextTurn()}
	if h.state() == Owned { // held by its process alone
		mine.h = mine.h.with(Retiring, 0, c.self)
	}
	if !w.cas(ptSweepTake, uint64(h), uint64(mine.h)) {
		return
	}
	anchored := mine.h.state() == New && a.isAnchored(mine.ref(), a.rec(i))
	switch {
	case anchored && q != nil:
		q.prepare(i)
		if q.postOrKeep(mine, mine.h.with(Posted, q.id(), c.self).nextTurn()) == nil {
			r.Posted++
		}
	case anchored:
		if mine.move(ptSweepSettle, mine.h.with(Settled, 0, 0)) == nil {
			r.Settled++
			// What named it may have gone while we looked, and found it not
			// settled yet.
			if !a.named(i, mine.h) {
				a.retireUnnamed(i, mine.h)
			}
		}
	default:
		if a.release(mine) == nil {
			r.Freed++
		}
	}
}

// republish posts again what its dead poster had not yet brought into a slot. A
// dead process cannot do it any more, and nobody else does it for him, so
// "posted, in no slot, header unchanged" stays true until our CAS.
func (q *ring) republish(i uint32, h header, r *Report) {
	next := h.with(Posted, q.id(), q.arena.c.self).nextTurn()
	if q.arena.head(i).cas(ptSweepPost, uint64(h), uint64(next)) {
		q.publishOrKeep(i, next)
		r.Posted++
	}
}

// sweepTurn keeps a crowd from doing the same work at once: the first takes the
// sweeper word, the others look again a little later, and go ahead when the
// work is still there: its holder may be dead, stopped or slow.
func (s *Segment) sweepTurn(ctx context.Context) Report {
	w := &s.c.head[headSweeper]
	me := uint64(s.c.self)<<32 | uint64(s.c.gen)
	for patience := 20; !w.cas(ptSweepHint, 0, me); patience-- {
		select {
		case <-ctx.Done():
			return Report{}
		case <-time.After(time.Millisecond):
		}
		if !s.c.judgeAll(s.file) {
			return Report{}
		}
		if patience == 0 {
			w.store(ptSweepHint, me)
			break
		}
	}
	s.sweeping.Lock()
	defer s.sweeping.Unlock() // also when the memory is gone
	r := s.c.sweepAndFree()
	w.cas(ptSweepHint, me, 0)
	return r
}

// Sweep recovers what dead processes left, now, and says what it did. The death
// watch does so by itself; call it to be sure, for instance in a test. It is
// safe at any time, from any number of processes. ErrSegmentFault when the file
// was truncated.
func (s *Segment) Sweep(ctx context.Context) (r Report, err error) {
	s.c.inside.Add(1) // Close waits for us: what we take over is ours
	defer s.c.inside.Add(-1)
	if s.c.closed.Load() {
		return r, ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return r, err
	}
	err = s.c.guard(func() error {
		s.c.judgeAll(s.file)
		s.c.retryBacklog()
		s.sweeping.Lock()
		defer s.sweeping.Unlock() // also when the memory is gone
		r = s.c.sweepAndFree()
		return nil
	})
	return r, err
}
