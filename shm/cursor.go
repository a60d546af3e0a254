package shm

// A cursor is how far one call has come along a ring, from where it found the
// shared position (tail or head) to where it is. That position may lag, so a call
// that takes many steps moves it once: when it leaves, or after most steps at the
// latest. Killed before: it lags by as many, and everybody passes over them.
type cursor struct {
	from, at uint64
	left     uint64 // steps until the shared position must be moved and read again
}

// mostSteps keeps other calls from passing over much. A cursor stays within a lap
// of its shared position, so no position is filled a lap ahead of the tail.
const mostSteps = 64

func (at *cursor) step() { at.at, at.left = at.at+1, at.left-1 }

// atTail moves the tail to where the cursor is, and the cursor to where the tail is.
func (q *ring) atTail(at *cursor) {
	q.leaveTail(at)
	t := q.tail.load(ptRingTail)
	*at = cursor{t, t, min(mostSteps, uint64(len(q.slots)))}
}

// leaveTail tells the others how far a put has come.
func (q *ring) leaveTail(at *cursor) {
	if at.at != at.from {
		q.tail.cas(ptRingTailMove, at.from, at.at)
	}
}

func (q *ring) atHead(at *cursor) {
	q.leaveHead(at)
	h := q.head_.load(ptRingHead)
	*at = cursor{h, h, min(mostSteps, uint64(len(q.slots)))}
}

// leaveHead tells the others how far a get has come.
func (q *ring) leaveHead(at *cursor) {
	if at.at != at.from {
		q.head_.cas(ptRingHeadMove, at.from, at.at)
	}
}

// publish puts a posted record into the first position that is not filled. The
// one CAS on the slot is the enqueue; moving the tail after it, by leaveTail, is
// help that anybody gives. Killed before the CAS: the record is in no slot, its
// poster is dead: the sweep publishes it. After it: the tail lags, and the next call
// moves it.
//
// The tail is at or before the first unfilled position, and only filled ones are
// passed over, so an unfilled one is the first. The CAS fails if it was filled
// meanwhile. That the ring is full is found only where the tail stands; see claimed.
func (q *ring) publish(at *cursor, i uint32, h header) error {
	for range retryBudget {
		if at.left == 0 {
			q.atTail(at)
		}
		t := at.at
		w := q.slot(t)
		s := w.load(ptRingSlot)
		lap := q.lap(t)
		switch {
		case unfilled(s, lap):
			if !q.passed(t) {
				if t != at.from {
					at.left = 0
					continue
				}
				if _, waits, err := q.waiting(s); err != nil {
					return err
				} else if waits { // it cannot be filled before that record is claimed
					return errRingFull
				}
				q.raiseHead(t)
			}
			if w.cas(ptRingFill, s, slotOf(lap, h.turn(), i+1)) { // pairs with the slot load in get
				at.step()
				return nil
			}
		case filled(s, lap):
			at.step()
		default: // filled a lap later: others have moved the tail
			if q.tail.load(ptRingTail) == at.from && w.load(ptRingSlot) == s {
				return q.corrupt("lap of a slot at the tail", slotLap(s), lap)
			}
			at.left = 0
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
// moving the head after it, by leaveHead, is help that anybody gives. Killed
// between: the record is owned by a dead process, which the sweep returns, and the
// next call moves the head.
//
// The head is at or before the first record that waits, and at or before the first
// unfilled position; only what does not wait any more is passed over. So when the
// cursor meets an unfilled position, nothing waits.
func (q *ring) get(at *cursor) (claim, error) {
	if q.arena.c.closed.Load() {
		return claim{}, ErrClosed
	}
	for range retryBudget + len(q.slots) { // it may have to pass the slots of records that were taken
		if at.left == 0 {
			q.atHead(at)
		}
		w := q.slot(at.at)
		s := w.load(ptRingSlot) // pairs with the CAS on the slot in publish
		lap := q.lap(at.at)
		switch {
		case unfilled(s, lap):
			return claim{}, ErrEmpty
		case filled(s, lap):
			i := slotIndex1(s) - 1
			if i >= q.arena.n {
				return claim{}, q.corrupt("record in a slot", uint64(i), uint64(q.arena.n))
			}
			h := header(q.arena.head(i).load(ptRingHeader)) // pairs with the CAS in lane.hand
			if q.has(h) && h.turn() == slotTurn(s) {
				if c, won := q.claimPosted(i, h); won {
					q.claimed(at.at)
					at.step()
					return q.delivered(c)
				}
			}
			at.step()
			q.arena.room.Signal() // past a slot whose record was taken: a Put may wait for it
		default: // filled a lap later: others have moved the head
			if q.head_.load(ptRingHead) == at.from && w.load(ptRingSlot) == s {
				return claim{}, q.corrupt("lap of a slot at the head", slotLap(s), lap)
			}
			at.left = 0
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
