package shm

import "errors"

func isErr(err, target error) bool { return errors.Is(err, target) }

// A Claim is the right to write one record, from New, Get, Take or Retire until
// it is spent: by Put, Insert, Settle, Free or Release. It is a value for one
// goroutine; a call on a spent claim returns ErrStale and changes nothing. A
// process that is killed loses its claims to the sweep: records it made are
// freed unless something names them, records it took from a queue go back to it.
type Claim[T any] struct{ c claim }

// Ref is the identity of the record.
func (c Claim[T]) Ref() Ref[T] { return Ref[T]{c.c.ref()} }

// Record points to the record in place. It must not be used after the claim is
// spent: the memory is then somebody else's, and no error can say so.
func (c Claim[T]) Record() *T { return overlay[T](c.c.a.rec(c.c.i)) }

// Attempt is the number of times the record was delivered from this queue,
// this time included; 3 means three or more. It is counted by the CAS that
// claims, so a record that kills its workers is seen.
func (c Claim[T]) Attempt() int { return int(c.c.h.attempt()) }

// Valid reports whether the claim still stands: nobody else has the record.
func (c Claim[T]) Valid() bool {
	return c.c.a != nil && header(c.c.a.head(c.c.i).load(ptClaimValid)) == c.c.h
}

// Free ends the record. Its blobs and its index entry go with it.
func (c Claim[T]) Free() error {
	if c.c.a == nil {
		return ErrStale
	}
	return c.c.a.release(c.c)
}

// Settle publishes all fields of the record and leaves it to nobody: it stays,
// to be loaded, until somebody retires it. One CAS; killed before it, the sweep
// treats the claim as dropped.
func (c Claim[T]) Settle() error {
	if c.c.a == nil || c.c.h.state() == Retiring {
		return ErrStale
	}
	if err := c.c.publishable(); err != nil {
		return err
	}
	return c.c.move(ptSettle, c.c.h.with(Settled, 0, 0).withAttempt(0))
}

// publishable refuses to publish a record past the index of its arena: what
// cannot be looked up could be launched a second time.
func (c claim) publishable() error {
	if c.h.state() == New && c.a.index != nil {
		return ErrNotIndexed
	}
	return nil
}

// Hold publishes all fields of the record and keeps it: it lives as long as
// this process, or until the returned claim is freed. Then the sweep frees it.
func (c Claim[T]) Hold() (Claim[T], error) {
	if c.c.a == nil || c.c.h.state() == Retiring {
		return c, ErrStale
	}
	if err := c.c.publishable(); err != nil {
		return c, err
	}
	return c, c.c.hold()
}

func (c *claim) hold() error {
	return c.move(ptHold, c.h.with(Owned, 0, c.a.c.self).withAttempt(0))
}

// Aim says where a new record is to go, before it is anchored: if its maker is
// killed after that, the sweep posts it there. Put still posts it.
func (c *Claim[T]) Aim(q Queue[T]) error {
	l := q.lane()
	if c.c.a != l.arena || c.c.h.state() != New {
		return ErrStale
	}
	return c.c.move(ptAim, c.c.h.with(New, uint8(l.obj.ID), c.c.a.c.self))
}

// Release gives the record back: to its queue, with the attempt not counted
// (unless it was the third or a later one), unpublished fields emptied. A new, held or retiring record is freed.
func (c Claim[T]) Release() error {
	if c.c.a == nil {
		return ErrStale
	}
	return c.c.giveBack()
}

func (c claim) giveBack() error {
	if l := c.a.c.lanes[c.h.queue()]; c.h.state() == Owned && l != nil && l.arena == c.a {
		// That the claim stands is proved before the record is touched.
		if err := c.move(ptGiveBack, c.h.nextTurn()); err != nil {
			return err
		}
		c.a.scrub(c.i, l.obj.Phase)
		again := c.h
		if n := c.h.attempt(); n > 0 && n < maxAttempt { // the most is "or more": it stays
			again = again.withAttempt(n - 1)
		}
		return l.postOrKeep(c, again.with(Posted, uint8(l.obj.ID), c.a.c.self).nextTurn())
	}
	return c.a.release(c)
}

// A Word is a 64-bit field of a record that may change while the record is
// visible; every access is atomic.
type Word struct{ w word }

// Load reads the word.
func (w *Word) Load() uint64 { return w.w.load(ptUserWord) }

// Store writes the word.
func (w *Word) Store(v uint64) { w.w.store(ptUserWord, v) }

// CompareAndSwap replaces old by v, if the word is old.
func (w *Word) CompareAndSwap(old, v uint64) bool { return w.w.cas(ptUserWord, old, v) }

// Or sets bits and returns the old value.
func (w *Word) Or(bits uint64) uint64 {
	for {
		old := w.Load()
		if old&bits == bits || w.CompareAndSwap(old, old|bits) {
			return old
		}
	}
}

// Plain is the value of a copied word, as Load and snapshots return it.
func (w Word) Plain() uint64 { return w.w.v }

// PutText copies s into a text field, or returns ErrTooLarge and changes
// nothing. The rest of the field is zeroed.
func PutText(dst []byte, s string) error {
	if len(s) > len(dst) {
		return ErrTooLarge
	}
	clear(dst[copy(dst, s):])
	return nil
}

// Text is the content of a text field, up to the first zero byte.
func Text(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
