package objects

import (
	"context"
	"errors"
	"time"

	"github.com/aotf/sharedmem/shm"
)

// The outcome word of a user request decides who ended it, when a watchdog and
// its worker try at the same time: {milliseconds since boot, life of the record:26,
// kind:2}. A late watchdog sees by the life that the word is another request's. A
// forced end is visible at once; the record itself is settled by whoever holds
// it, when he lets go. A worker that was killed between deciding and settling
// leaves its decision, and the next worker's replaces it.
const (
	outcomeKind     = 3
	outcomeByWorker = 1
	outcomeForced   = 2
	outcomeLife     = 2
	outcomeTime     = 28
)

// decide writes the outcome unless a watchdog has.
func (m *SharedMemory) decide(r shm.Ref[userRecord], rec *userRecord, kind uint64) bool {
	v := uint64(m.seg.Now()/time.Millisecond)<<outcomeTime | r.Life()<<outcomeLife | kind
	for {
		old := rec.Outcome.Load()
		if old>>outcomeLife&(1<<26-1) != r.Life() || old&outcomeKind == outcomeForced ||
			kind == outcomeForced && old&outcomeKind != 0 {
			return false
		}
		if rec.Outcome.CompareAndSwap(old, v) {
			return true
		}
	}
}

// unfinished tells whether a request has not ended, by its worker or by force.
func (m *SharedMemory) unfinished(r shm.Ref[userRecord]) bool {
	st, err := m.tree.users.Stat(r)
	if err != nil || st.State() == shm.Settled || st.State() == shm.Retiring {
		return false
	}
	rec, err := m.tree.users.Words(r)
	if err != nil {
		return false
	}
	forced := rec.Outcome.Load()&outcomeKind == outcomeForced
	_, err = m.tree.users.Stat(r)
	return err == nil && !forced
}

func (u *users) Expire(ctx context.Context, age time.Duration) (n int, err error) {
	t := &u.m.tree
	now := u.m.seg.Now()
	var rec userRecord
	for r, st := range t.users.All() {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		if _, err := t.users.Load(r, &rec); err != nil || now-rec.Begun < age || !u.m.unfinished(r) {
			continue
		}
		switch st.State() {
		case shm.Posted:
			// Nobody has it: it is ended as a worker would.
			if u.endQueued(r) == nil {
				n++
			}
		case shm.Owned:
			if words, err := t.users.Words(r); err == nil && u.m.decide(r, words, outcomeForced) {
				n++
			}
		}
	}
	return n, nil
}

func (u *users) endQueued(r shm.Ref[userRecord]) error {
	t := &u.m.tree
	for _, take := range []func(shm.Ref[userRecord]) (shm.Claim[userRecord], error){
		t.step1.Take, t.step2.Take, t.waiting.Take, t.step3.Take,
	} {
		c, err := take(r)
		if errors.Is(err, ErrStale) {
			continue // not in this one
		}
		if err != nil {
			return err
		}
		return (&userClaim{u: u, c: c}).end(ProcessingError)
	}
	return ErrStale
}
