package shm

import (
	"fmt"
	"iter"
	"slices"
	"time"
)

// Severity of a Finding.
type Severity uint8

const (
	Repairable Severity = iota + 1 // the next sweep puts it right
	Corrupt                        // no death explains it: the memory was damaged, or this package has a defect
)

func (s Severity) String() string {
	if s == Repairable {
		return "repairable"
	}
	return "corrupt"
}

// MarshalText makes a Severity readable in JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Finding is one broken invariant.
type Finding struct {
	Severity Severity `json:"severity"`
	Object   string   `json:"object"`
	What     string   `json:"what"`
}

func (f Finding) String() string { return fmt.Sprintf("%s: %s: %s", f.Severity, f.Object, f.What) }

// Verify checks every invariant of the segment and yields what is broken. It
// writes nothing and disturbs nobody. On a live segment a step in the middle
// looks like a broken invariant for some microseconds: what is found is looked
// at again, and only what stays exactly as it was is yielded.
func (s *Segment) Verify() iter.Seq[Finding] {
	return func(yield func(Finding) bool) {
		err := s.c.guard(func() error {
			for _, f := range s.c.verifySteady(s.file.alive) {
				if !yield(f) {
					return nil
				}
			}
			return nil
		})
		if err != nil {
			yield(Finding{Corrupt, "segment", err.Error()})
		}
	}
}

// verifySteady keeps the findings that three passes agree on.
func (c *core) verifySteady(alive func(slot uint32) bool) (steady []Finding) {
	for pass := range 3 {
		v := verifier{c: c, alive: alive}
		v.run()
		if pass == 0 {
			steady = v.found
		} else {
			steady = slices.DeleteFunc(steady, func(f Finding) bool { return !slices.Contains(v.found, f) })
		}
		if len(steady) == 0 {
			return nil
		}
		time.Sleep(5 * time.Millisecond << pass)
	}
	return steady
}

const mostFindings = 1000 // of one pass and severity: a destroyed segment has millions

type verifier struct {
	c     *core
	alive func(slot uint32) bool // asks the kernel
	found []Finding
	n     [Corrupt + 1]int // findings by severity
	lives map[uint16]bool
}

func (v *verifier) add(s Severity, object, format string, args ...any) {
	// Many repairable ones must not hide a corrupt one. Every pass looks in the same
	// order, so those that are left out are the same ones.
	if v.n[s]++; v.n[s] <= mostFindings {
		v.found = append(v.found, Finding{s, object, fmt.Sprintf(format, args...)})
	}
}

func (v *verifier) run() {
	v.lives = map[uint16]bool{}
	v.registry()
	for _, o := range v.c.objects {
		switch x := o.(type) {
		case *arena:
			v.arena(x)
		case *ring:
			v.ring(x)
		case *index:
			v.index(x)
		case *Semaphore:
			v.semaphore(x)
		}
	}
}

func (v *verifier) registry() {
	c := v.c
	if s := c.head[headState].load(ptVerify); s < segmentOpen || s > segmentRetired {
		v.add(Corrupt, "header", "state %d", s)
	}
	for i := range c.nslots {
		w := c.slot(i)[slotWord].load(ptVerify)
		switch slotState(w) {
		case slotFree:
		case slotAlive:
			if alive := uint16(i)+1 == c.self || v.alive(i); alive {
				v.lives[uint16(i)+1] = true
			} else {
				v.add(Repairable, "registry", "slot %d: process %d is dead and not judged yet", i, c.slot(i)[slotPID].load(ptVerify))
			}
		case slotDead:
			v.add(Repairable, "registry", "slot %d: process %d is dead and not swept yet", i, c.slot(i)[slotPID].load(ptVerify))
		default:
			v.add(Corrupt, "registry", "slot %d: state %d", i, slotState(w))
		}
	}
}

// owner says what to make of a record whose owner should be alive.
func (v *verifier) owner(object string, what string, h header) {
	if h.owner() == 0 || uint32(h.owner()) > v.c.nslots {
		v.add(Corrupt, object, "%s: owner %d is no slot", what, h.owner())
	} else if !v.lives[h.owner()] {
		v.add(Repairable, object, "%s: %s by slot %d, where no process lives (header %#x)", what, h.state(), h.owner()-1, uint64(h))
	}
}

func (v *verifier) arena(a *arena) {
	posts := posts{}
	a.each(func(i uint32, h header) bool {
		what := fmt.Sprint("record ", makeRef(a.id, h, i))
		q := v.c.lanes[h.queue()]
		if h.state() >= numStates {
			v.add(Corrupt, a.obj.Name, "%s: state %d", what, h.state())
			return true
		}
		if h.queue() != 0 && (q == nil || q.arena != a) {
			v.add(Corrupt, a.obj.Name, "%s: queue %d is not one of this arena", what, h.queue())
			return true
		}
		if h.state() != Free && h.life() == 0 {
			v.add(Corrupt, a.obj.Name, "%s: %s without a life", what, h.state())
		}
		switch h.state() {
		case Free:
			if h.owner() != 0 {
				v.add(Corrupt, a.obj.Name, "%s: free with owner %d", what, h.owner())
			}
			if !a.free.has(ptVerify, i) {
				v.add(Repairable, a.obj.Name, "%s: free, but not in the bitmap", what)
			}
		case New, Owned, Retiring:
			v.owner(a.obj.Name, what, h)
		case Posted:
			v.posted(a, i, h, q, &posts)
		case Settled:
			v.settled(a, i, h)
		}
		return true
	})
	posts.inNoSlot(a, func(q *ring, i uint32, h header) {
		// Its poster is dead, or is stopped on the way.
		v.add(Repairable, q.obj.Name, "record %s (turn %d): posted, but in no slot", makeRef(q.arena.id, h, i), h.turn())
	})
}

func (v *verifier) posted(a *arena, i uint32, h header, q *lane, posts *posts) {
	if q == nil {
		v.add(Corrupt, a.obj.Name, "record %s: posted to no queue", makeRef(a.id, h, i))
		return
	}
	switch {
	case q.ring != nil:
		posts.note(a, i, h)
	default:
		if !q.bag.posted.has(ptVerify, i) {
			v.add(Repairable, q.obj.Name, "record %s (turn %d): posted, but not in the bitmap", makeRef(a.id, h, i), h.turn())
		}
	}
	v.indexed(a, i, h)
	v.values(a, i, h)
}

func (v *verifier) settled(a *arena, i uint32, h header) {
	v.indexed(a, i, h)
	v.values(a, i, h)
	if a.obj.Holder && !v.c.holds(makeRef(a.id, h, i), a.rec(i)) {
		v.add(Repairable, a.obj.Name, "record %s: a blob that its holder does not name", makeRef(a.id, h, i))
	}
}

// values checks that each published field of blobs is empty or has a blob that is this
// field's: nobody changes them while the record waits or is settled.
func (v *verifier) values(a *arena, i uint32, h header) {
	r := makeRef(a.id, h, i)
	for k, at := range a.blobAt {
		if a.blobPh[k] > a.phase(h) {
			continue
		}
		b := ref(a.rec(i)[at].load(ptVerify))
		if b != 0 && !v.c.valueOf(b, r, at) && header(a.head(i).load(ptVerify)) == h {
			v.add(Corrupt, a.obj.Name, "record %s: the field at byte %d has blob %s, which is not its own", r, at*8, b)
		}
	}
}

// valueOf tells whether a blob lives and says that it belongs to that word of the record.
func (c *core) valueOf(b, holder ref, at int) bool {
	a := c.arenas[b.arena()]
	if a == nil || !a.obj.Holder || b.index() >= a.n {
		return false
	}
	rec := a.rec(b.index())
	mine := ref(rec[0].load(ptVerify)) == holder && uint32(rec[1].load(ptVerify)) == uint32(at*8)
	h := header(a.head(b.index()).load(ptVerify))
	return mine && !a.gone(b, h) && h.state() != Retiring
}

// indexed checks that a published record of an indexed arena can be looked up.
func (v *verifier) indexed(a *arena, i uint32, h header) {
	if a.index == nil {
		return
	}
	if r := makeRef(a.id, h, i); !a.index.lists(r) {
		v.add(Corrupt, a.index.obj.Name, "record %s of %s is %s, but not in the index", r, a.obj.Name, h.state())
	}
}

func (v *verifier) ring(q *ring) {
	head, tail := q.head_.load(ptVerify), q.tail.load(ptVerify)
	n := uint64(len(q.slots))
	if head > tail+1 || tail > head+n+n {
		v.add(Corrupt, q.obj.Name, "head %d and tail %d of %d slots", head, tail, n)
	}
	// Two slots may lead to one post of a record, see Take: the header lets only one
	// of them deliver it. What stands before the tail was written a lap before; only
	// the slot at the tail may be filled already.
	for p := tail; p < tail+n; p++ {
		s := q.slot(p).load(ptVerify)
		if i := slotIndex1(s); i > q.arena.n {
			v.add(Corrupt, q.obj.Name, "slot %d: record %d of %d", p&(n-1), i-1, q.arena.n)
		} else if lap := q.lap(p); !unfilled(s, lap) && !(p == tail && filled(s, lap)) && q.tail.load(ptVerify) == tail {
			v.add(Corrupt, q.obj.Name, "slot %d: lap %d, and the tail is in lap %d", p&(n-1), slotLap(s), q.lap(tail))
		}
	}
}

func (v *verifier) index(x *index) {
	for b := range uint64(len(x.buckets) / bucketWords) {
		c := x.control(b).load(ptVerify)
		if ctlOpOf(c) == 3 {
			v.add(Corrupt, x.obj.Name, "bucket %d: step %d", b, ctlOpOf(c))
		} else if ctlOpOf(c) != opIdle {
			v.add(Repairable, x.obj.Name, "bucket %d: a step is open (control %#x)", b, c)
			continue
		}
		var seen []uint64
		for p := range places(c) {
			e := x.entry(b, p).load(ptVerify)
			if v.indexEntry(x, b, e) {
				v.indexTwice(x, b, e, seen)
				seen = append(seen, e)
			}
		}
	}
}

// indexTwice looks for another entry of the same record, or of the same key.
func (v *verifier) indexTwice(x *index, b, e uint64, seen []uint64) {
	for _, other := range seen {
		switch i, j := entryRecord(e), entryRecord(other); {
		case i == j:
			v.add(Corrupt, x.obj.Name, "bucket %d: record %s stands there twice", b, x.entryRef(e))
		case entryFrag(e) == entryFrag(other) && x.sameKey(i, asPlain(x.keyWords(j))):
			v.add(Corrupt, x.obj.Name, "bucket %d: records %s and %s have the same key", b, x.entryRef(other), x.entryRef(e))
		}
	}
}

// indexEntry tells whether an entry is full and leads to a record of its bucket.
func (v *verifier) indexEntry(x *index, b, e uint64) bool {
	if e&entryFull == 0 {
		return false
	}
	i := entryRecord(e)
	if i >= x.arena.n {
		v.add(Corrupt, x.obj.Name, "bucket %d: record %d of %d", b, i, x.arena.n)
		return false
	}
	h := header(x.arena.head(i).load(ptVerify))
	if x.arena.gone(x.entryRef(e), h) {
		v.add(Corrupt, x.obj.Name, "bucket %d: record %s was freed", b, x.entryRef(e))
		return false
	}
	if want, frag := x.hashOf(i); want != b || frag != entryFrag(e) {
		v.add(Corrupt, x.obj.Name, "bucket %d: record %s has a key of bucket %d", b, x.entryRef(e), want)
		return false
	}
	return true
}

func (v *verifier) semaphore(s *Semaphore) {
	for i := range s.cells {
		w := s.cells[i].load(ptVerify)
		slot, gen := cellOwner(w)
		switch {
		case slot == 0:
		case uint32(slot) > v.c.nslots:
			v.add(Corrupt, s.obj.Name, "permit %d: owner %d is no slot", i, slot)
		case !v.lives[slot] || slotGen(v.c.slot(uint32(slot) - 1)[slotWord].load(ptVerify))&cellGenMask != gen:
			v.add(Repairable, s.obj.Name, "permit %d: held by slot %d, where its process does not live (word %#x)", i, slot-1, w)
		}
	}
}

// lists is contains for those who may not write: an open step is not finished,
// but counted as done.
func (x *index) lists(r ref) bool {
	b, _ := x.hashOf(r.index())
	for range 1000 {
		c := x.control(b).load(ptVerify)
		if ctlOpOf(c) == opInsert && uint32(c)&indexMask == r.index() {
			return true
		}
		for p := range places(c) {
			if e := x.entry(b, p).load(ptVerify); e&entryFull != 0 && x.entryRef(e) == r {
				return true
			}
		}
		if x.control(b).load(ptVerify) == c {
			return false
		}
	}
	return true // a bucket that never stands still: not a finding
}
