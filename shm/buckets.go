package shm

import (
	"fmt"
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// index is the untyped part. A bucket is two lines, of which the second is looked
// at only when the first was full once:
//
//	control  {version:30, second:1, op:2, place:7, record:24}, then 15 entries:
//	entry    {1, fragment of the hash:13, life:26, record:24}, or {0, version at which it was emptied}
//
// Insert and delete are decided by one CAS of the control word, which describes
// the step; whoever meets it finishes it (help), so that a death in the middle
// leaves nothing open. Two inserts of one key meet on the same version: one
// fails and finds the other's record. An emptied entry carries the version, or
// a stalled helper could bring a deleted entry back to life.
//
// A bucket holds two records on average when the arena is full. That sixteen
// fall on one, and an insert is refused, has a chance of 4 in 10^10 then.
type index struct {
	obj     Object
	arena   *arena
	c       *core
	keyAt   int // words
	keyLen  int
	buckets []word
}

const (
	bucketWords = 16
	perBucket   = bucketWords - 1
	firstLine   = 7  // entries in the first line
	keyChunk    = 16 // words of a key copied at a time

	opIdle   = 0
	opInsert = 1
	opDelete = 2

	ctlVersion  = 34
	ctlSecond   = 1 << 33
	ctlOp       = 31
	ctlPlace    = 24
	versionMask = 1<<versionBits - 1
	entryFull   = 1 << 63
	fragMask    = 1<<13 - 1
)

func (x *index) object() *Object { return &x.obj }

// count returns the number of buckets, at least half the number of records.
func (x *index) count() uint64 {
	return max(16, uint64(1)<<bits.Len64(uint64(x.arena.obj.Capacity-1)/2))
}

func (x *index) size() uint64 { return x.count() * bucketWords * 8 }

func (x *index) bind(c *core) error {
	x.c = c
	for _, f := range x.arena.obj.Record.Fields {
		if f.Name == x.obj.Key {
			x.keyAt, x.keyLen = f.Offset/8, f.Size/8
		}
	}
	if x.keyLen == 0 {
		return fmt.Errorf("%w: no key field %q in arena %s", ErrCorrupt, x.obj.Key, x.obj.Of)
	}
	x.buckets = c.mem.words(x.obj.Offset, x.count()*bucketWords)
	x.arena.index = x
	return nil
}

func (x *index) hash(key []uint64) (bucket uint64, frag uint64) {
	var d xxhash.Digest
	d.ResetWithSeed(x.c.seed)
	_, _ = d.Write(asBytes(key))
	return x.placed(d.Sum64())
}

// hashOf is hash for the key of a record; whether it was whole, the caller's
// second look at the control word tells.
func (x *index) hashOf(i uint32) (bucket uint64, frag uint64) {
	var d xxhash.Digest
	d.ResetWithSeed(x.c.seed)
	var buf [keyChunk]uint64
	for rec := x.keyWords(i); len(rec) > 0; {
		n := min(len(buf), len(rec))
		copyWords(buf[:n], rec[:n])
		_, _ = d.Write(asBytes(buf[:n]))
		rec = rec[n:]
	}
	return x.placed(d.Sum64())
}

func (x *index) placed(h uint64) (bucket uint64, frag uint64) {
	return h % uint64(len(x.buckets)/bucketWords), h >> 51
}

func (x *index) keyWords(i uint32) []word {
	return x.arena.rec(i)[x.keyAt : x.keyAt+x.keyLen]
}

func (x *index) control(b uint64) *word { return &x.buckets[b*bucketWords] }

// entry returns the word of a place, nil for a place that is none.
func (x *index) entry(b uint64, place int) *word {
	if place >= perBucket {
		return nil
	}
	return &x.buckets[b*bucketWords+1+uint64(place)]
}

// places is how many entries of a bucket are in use.
func places(control uint64) int {
	if control&ctlSecond != 0 {
		return perBucket
	}
	return firstLine
}

func ctlOpOf(c uint64) uint64      { return c >> ctlOp & 3 }
func ctlVersionOf(c uint64) uint64 { return c >> ctlVersion & versionMask }
func entryRecord(e uint64) uint32  { return uint32(e) & indexMask }
func entryLife(e uint64) uint32    { return uint32(e>>24) & lifeMask }
func entryFrag(e uint64) uint64    { return e >> 50 & fragMask }
func (x *index) entryRef(e uint64) ref {
	return ref(x.arena.id)<<shiftRefAre | ref(entryLife(e))<<shiftRefLif | ref(entryRecord(e))
}

// step is a control word one version on, keeping the bit of the second line.
func step(c uint64, op uint64, place int, record uint32) uint64 {
	return (c&^(versionMask<<ctlVersion)|(ctlVersionOf(c)+1)&versionMask<<ctlVersion)&(versionMask<<ctlVersion|ctlSecond) |
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
		return &CorruptError{x.obj.Name, "place of an open step", uint64(place), perBucket}
	}
	h := header(x.arena.head(i).load(ptIndexHeader))
	_, frag := x.hashOf(i)
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
