package shm

import "fmt"

// scan looks for a key in a bucket whose control word is c. It returns the full
// entry and its place, and the first empty place (-1: none).
func (x *index) scan(b, c uint64, key []uint64, frag uint64) (e uint64, place, empty int) {
	empty = -1
	for p := range places(c) {
		e := x.entry(b, p).load(ptIndexEntry)
		switch {
		case e&entryFull == 0:
			if empty < 0 {
				empty = p
			}
		case entryFrag(e) == frag && entryRecord(e) < x.arena.n && x.sameKey(entryRecord(e), key):
			return e, p, empty
		}
	}
	return 0, -1, empty
}

func (x *index) sameKey(i uint32, key []uint64) bool {
	var buf [keyChunk]uint64
	rec := x.keyWords(i)
	for at := 0; at < len(key); at += len(buf) {
		n := min(len(buf), len(key)-at)
		copyWords(buf[:n], rec[at:at+n])
		for k := range n {
			if buf[k] != key[at+k] {
				return false
			}
		}
	}
	return true
}

// find returns the record with the key, 0 for none. Found and absent are both
// exact: the control word did not change while the bucket was read.
func (x *index) find(key []uint64) (ref, error) {
	b, frag := x.hash(key)
	for range retryBudget {
		c := x.control(b).load(ptIndexControl)
		if ctlOpOf(c) != opIdle {
			if err := x.help(b, c); err != nil {
				return 0, err
			}
			continue
		}
		e, place, _ := x.scan(b, c, key, frag)
		if x.control(b).load(ptIndexAgain) != c {
			continue
		}
		if place < 0 {
			return 0, nil
		}
		return x.entryRef(e), nil
	}
	return 0, &CorruptError{x.obj.Name, "retries of a lookup", retryBudget, retryBudget}
}

// insert makes the claimed record findable, or returns the one that has its key.
func (x *index) insert(cl claim) (existing ref, err error) {
	if header(x.arena.head(cl.i).load(ptClaimValid)) != cl.h { // before its key is read: it may be somebody else's record
		return 0, ErrStale
	}
	key := asPlain(x.keyWords(cl.i)) // ours, so it is stable
	b, frag := x.hash(key)
	for range retryBudget {
		c := x.control(b).load(ptIndexControl)
		if ctlOpOf(c) != opIdle {
			if err := x.help(b, c); err != nil {
				return 0, err
			}
			continue
		}
		e, place, empty := x.scan(b, c, key, frag)
		if x.control(b).load(ptIndexAgain) != c {
			continue
		}
		switch {
		case place >= 0:
			r := x.entryRef(e)
			h := header(x.arena.head(r.index()).load(ptIndexHeader))
			if x.arena.gone(r, h) {
				continue // it left the index after we read the entry
			}
			if h.state() != Retiring {
				return r, nil
			}
			// Retiring is for good, so its entry goes now: the retirer may be
			// stopped, and must not hold us up.
			if err := x.remove(r); err != nil {
				return 0, err
			}
		case empty >= 0:
			next := step(c, opInsert, empty, cl.i)
			if x.control(b).cas(ptIndexInsert, c, next) { // the decision
				return 0, x.help(b, next)
			}
		case c&ctlSecond != 0:
			return 0, fmt.Errorf("%w: index %s: %d keys fell on one bucket", ErrFull, x.obj.Name, perBucket)
		default:
			x.control(b).cas(ptIndexSecond, c, step(c, opIdle, 0, 0)|ctlSecond)
		}
	}
	return 0, &CorruptError{x.obj.Name, "retries of an insert", retryBudget, retryBudget}
}

// place finds the entry of a record of ours. The caller owns the record, so its
// key is stable.
func (x *index) place(r ref) (b, c uint64, place int, err error) {
	b, _ = x.hashOf(r.index())
	for range retryBudget {
		c = x.control(b).load(ptIndexControl)
		if ctlOpOf(c) != opIdle {
			if err := x.help(b, c); err != nil {
				return b, c, -1, err
			}
			continue
		}
		place = -1
		for p := range places(c) {
			if e := x.entry(b, p).load(ptIndexEntry); e&entryFull != 0 && x.entryRef(e) == r {
				place = p
			}
		}
		if x.control(b).load(ptIndexAgain) == c {
			return b, c, place, nil
		}
	}
	return b, c, -1, &CorruptError{x.obj.Name, "retries of a search", retryBudget, retryBudget}
}

// contains tells whether the record is in the index. Without a sound answer it
// says yes: a record kept for nothing is found by verify, a freed one is lost.
func (x *index) contains(r ref) bool {
	if r.index() >= x.arena.n {
		return false
	}
	_, _, place, err := x.place(r)
	return err != nil || place >= 0
}

// remove takes the record out of the index, if it is there. Killed at any step:
// the record is retiring, and the sweep calls remove again.
func (x *index) remove(r ref) error {
	for range retryBudget {
		b, c, place, err := x.place(r)
		if err != nil || place < 0 {
			return err
		}
		next := step(c, opDelete, place, r.index())
		if x.control(b).cas(ptIndexDelete, c, next) {
			return x.help(b, next)
		}
	}
	return &CorruptError{x.obj.Name, "retries of a delete", retryBudget, retryBudget}
}
