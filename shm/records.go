package shm

import (
	"fmt"
	"math/bits"
	"sync/atomic"
)

// arena is the untyped part of an Arena: records of one size, their headers,
// the bitmap of free ones, and tickets when bags use them.
//
// Headers lie in an array of their own, so that sweep, verify and every count
// read 8 bytes a record; neighbours lie in different lines (eight columns), so
// that a producer and a consumer a few records apart do not fight for a line.
// Both were measured: docs/architecture.md.
type arena struct {
	obj      Object
	c        *core
	id       uint8
	n        uint32
	column   uint // log2 of the headers in one column
	recWords uint32
	size8    uint32 // words of the record's type, at most recWords
	headers  []word
	free     bitmap
	tickets  []word
	next     *word // the next ticket
	records  []word
	room     Event     // signalled by free
	roomOf   *arena    // whose event is used instead, or nil: the classes of blobs share one
	turn     turnstile // of those who wait for a free record
	index    *index    // the index its records are in, if any
	anchored func(r ref, rec []word) bool
	spans    [][]span
	blobAt   []int
	blobPh   []int
	fullErr  error
	_        [hotLine]byte // the rest is read by every call, and not written
	cursor   atomic.Uint32 // where to look for a free record
	_        [hotLine]byte
}

func (a *arena) object() *Object { return &a.obj }

func (a *arena) columns() (shift uint, total uint64) {
	per := (uint64(a.obj.Capacity) + 7) / 8
	shift = uint(bits.Len64(per - 1))
	return shift, 8 << shift
}

func (a *arena) recordWords() uint64 { return align(uint64(a.obj.Record.Size), 64) / 8 }

// parts returns the offsets of headers, bitmap, tickets and records behind the
// event, and the end.
func (a *arena) parts() (p [5]uint64) {
	_, headers := a.columns()
	n := uint64(a.obj.Capacity)
	p[0] = hotLine
	p[1] = p[0] + align(headers*8, hotLine)
	p[2] = p[1] + align(bitmapWords(uint32(n))*8, hotLine)
	p[3] = p[2]
	if a.obj.Tickets {
		p[3] += hotLine + align(n*8, hotLine)
	}
	p[4] = p[3] + n*a.recordWords()*8
	return p
}

func (a *arena) size() uint64 { return a.parts()[4] }

func (a *arena) bind(c *core) error {
	o := &a.obj
	a.c, a.id, a.n = c, uint8(o.ID), uint32(o.Capacity)
	shift, headers := a.columns()
	a.column = shift
	a.recWords, a.size8 = uint32(a.recordWords()), uint32(o.Record.Size/8)
	p := a.parts()
	a.room.attach(c, o.Offset)
	a.room.patient = true // "full" is said after a look at every header
	if a.roomOf != nil {
		a.room = a.roomOf.room
	}
	a.turn, a.fullErr = newTurnstile(), fmt.Errorf("%w: arena %s has %d records, all in use", ErrFull, o.Name, o.Capacity)
	a.headers = c.mem.words(o.Offset+p[0], headers)
	a.free.w = c.mem.words(o.Offset+p[1], bitmapWords(a.n))
	if o.Tickets {
		a.next = &c.mem.words(o.Offset+p[2], 1)[0]
		a.tickets = c.mem.words(o.Offset+p[2]+hotLine, uint64(a.n))
	}
	a.records = c.mem.words(o.Offset+p[3], uint64(a.n)*uint64(a.recWords))
	a.blobAt, a.blobPh = o.Record.blobFields()
	c.arenas[a.id] = a
	spans, err := o.Record.publishedSpans()
	a.spans = spans
	return err
}

// fill sets up the memory of a new segment, which is all zeroes: every header
// is free already.
func (a *arena) fill() {
	for i := range a.n {
		a.free.set(ptFill, i)
	}
}

func (a *arena) head(i uint32) *word {
	return &a.headers[a.place(i)]
}

// place is the position of a record's header in memory.
func (a *arena) place(i uint32) int { return int(i&(1<<a.column-1)<<3 | i>>a.column) }

// indexAt is the inverse of place: the record whose header is the p-th word;
// ok is false for words that pad the last column.
func (a *arena) indexAt(p int) (i uint32, ok bool) {
	i = uint32(p)>>3 | uint32(p)&7<<a.column
	return i, i < a.n
}

func (a *arena) rec(i uint32) []word {
	at := uint64(i) * uint64(a.recWords)
	return a.records[at : at+uint64(a.size8) : at+uint64(a.size8)]
}

// each calls f with every record's header, in the order they lie in memory.
func (a *arena) each(f func(i uint32, h header) bool) { a.eachFrom(0, f) }

func (a *arena) eachFrom(from int, f func(i uint32, h header) bool) {
	for p := from; p < len(a.headers); p++ {
		if i, ok := a.indexAt(p); ok && !f(i, header(a.headers[p].load(ptScan))) {
			return
		}
	}
}

// claim is the right to write a record: the exact header that its owner put
// there. Every step is a CAS from it, so a late call fails.
type claim struct {
	a *arena
	i uint32
	h header
}

func (c claim) ref() ref { return makeRef(c.a.id, c.h, c.i) }

// move is the transfer of a record: one CAS from the claim's header.
func (c *claim) move(p point, h header) error {
	if c.a == nil || c.h.owner() != c.a.c.self || !c.a.head(c.i).cas(p, uint64(c.h), uint64(h)) {
		return ErrStale
	}
	c.h = h
	return nil
}

// alloc takes a free record: free(life) to new(me, life+1) by one CAS. Killed
// before it, nothing happened; after it, the sweep frees the record, because
// nothing anchors it. The bitmap bit may stay set: whoever meets it clears it.
func (a *arena) alloc() (claim, error) {
	if a.c.closed.Load() {
		return claim{}, ErrClosed
	}
	from := a.cursor.Load()
	for tries := uint32(0); tries < a.n; tries++ {
		i, ok := a.free.next(ptAllocLook, from, a.n)
		if !ok {
			break
		}
		from = i + 1
		if c, ok := a.take(i); ok {
			a.cursor.Store(from)
			return a.opened(c)
		}
	}
	// Full is said only of headers: a process killed between freeing a record
	// and setting its bit must not make the arena smaller.
	for i := range a.n {
		if header(a.head(i).load(ptAllocScan)).state() == Free {
			if c, ok := a.take(i); ok {
				return a.opened(c)
			}
		}
	}
	return claim{}, a.fullErr
}

// opened gives a new claim to the caller, unless the segment was closed by this
// process meanwhile: then Close may have looked before the claim was there.
func (a *arena) opened(c claim) (claim, error) {
	if a.c.closed.Load() {
		a.release(c)
		return claim{}, ErrClosed
	}
	return c, nil
}

func (a *arena) take(i uint32) (claim, bool) {
	w := a.head(i)
	h := header(w.load(ptAllocHeader))
	isFree := func() bool { return header(w.load(ptAllocHeader)).state() == Free }
	if h.state() != Free {
		a.free.clear(ptAllocBit, i, isFree)
		return claim{}, false
	}
	next := h.with(New, 0, a.c.self).withAttempt(0).nextLife().nextTurn()
	if !w.cas(ptAlloc, uint64(h), uint64(next)) {
		return claim{}, false
	}
	a.free.clear(ptAllocBit, i, isFree)
	clear(asPlain(a.rec(i)))
	return claim{a, i, next}, true
}

// release frees the record of a claim. It is retired first: that CAS proves that
// the claim stands before anything of the record is touched, so a late Free
// changes nothing; and if we die half-way, the header says what is being done and
// the sweep goes on. Killed before the last CAS: the record is new, owned or
// retiring of a dead owner, and the sweep frees it; after it: only the free bit is
// missing.
//
// A record that nothing can name, in no index and without blobs, is freed by that
// CAS itself.
func (a *arena) release(c claim) error {
	if a.index == nil && a.anchored == nil && len(a.blobAt) == 0 {
		return a.freed(c)
	}
	if err := c.move(ptRetireOwn, c.h.with(Retiring, 0, a.c.self).nextTurn()); err != nil {
		return err
	}
	if a.index != nil {
		if err := a.index.remove(c.ref()); err != nil {
			return err
		}
	}
	a.dropBlobs(c.i, -1)
	// Whoever is asked whether the next owner's record is named, while it is not
	// filled, must not see this one.
	clear(asPlain(a.rec(c.i)))
	return a.freed(c)
}

func (a *arena) freed(c claim) error {
	if err := c.move(ptFree, c.h.with(Free, 0, 0).withAttempt(0)); err != nil {
		return err
	}
	a.free.set(ptFreeBit, c.i)
	a.room.Signal()
	return nil
}

// freeSettled frees a settled record that nothing names any more. Several may
// try; one CAS wins.
func (a *arena) freeSettled(r ref) bool {
	if r.index() >= a.n {
		return false
	}
	w := a.head(r.index())
	h := header(w.load(ptBlobHeader))
	if h.state() != Settled || h.life() != r.life() ||
		!w.cas(ptBlobFree, uint64(h), uint64(h.with(Free, 0, 0))) {
		return false
	}
	a.free.set(ptFreeBit, r.index())
	a.room.Signal()
	return true
}

// dropBlobs frees the blobs in fields of a later phase than given and empties
// the fields. The caller owns the record.
func (a *arena) dropBlobs(i uint32, phase int) {
	rec := a.rec(i)
	for k, at := range a.blobAt {
		if a.blobPh[k] <= phase {
			continue
		}
		if r := ref(rec[at].load(ptBlobField)); r != 0 {
			rec[at].store(ptBlobField, 0)
			if b := a.c.arenas[r.arena()]; b != nil && b.obj.Holder {
				b.freeSettled(r)
			}
		}
	}
}

// scrub empties what the previous owner of a claim may have half written: the
// fields that are not published yet.
func (a *arena) scrub(i uint32, phase int) {
	a.dropBlobs(i, phase)
	plain := asPlain(a.rec(i))
	at := 0
	for _, s := range a.published(phase) {
		clear(plain[at:s.at])
		at = s.at + s.n
	}
	clear(plain[at:])
}
