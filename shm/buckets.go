package shm

import (
	"fmt"
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

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
