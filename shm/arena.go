package shm

import (
	"context"
	"fmt"
	"iter"
	"reflect"
)

// An Arena holds up to a fixed number of records of type T in place. T is a
// struct of fixed-size fields without pointers; see Field for the kinds.
//
// A record is made by New, filled through its Claim, and then posted to a Ring
// or Bag, settled, held, or freed. The right to write it travels with the claim;
// everybody may Load what is published. Records cost T rounded up to 64 bytes,
// plus 8 bytes of header.
//
// The zero value, with Anchored set or not, is ready for Define.
type Arena[T any] struct {
	// Anchored, if not nil, tells whether something names the record: then it
	// outlives a maker that is killed before posting or settling it, and a
	// settled record that nothing names is freed by the sweep. Arenas with an
	// Index do not need it: there the index entry is the anchor. It runs in
	// sweeps of any process, must not block, and rec may be read only.
	Anchored func(r Ref[T], rec *T) bool

	a arena
}

// Define adds the arena to a layout, with n records unless Options.Capacity
// says otherwise; n is at most 16,777,214.
func (a *Arena[T]) Define(l *Layout, name string, n int) {
	a.a = arena{obj: Object{Name: name, Kind: KindArena, Capacity: n}}
	rt, _, err := recordType(reflect.TypeFor[T]())
	if err != nil {
		l.fail("arena %s: %v", name, err)
		return
	}
	if err := rt.check(); err != nil { // as those will who find the description in the segment
		l.fail("arena %s: %v", name, err)
	}
	a.a.obj.Record = rt
	if f := a.Anchored; f != nil {
		a.a.obj.Anchored = true
		a.a.anchored = func(r ref, rec []word) bool { return f(Ref[T]{r}, overlay[T](rec)) }
	}
	l.add(&a.a)
}

// A Ref is the identity of a record: comparable, 8 bytes, zero for none, and
// allowed in records. It is valid from New until the record is freed, through
// all queues; then every call answers ErrGone, whatever the memory is used for.
type Ref[T any] struct{ r ref }

func (Ref[T]) isRef() {}

// IsZero reports whether r names no record.
func (r Ref[T]) IsZero() bool { return r.r == 0 }

// Uint64 is r as a number, for a Word; zero is none.
func (r Ref[T]) Uint64() uint64 { return uint64(r.r) }

// RefOf is the inverse of Uint64. A number that is no Ref of the arena answers
// ErrGone wherever it is used.
func RefOf[T any](v uint64) Ref[T] { return Ref[T]{ref(v)} }

// Life is the number of the record's allocation, 26 bits: it tells the records
// that lie in one place one after the other apart. A Word that others may write
// late carries it, so that they see whose word it is.
func (r Ref[T]) Life() uint64 { return uint64(r.r.life()) }

// String is the text form, arena.index.life.
func (r Ref[T]) String() string { return r.r.String() }

// MarshalText makes a Ref readable in JSON.
func (r Ref[T]) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText parses the text form.
func (r *Ref[T]) UnmarshalText(b []byte) error {
	var arena, index, life uint32
	if string(b) == "none" {
		r.r = 0
		return nil
	}
	if n, err := fmt.Sscanf(string(b), "%d.%d.%d", &arena, &index, &life); n != 3 || err != nil ||
		arena > maxArenas || index > indexMask || life > lifeMask {
		return fmt.Errorf("shm: %q is no record reference: want arena.index.life", b)
	}
	r.r = ref(arena)<<shiftRefAre | ref(life)<<shiftRefLif | ref(index)
	return nil
}

// TryNew takes a free record and returns the claim on it; its fields are zero.
// ErrFull when all are in use. It does not block. Killed at any step: the sweep
// frees the record.
func (a *Arena[T]) TryNew() (Claim[T], error) {
	c, err := a.a.alloc()
	return Claim[T]{c}, err
}

// New is TryNew that waits for a free record. When there is one, it also works
// after the segment was stopped.
func (a *Arena[T]) New(ctx context.Context) (c Claim[T], err error) {
	if c, err = a.TryNew(); !isErr(err, ErrFull) {
		return c, err
	}
	err = a.a.room.waitInTurn(ctx, a.a.turn, func() (bool, error) {
		c, err = a.TryNew()
		return wanted(err, ErrFull)
	})
	return c, err
}

// Load copies the published fields of r's record into dst, as of one instant,
// and zeroes the others. ErrGone when the record was freed or is not published.
// It does not block and does not allocate.
func (a *Arena[T]) Load(r Ref[T], dst *T) (Status, error) {
	h, err := a.a.load(r.r, plainWords(dst))
	return Status{h, a.a.c}, err
}

// Stat is Load without the fields.
func (a *Arena[T]) Stat(r Ref[T]) (Status, error) {
	i := r.r.index()
	if r.r == 0 || i >= a.a.n {
		return Status{}, ErrGone
	}
	h := header(a.a.head(i).load(ptLoadHeader))
	if a.a.gone(r.r, h) {
		return Status{}, ErrGone
	}
	return Status{h, a.a.c}, nil
}

// Words gives access to the Word fields of a record that the caller does not
// own. Only these may be touched, and only while something the caller knows
// keeps the record from being freed; a Word of a freed record belongs to
// whoever has the memory next. ErrGone when it is freed already.
func (a *Arena[T]) Words(r Ref[T]) (*T, error) {
	if _, err := a.Stat(r); err != nil {
		return nil, err
	}
	return overlay[T](a.a.rec(r.r.index())), nil
}

// Retire takes a settled record out of service, for good: the claim is to be
// ended by Free. ErrStale when it is not settled, ErrGone when it was freed.
// Killed in between: the sweep frees the record. From now on an Insert of the
// same key does not wait for that, it removes the old index entry itself.
func (a *Arena[T]) Retire(r Ref[T]) (Claim[T], error) {
	if a.a.c.closed.Load() {
		return Claim[T]{}, ErrClosed
	}
	s, err := a.Stat(r)
	if err != nil {
		return Claim[T]{}, err
	}
	h := s.h.with(Retiring, 0, a.a.c.self).nextTurn()
	if s.State() != Settled || !a.a.head(r.r.index()).cas(ptRetire, uint64(s.h), uint64(h)) {
		return Claim[T]{}, ErrStale
	}
	c, err := a.a.opened(claim{&a.a, r.r.index(), h})
	return Claim[T]{c}, err
}

// All yields every record that is not free, with its status at that instant, in
// an order that does not change. It reads headers only.
func (a *Arena[T]) All() iter.Seq2[Ref[T], Status] { return a.from(0) }

// From is All beginning with r's place, whether r is still there or not.
func (a *Arena[T]) From(r Ref[T]) iter.Seq2[Ref[T], Status] {
	return a.from(a.a.place(min(r.r.index(), a.a.n-1)))
}

func (a *Arena[T]) from(place int) iter.Seq2[Ref[T], Status] {
	return func(yield func(Ref[T], Status) bool) {
		a.a.eachFrom(place, func(i uint32, h header) bool {
			return h.state() == Free || yield(Ref[T]{makeRef(a.a.id, h, i)}, Status{h, a.a.c})
		})
	}
}

// Cap is the number of records.
func (a *Arena[T]) Cap() int { return int(a.a.n) }

// Status is what one look at a record's header says.
type Status struct {
	h header
	c *core
}

// State is the record's state.
func (s Status) State() State { return s.h.state() }

// Attempt is the number of deliveries from its queue, at most 3.
func (s Status) Attempt() int { return int(s.h.attempt()) }

// Queue is the name of the ring or bag it is in, was claimed from, or is on its
// way to; "" for none.
func (s Status) Queue() string {
	if s.c == nil || s.c.lanes[s.h.queue()] == nil {
		return ""
	}
	return s.c.lanes[s.h.queue()].obj.Name
}

// Process is the registry slot of its owner, or of who posted it; -1 for none.
func (s Status) Process() int { return int(s.h.owner()) - 1 }

// wanted adapts a Try method for Wait: done on success, again on the error that
// means "not now".
func wanted(err, again error) (bool, error) {
	switch {
	case err == nil:
		return true, nil
	case err == again || isErr(err, again): // the first is the usual case, and faster
		return false, nil
	}
	return false, err
}
