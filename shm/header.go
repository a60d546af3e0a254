package shm

import "fmt"

// A header is the one word that decides where a record is and whose:
//
//	bits 60..63  state     free, new, posted, owned, settled, retiring
//	bits 54..59  queue     where it is posted, was claimed from, or is meant to go; 0 none
//	bits 44..53  owner     process slot + 1 of its owner, or of who posted it; 0 none
//	bits 42..43  attempt   deliveries from this queue, counted by the claiming CAS; stays at 3
//	bits 16..41  life      which allocation of the record; a Ref carries it
//	bits  0..15  turn      which post of the record; a ring slot and a claim carry it
//
// Every transfer of a record is one CAS on its header. All else in a segment
// (ring slots, bitmaps, wake-ups) is a hint that can be rebuilt from headers.
type header uint64

// State is what a record's header says of it.
type State uint8

const (
	Free     State = iota // nobody's; in the free bitmap
	New                   // being filled by its owner; nothing is published
	Posted                // in a queue, or on the way into it
	Owned                 // claimed from its queue, or held (queue 0)
	Settled               // published and nobody's, until retired
	Retiring              // leaving its index, then free
	numStates
)

var stateNames = [numStates]string{"free", "new", "posted", "owned", "settled", "retiring"}

func (s State) String() string {
	if s < numStates {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

const (
	maxQueues   = 1<<6 - 1
	maxSlots    = 1<<10 - 1
	maxAttempt  = 1<<2 - 1
	lifeMask    = 1<<lifeBits - 1
	turnMask    = 1<<turnBits - 1
	maxRecords  = 1<<24 - 2 // a ring slot holds index + 1 in 24 bits
	maxArenas   = 1<<8 - 1
	indexMask   = 1<<24 - 1
	shiftState  = 60
	shiftQueue  = 54
	shiftOwner  = 44
	shiftTry    = 42
	shiftLife   = 16
	shiftRefLif = 24
	shiftRefAre = 50
)

func (h header) state() State   { return State(h >> shiftState) }
func (h header) queue() uint8   { return uint8(h>>shiftQueue) & maxQueues }
func (h header) owner() uint16  { return uint16(h>>shiftOwner) & maxSlots }
func (h header) attempt() uint8 { return uint8(h>>shiftTry) & maxAttempt }
func (h header) life() uint32   { return uint32(h>>shiftLife) & lifeMask }
func (h header) turn() uint16   { return uint16(h) }

func (h header) with(s State, queue uint8, owner uint16) header {
	return header(s)<<shiftState | header(queue)<<shiftQueue | header(owner)<<shiftOwner | h.kept()
}

// kept is the part of a header that with leaves alone: attempt, life, turn.
func (h header) kept() header { return h & (1<<shiftOwner - 1) }

func (h header) withAttempt(n uint8) header {
	if n > maxAttempt {
		n = maxAttempt
	}
	return h&^(maxAttempt<<shiftTry) | header(n)<<shiftTry
}

func (h header) nextTurn() header { return h&^turnMask | (h+1)&turnMask }

func (h header) nextLife() header {
	life := (h.life() + 1) & lifeMask
	if life == 0 {
		life = 1 // 0 is no life: a Ref of all zeroes is none
	}
	return h&^(lifeMask<<shiftLife) | header(life)<<shiftLife
}

// ref is {arena:8, life:26, index:24} in the low 58 bits; 0 is none.
type ref uint64

func makeRef(arena uint8, h header, idx uint32) ref {
	return ref(arena)<<shiftRefAre | ref(h.life())<<shiftRefLif | ref(idx)
}

func (r ref) arena() uint8  { return uint8(r >> shiftRefAre) }
func (r ref) life() uint32  { return uint32(r>>shiftRefLif) & lifeMask }
func (r ref) index() uint32 { return uint32(r) & indexMask }

func (r ref) String() string {
	if r == 0 {
		return "none"
	}
	return fmt.Sprintf("%d.%d.%d", r.arena(), r.index(), r.life())
}
