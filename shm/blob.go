package shm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Blobs holds values of variable size for records that have no room for them:
// arenas of a few sizes. A blob is held by one field of type Blob of one record,
// and is freed with it. The zero value is ready for Define.
type Blobs struct{ classes []*arena }

// A BlobClass is one size of blobs, in bytes, and how many there are.
type BlobClass struct{ Size, Count int }

// A Blob is a field of a record that holds a value kept in a Blobs; 8 bytes,
// zero when empty. Fill it with Claim.SetBlob.
type Blob struct{ w word }

const blobHead = 16 // holder, place of the field and length

// Define adds the blobs to a layout, the classes in ascending order of size,
// each as an arena NAME-SIZE with a capacity of its own.
func (b *Blobs) Define(l *Layout, name string, classes ...BlobClass) {
	b.classes = nil
	for i, class := range classes {
		if class.Size < 8 || class.Size%8 != 0 || i > 0 && class.Size <= classes[i-1].Size {
			l.fail("blobs %s: class %d: sizes are to be multiples of 8 and ascending", name, i)
		}
		a := &arena{obj: Object{
			Name: fmt.Sprintf("%s-%d", name, class.Size), Kind: KindArena, Capacity: class.Count, Holder: true,
			Record: &RecordType{blobHead + class.Size, []Field{
				{Name: "Holder", Kind: "ref", Size: 8},
				{Name: "Field", Kind: "u32", Offset: 8, Size: 4},
				{Name: "Length", Kind: "u32", Offset: 12, Size: 4},
				{Name: "Data", Kind: "bytes", Offset: blobHead, Size: class.Size},
			}},
		}}
		b.classes = append(b.classes, a)
		if i > 0 { // any class that is large enough will do
			a.roomOf = b.classes[0]
		}
		l.add(a)
	}
}

// Largest is the size of the largest class.
func (b *Blobs) Largest() int { return b.classes[len(b.classes)-1].obj.Record.Size - blobHead }

// SetBlob stores a copy of data for a Blob field of the claimed record, and
// frees what the field held; no data empties it. ErrTooLarge beyond the largest
// class and ErrFull when no blob of that size or a larger one is free: the field
// is unchanged. It does not block. Killed at any step: the sweep frees every
// blob that its holder's field does not name.
func (c Claim[T]) SetBlob(b *Blobs, field *Blob, data []byte) error {
	if !c.Valid() {
		return ErrStale
	}
	at := wordOffset(c.c.a.rec(c.c.i), &field.w)
	if at < 0 {
		panic("shm: SetBlob: the field is not of the claimed record")
	}
	var r ref
	var made claim
	if len(data) > 0 {
		var err error
		if made, err = b.alloc(len(data)); err != nil {
			return err
		}
		rec := made.a.rec(made.i)
		copy(asBytes(asPlain(rec[blobHead/8:])), data)
		rec[1].store(ptBlobHolder, uint64(at)|uint64(len(data))<<32)
		rec[0].store(ptBlobHolder, uint64(c.c.ref()))
		r = made.ref()
	}
	old := ref(field.w.load(ptBlobField))
	field.w.store(ptBlobField, uint64(r)) // from here the holder names it
	if r != 0 {
		if err := made.move(ptBlobSettle, made.h.with(Settled, 0, 0)); err != nil {
			return err
		}
	}
	if a := c.c.a.c.arenas[old.arena()]; old != 0 && a != nil {
		a.freeSettled(old)
	}
	return nil
}

// WaitBlob is SetBlob that waits for a free blob.
func (c Claim[T]) WaitBlob(ctx context.Context, b *Blobs, field *Blob, data []byte) error {
	err := c.SetBlob(b, field, data)
	if !errors.Is(err, ErrFull) {
		return err
	}
	return b.classes[0].room.Wait(ctx, func() (bool, error) { return wanted(c.SetBlob(b, field, data), ErrFull) })
}

func (b *Blobs) alloc(n int) (c claim, err error) {
	if n > b.Largest() {
		return c, fmt.Errorf("%w: %d bytes, the largest blob has %d", ErrTooLarge, n, b.Largest())
	}
	for _, a := range b.classes {
		if a.obj.Record.Size-blobHead < n {
			continue
		}
		if c, err = a.alloc(); err == nil || !errors.Is(err, ErrFull) {
			return c, err
		}
	}
	return c, err
}

// Append appends the value of a Blob field, as Load copied it, to dst. ErrGone
// when its record was freed since.
func (b *Blobs) Append(dst []byte, field Blob) ([]byte, error) {
	r := ref(field.w.v)
	if r == 0 {
		return dst, nil
	}
	for _, a := range b.classes {
		if a.id == r.arena() && r.index() < a.n {
			return a.appendBlob(dst, r)
		}
	}
	return dst, ErrGone
}

// blobCopies are buffers: dst may not be filled before it is known that the blob was
// there all the time.
var blobCopies = sync.Pool{New: func() any { return new([]uint64) }}

func (a *arena) appendBlob(dst []byte, r ref) ([]byte, error) {
	w := a.head(r.index())
	h := header(w.load(ptBlobHeader))
	if a.gone(r, h) || h.state() == Retiring {
		return dst, ErrGone
	}
	rec := a.rec(r.index())
	n := int(rec[1].load(ptBlobHolder) >> 32)
	if n > a.obj.Record.Size-blobHead {
		return dst, &CorruptError{a.obj.Name, "length of a blob", uint64(n), uint64(a.obj.Record.Size - blobHead)}
	}
	all := blobCopies.Get().(*[]uint64)
	defer blobCopies.Put(all)
	*all = slices.Grow((*all)[:0], (n+7)/8)
	buf := (*all)[:(n+7)/8]
	copyWords(buf, rec[blobHead/8:blobHead/8+len(buf)])
	if h2 := header(w.load(ptBlobHeader)); a.gone(r, h2) || h2.state() == Retiring {
		return dst, ErrGone
	}
	return append(dst, asBytes(buf)[:n]...), nil
}

// holds tells whether the holder of a blob names it.
func (c *core) holds(r ref, rec []word) bool {
	holder := ref(rec[0].load(ptBlobHolder))
	at := uint32(rec[1].load(ptBlobHolder))
	a := c.arenas[holder.arena()]
	if holder == 0 || a == nil || holder.index() >= a.n || at/8 >= a.size8 {
		return false
	}
	named := ref(a.rec(holder.index())[at/8].load(ptBlobField)) == r
	return named && !a.gone(holder, header(a.head(holder.index()).load(ptBlobHeader)))
}
