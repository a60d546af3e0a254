package shm

import "reflect"

// An Index finds the records of one arena by a key of type K, which is the
// record's field tagged `shm:"key"`. Keys are unique. K is a fixed-size type
// without pointers, a multiple of 8 bytes. The zero value is ready for Define.
type Index[T, K any] struct{ x index }

// Define adds the index to a layout, behind its arena, which can have one. It
// costs 64 to 128 bytes for each record of the arena.
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
	case of.a.anchored != nil:
		l.fail("index %s: arena %s has a function Anchored: in an index the entry is the anchor", name, of.a.obj.Name)
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
// queue, or settles it when to is nil. It spends the claim; ErrStale, and nothing
// was done, when it is spent already or of another arena. It returns
// the record that has the key now, and whether that is the caller's; an existing
// one frees the caller's. ErrFull: the key's place in the table is taken by
// other keys; the record was freed. It does not block.
//
// The CAS that decides is the launch: killed before it, the sweep frees the
// record; after it, the sweep posts or settles it.
func (x *Index[T, K]) Insert(c Claim[T], to Queue[T]) (r Ref[T], inserted bool, err error) {
	if c.c.a != x.x.arena {
		return r, false, ErrStale
	}
	if to != nil {
		if err := c.Aim(to); err != nil {
			return r, false, err
		}
	}
	other, err := x.x.insert(c.c)
	switch {
	case isErr(err, ErrStale):
		return r, false, err
	case err != nil || other != 0:
		if e := c.Free(); err == nil {
			err = e
		}
		return Ref[T]{other}, false, err
	case to != nil:
		l := to.lane()
		l.prepare(c.c.i)
		err = l.postOrKeep(c.c, c.c.h.with(Posted, l.id(), c.c.a.c.self).nextTurn())
	default:
		err = c.c.move(ptSettle, c.c.h.with(Settled, 0, 0))
	}
	return c.Ref(), true, err
}

// InsertHeld is Insert for a record that lives as long as its process: the
// record is held, and the claim stays the caller's when it was inserted.
func (x *Index[T, K]) InsertHeld(c Claim[T]) (held Claim[T], existing Ref[T], inserted bool, err error) {
	if c.c.a != x.x.arena || c.c.h.state() == Retiring {
		return c, existing, false, ErrStale
	}
	if err = c.c.hold(); err != nil {
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
