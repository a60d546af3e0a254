//go:build linux && (amd64 || arm64)

package linear

import "github.com/anishathalye/porcupine"

// A model is what an object does when one call follows the other. Its step
// returns all states that the call may lead to; none: the call cannot have
// answered so.
//
// A killed process may have made one call that nobody knows the end of: it has
// happened or not, but not after the sweep (recover), which puts back what the
// dead process had.
type model[S comparable] struct {
	// relaxed: "full" and "empty" that are said after a look at one record or
	// permit after the other mean that each was taken when it was looked at, and
	// not all at one instant.
	step func(s S, in input, out uint64, relaxed bool) []S
	init func(part uint64) S
}

type input struct {
	op      uint64
	in      uint64
	unknown bool // killed in it
	part    uint64
}

// refused tells whether a call that only who has something makes found that he
// has not.
func (in input) refused(out uint64) bool {
	switch in.op {
	case opPut, opFree, opEnd, opRelease, opAdvance, opFinish:
		return out == no && !in.unknown
	}
	return false
}

func one[S any](ok bool, s S) []S {
	if ok {
		return []S{s}
	}
	return nil
}

// some is what an unknown call may have done: nothing, or the given, if possible.
func some[S any](nothing S, ok bool, done S) []S { return append(one(ok, done), nothing) }

func (m model[S]) porcupine(part uint64, relaxed bool) porcupine.Model {
	nd := porcupine.NondeterministicModel{
		Init: func() []any { return []any{m.init(part)} },
		Step: func(state, in, out any) (next []any) {
			for _, s := range m.step(state.(S), in.(input), out.(uint64), relaxed) {
				next = append(next, s)
			}
			return next
		},
	}
	return nd.ToModel()
}

type ringState struct {
	queue string // of items, which are numbers below 256
	used  int    // records that are not free
	limbo string // what the dead process had
	dead  bool   // and was swept
}

// Get says empty when there was an instant at which nothing waited. New says
// full when each record was in use when it was looked at.
var ringModel = model[ringState]{
	init: func(uint64) ringState { return ringState{} },
	step: func(s ringState, in input, out uint64, relaxed bool) []ringState {
		item := string([]byte{byte(in.in)})
		if in.refused(out) || in.unknown && s.dead {
			return nil
		}
		next := s
		switch in.op {
		case opNew:
			next.used++
			if in.unknown {
				return []ringState{s}
			}
			if out == no {
				return one(relaxed || s.used == ringRoom, s)
			}
			return one(relaxed || s.used < ringRoom, next)
		case opPut:
			next.queue += item
			if in.unknown {
				return some(s, true, next)
			}
			return one(true, next)
		case opGet:
			if len(s.queue) > 0 {
				next.queue = s.queue[1:]
			}
			if in.unknown {
				next.limbo = s.queue[:min(1, len(s.queue))]
				return some(s, len(s.queue) > 0, next)
			}
			if out == no {
				return one(s.queue == "", s)
			}
			return one(s.queue != "" && s.queue[0] == byte(out), next)
		case opFree:
			if in.unknown {
				next.limbo = item
				return some(s, true, next)
			}
			next.used--
			return one(true, next)
		case opRecover:
			next.dead, next.limbo = true, ""
			next.queue += s.limbo
			if in.in != 0 {
				next.queue += item
			}
			return one(true, next)
		}
		return nil
	},
}

type indexState struct {
	record   uint64 // that has the key, 0 none
	retiring bool   // still found, and replaced by an insert
	limbo    uint64 // record whose retirement the dead process began
	dead     bool
}

const unknown = 1 << 63 // a record that only a dead process could name

// is binds the record that nobody could name to the first name it is seen under.
func (s indexState) is(r uint64) (indexState, bool) {
	if s.record == unknown && r != 0 {
		s.record = r
	}
	return s, s.record == r && r != 0
}

var indexModel = model[indexState]{
	init: func(uint64) indexState { return indexState{} },
	step: func(s indexState, in input, out uint64, _ bool) []indexState {
		if in.refused(out) || in.unknown && s.dead {
			return nil
		}
		room := s.record == 0 || s.retiring
		record := in.in & (1<<50 - 1)
		gone := indexState{limbo: s.limbo, dead: s.dead}
		made := func(r uint64) indexState { n := gone; n.record = r; return n }
		switch in.op {
		case opInsert:
			if in.unknown { // it may also have removed the old entry, and no more
				return append(some(s, room, made(unknown)), one(room, gone)...)
			}
			if out&1 != 0 {
				return one(room, made(out>>1))
			}
			next, ok := s.is(out >> 1)
			return one(ok && !s.retiring, next)
		case opLookup:
			if out == no { // an insert that replaces a retiring record has its key out for a moment
				return one(room, gone)
			}
			next, ok := s.is(out)
			return one(ok, next)
		case opRetire:
			next, ok := s.is(record)
			ok = ok && !s.retiring
			next.retiring = true
			if in.unknown {
				next.limbo = record
				return some(s, ok, next)
			}
			if out == no {
				// Gone, retiring, or found before its insert has settled it: the
				// tape does not show when that was, so a refusal proves nothing.
				return one(true, s)
			}
			return one(ok, next)
		case opEnd:
			after := s
			if s.record == record {
				after = gone
			}
			if in.unknown {
				s.limbo = record
				return []indexState{s, after}
			}
			return one(true, after)
		case opRecover:
			if s.record != 0 && (s.record == s.limbo || s.record == record) {
				s = gone
			}
			s.dead = true
			return one(true, s)
		}
		return nil
	},
}

type semaphoreState struct {
	held  int
	limbo bool
	dead  bool
}

var semaphoreModel = model[semaphoreState]{
	init: func(uint64) semaphoreState { return semaphoreState{} },
	step: func(s semaphoreState, in input, out uint64, relaxed bool) []semaphoreState {
		if in.refused(out) || in.unknown && s.dead {
			return nil
		}
		next := s
		switch in.op {
		case opAcquire:
			next.held++
			if in.unknown {
				next.limbo = true
				return some(s, s.held < permits, next)
			}
			if out == no {
				return one(relaxed || s.held == permits, s)
			}
			return one(s.held < permits, next)
		case opRelease:
			next.held--
			if in.unknown {
				s.limbo = true
				return some(s, true, next)
			}
			return one(s.held > 0, next)
		case opRecover:
			if s.limbo || in.in != 0 {
				next.held--
			}
			next.limbo, next.dead = false, true
			return one(true, next)
		}
		return nil
	},
}

// The stages of a request: 0 none, 2k-1 waits for step k, 2k at step k, 7 END.
type userState struct {
	id    uint64
	stage uint64
	first uint64 // the stage it is launched into
	limbo bool
	dead  bool
}

var userModel = model[userState]{
	init: func(part uint64) userState {
		if query(0, part).Direct {
			return userState{first: 5}
		}
		return userState{first: 1}
	},
	step: func(s userState, in input, out uint64, _ bool) []userState {
		if in.refused(out) || in.unknown && s.dead {
			return nil
		}
		is := func(id uint64) (userState, bool) {
			n := s
			if s.id == unknown {
				n.id = id
			}
			return n, s.stage != 0 && n.id == id
		}
		next := s
		switch in.op {
		case opLaunch:
			next.stage = s.first
			if in.unknown {
				next.id = unknown
				return some(s, s.stage == 0, next)
			}
			if out&1 != 0 {
				next.id = out >> 1
				return one(s.stage == 0, next)
			}
			next, ok := is(out >> 1)
			return one(ok, next)
		case opFind:
			if out == no {
				return one(s.stage == 0, s)
			}
			next, ok := is(out)
			return one(ok, next)
		case opStatus:
			return one(s.stage != 0 && s.stage == out, s)
		case opClaim:
			next.stage = 2 * in.in
			if in.unknown {
				next.limbo = true
				return some(s, s.stage == next.stage-1, next)
			}
			return one(s.stage == next.stage-1, next)
		case opAdvance, opFinish:
			next.stage++
			ok := s.stage == 2 || s.stage == 4
			if in.op == opFinish {
				ok = s.stage == 6
			}
			if in.unknown {
				s.limbo = true
				return some(s, ok, next)
			}
			return one(ok, next)
		case opRecover:
			if s.limbo || in.in != 0 {
				next.stage-- // from a step back to its queue
			}
			next.limbo, next.dead = false, true
			return one(s.stage != 0 || !s.limbo, next)
		}
		return nil
	},
}
