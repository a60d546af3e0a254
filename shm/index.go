package shm

import (
	"fmt"
	"math/bits"
	"reflect"

	"github.com/cespare/xxhash/v2"
)

// An Index finds the records of one arena by a key of type K, which is the
// record's field tagged `shm:"key"`. Keys are unique. K is a fixed-size type
// without pointers, a multiple of 8 bytes. The zero value is ready for Define.
type Index[T, K any] struct{ x index }

// Define adds the index to a layout, behind its arena, which can have one. It
// costs about 70 bytes for each record of the arena.
func (x *Index[T, K]) Define(l *Layout, name string, of *Arena[T]) {
	_, key, err := recordType(reflect.TypeFor[T]())
	x.x = index{obj: Object{Name: name, Kind: KindIndex, Of: of.a.obj.Name, Key: key}, arena: &of.a}
	kt := reflect.TypeFor[K]()
	switch f, ok := reflect.TypeFor[T]().FieldByName(key); {
	case err != nil:
		return // the arena has said so
	case !l.names[of.a.obj.Name]:
		l.fail("index %s: its arena is to be defined before it", name)
	case !ok || f.Type != kt:
		l.fail("index %s: no field of type %s is tagged key in %s", name, kt, reflect.TypeFor[T]())
	case f.Offset%8 != 0 || f.Type.Size()%8 != 0:
		l.fail("index %s: offset and size of the key field %s are to be multiples of 8", name, key)
	case of.a.index != nil:
		l.fail("index %s: arena %s has an index already", name, of.a.obj.Name)
	}
	of.a.index = &x.x
	l.add(&x.x)
}

// Lookup returns the record with the key. It does not block, and it sees a
// record from the instant Insert decided until it is retired.
func (x *Index[T, K]) Lookup(key K) (Ref[T], bool, error) {
	r, err := x.x.find(plainWords(&key))
	return Ref[T]{r}, r != 0, err
}

// Contains reports whether the record itself is in the index.
func (x *Index[T, K]) Contains(r Ref[T]) bool {
	return r.r.arena() == x.x.arena.id && x.x.contains(r.r)
}

// Insert makes the record findable unless its key is, and then posts it to the
// queue, or settles it when to is nil. It always spends the claim. It returns
// the record that has the key now, and whether that is the caller's; an existing
// one frees the caller's. ErrFull: the key's place in the table is taken by
// other keys; the record was freed. It does not block.
//
// The CAS that decides is the launch: killed before it, the sweep frees the
// record; after it, the sweep posts or settles it.
func (x *Index[T, K]) Insert(c Claim[T], to Queue[T]) (r Ref[T], inserted bool, err error) {
	if to != nil {
		if err := c.Aim(to); err != nil {
			return r, false, err
		}
	}
	other, err := x.x.insert(c.c)
	switch {
	case err != nil || other != 0:
		if e := c.Free(); err == nil {
			err = e
		}
		return Ref[T]{other}, false, err
	case to != nil:
		l := to.lane()
		l.carrier.prepare(c.c.i)
		err = l.postOrKeep(c.c, c.c.h.with(Posted, l.id(), c.c.a.c.self).nextTurn())
	default:
		err = c.c.move(ptSettle, c.c.h.with(Settled, 0, 0))
	}
	return c.Ref(), true, err
}

// InsertHeld is Insert for a record that lives as long as its process: the
// record is held, and the claim stays the caller's when it was inserted.
func (x *Index[T, K]) InsertHeld(c Claim[T]) (held Claim[T], existing Ref[T], inserted bool, err error) {
	if c, err = c.Hold(); err != nil {
		return c, existing, false, err
	}
	other, err := x.x.insert(c.c)
	if err != nil || other != 0 {
		if e := c.Free(); err == nil {
			err = e
		}
		return c, Ref[T]{other}, false, err
	}
	return c, c.Ref(), true, nil
}

// index is the untyped part. A bucket is one line:
//
//	control  {version:30, overflow:1, op:2, place:7, record:24}
//	entry    {1, fragment of the hash:13, life:26, record:24}, or {0, version at which it was emptied}
//
// Insert and delete are decided by one CAS of the control word, which describes
// the step; whoever meets it finishes it (help), so that a death in the middle
// leaves nothing open. Two inserts of one key meet on the same version: one
// fails and finds the other's record. An emptied entry carries the version, or
// a stalled helper could bring a deleted entry back to life.
//
// A bucket that fills up gets, for good, a line of the overflow area: the first
// line of its probe sequence that says its number or nothing. Lines are never
// given back, so two who look for the same bucket's line find the same one.
type index struct {
	obj      Object
	arena    *arena
	c        *core
	keyAt    int // words
	keyLen   int
	buckets  []word // 8 words each
	overflow []word // the same, behind them
	owners   []word // bucket + 1 that has the overflow line, or 0
}

const (
	bucketWords = 8
	perBucket   = bucketWords - 1

	opIdle   = 0
	opInsert = 1
	opDelete = 2

	ctlVersion  = 34
	ctlOverflow = 1 << 33
	ctlOp       = 31
	ctlPlace    = 24
	versionMask = 1<<30 - 1
	entryFull   = 1 << 63
	fragMask    = 1<<13 - 1
)

func (x *index) object() *Object { return &x.obj }

// sizes returns the numbers of buckets and of overflow lines: at most 1.75
// records a bucket, and one line for 8 buckets.
func (x *index) sizes() (buckets, lines uint64) {
	buckets = 1 << bits.Len64(uint64(x.arena.obj.Capacity)*4/perBucket)
	buckets = max(buckets, 16)
	return buckets, buckets / 8
}

func (x *index) size() uint64 {
	b, l := x.sizes()
	return (b+l)*bucketWords*8 + l*8
}

func (x *index) bind(c *core) error {
	b, l := x.sizes()
	x.c = c
	for _, f := range x.arena.obj.Record.Fields {
		if f.Name == x.obj.Key {
			x.keyAt, x.keyLen = f.Offset/8, f.Size/8
		}
	}
	if x.keyLen == 0 {
		return fmt.Errorf("%w: no key field %q in arena %s", ErrCorrupt, x.obj.Key, x.obj.Of)
	}
	x.buckets = c.mem.words(x.obj.Offset, b*bucketWords)
	x.overflow = c.mem.words(x.obj.Offset+b*bucketWords*8, l*bucketWords)
	x.owners = c.mem.words(x.obj.Offset+(b+l)*bucketWords*8, l)
	x.arena.index = x
	return nil
}

func (x *index) hash(key []uint64) (bucket uint64, frag uint64) {
	var d xxhash.Digest
	d.ResetWithSeed(x.c.seed)
	_, _ = d.Write(asBytes(key))
	h := d.Sum64()
	return h % uint64(len(x.buckets)/bucketWords), h >> 51
}

func (x *index) control(b uint64) *word { return &x.buckets[b*bucketWords] }

// line returns the bucket's overflow line, -1 when it has none; with claim it
// takes one, -1 then means that all are taken.
func (x *index) line(b uint64, claim bool) int {
	n := uint64(len(x.owners))
	for k := range n {
		i := (b + k) % n
		switch x.owners[i].load(ptIndexOwner) {
		case b + 1:
			return int(i)
		case 0:
			if !claim {
				return -1
			}
			// Killed after the CAS: the line is the bucket's already.
			if x.owners[i].cas(ptIndexOwner, 0, b+1) || x.owners[i].load(ptIndexOwner) == b+1 {
				return int(i)
			}
		}
	}
	return -1
}

// entry returns the word of a place: 0 to 6 in the bucket, 7 to 13 in its line.
func (x *index) entry(b uint64, place int) *word {
	if place < perBucket {
		return &x.buckets[b*bucketWords+1+uint64(place)]
	}
	line := x.line(b, false)
	if line < 0 || place >= 2*perBucket {
		return nil
	}
	return &x.overflow[uint64(line)*bucketWords+1+uint64(place-perBucket)]
}

func ctlOpOf(c uint64) uint64      { return c >> ctlOp & 3 }
func ctlVersionOf(c uint64) uint64 { return c >> ctlVersion & versionMask }
func entryRecord(e uint64) uint32  { return uint32(e) & indexMask }
func entryLife(e uint64) uint32    { return uint32(e>>24) & lifeMask }
func entryFrag(e uint64) uint64    { return e >> 50 & fragMask }
func (x *index) entryRef(e uint64) ref {
	return ref(x.arena.id)<<shiftRefAre | ref(entryLife(e))<<shiftRefLif | ref(entryRecord(e))
}

// step is a control word one version on, keeping the overflow bit.
func step(c uint64, op uint64, place int, record uint32) uint64 {
	return (c&^(versionMask<<ctlVersion)|(ctlVersionOf(c)+1)&versionMask<<ctlVersion)&(versionMask<<ctlVersion|ctlOverflow) |
		op<<ctlOp | uint64(place)<<ctlPlace | uint64(record)
}

// help finishes the step that a control word describes. The record cannot be
// freed while the step is open, so its life is read from its header; the entry
// is read before the control word is looked at again, so that a CAS from it can
// only be this step's.
func (x *index) help(b, c uint64) error {
	place, i := int(c>>ctlPlace&127), uint32(c)&indexMask
	e := x.entry(b, place)
	if e == nil || i >= x.arena.n {
		return &CorruptError{x.obj.Name, "place of an open step", uint64(place), 2 * perBucket}
	}
	h := header(x.arena.head(i).load(ptIndexHeader))
	_, frag := x.hash(x.key(i))
	old := e.load(ptIndexEntry)
	if x.control(b).load(ptIndexAgain) != c {
		return nil
	}
	switch ctlOpOf(c) {
	case opInsert:
		if old&entryFull == 0 {
			e.cas(ptIndexFill, old, entryFull|frag<<50|uint64(h.life())<<24|uint64(i))
		}
	case opDelete:
		if old&entryFull != 0 && entryRecord(old) == i {
			e.cas(ptIndexEmpty, old, ctlVersionOf(c))
		}
	}
	x.control(b).cas(ptIndexIdle, c, step(c, opIdle, 0, 0)) // pairs with the loads of control everywhere
	return nil
}

// key copies the key of a record; whether it was whole, the caller's second look
// at the control word tells.
func (x *index) key(i uint32) []uint64 {
	k := make([]uint64, x.keyLen)
	copyWords(k, x.arena.rec(i)[x.keyAt:x.keyAt+x.keyLen])
	return k
}

// scan looks for a key in a bucket whose control word is c. It returns the full
// entry and its place, and the first empty place (-1: none).
func (x *index) scan(b, c uint64, key []uint64, frag uint64) (e uint64, place, empty int) {
	empty = -1
	places := perBucket
	if c&ctlOverflow != 0 {
		places = 2 * perBucket
	}
	for p := range places {
		w := x.entry(b, p)
		if w == nil {
			break
		}
		e := w.load(ptIndexEntry)
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
	var buf [16]uint64
	rec := x.arena.rec(i)[x.keyAt : x.keyAt+x.keyLen]
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
	key := x.key(cl.i)
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
			if h.state() != Retiring || x.arena.gone(r, h) {
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
		case c&ctlOverflow != 0:
			return 0, fmt.Errorf("%w: index %s: %d keys fell on one place", ErrFull, x.obj.Name, 2*perBucket)
		case x.line(b, true) < 0:
			return 0, fmt.Errorf("%w: index %s: no overflow line left", ErrFull, x.obj.Name)
		default:
			x.control(b).cas(ptIndexOverflow, c, step(c, opIdle, 0, 0)|ctlOverflow)
		}
	}
	return 0, &CorruptError{x.obj.Name, "retries of an insert", retryBudget, retryBudget}
}

// place finds the entry of a record of ours. The caller owns the record, so its
// key is stable.
func (x *index) place(r ref) (b, c uint64, place int, err error) {
	b, _ = x.hash(x.key(r.index()))
	for range retryBudget {
		c = x.control(b).load(ptIndexControl)
		if ctlOpOf(c) != opIdle {
			if err := x.help(b, c); err != nil {
				return b, c, -1, err
			}
			continue
		}
		place = -1
		places := perBucket
		if c&ctlOverflow != 0 {
			places = 2 * perBucket
		}
		for p := range places {
			if w := x.entry(b, p); w != nil {
				if e := w.load(ptIndexEntry); e&entryFull != 0 && x.entryRef(e) == r {
					place = p
				}
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
