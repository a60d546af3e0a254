package shm

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// A transfer brings one field of a record over; arrays and structs are taken apart.
type transfer struct {
	name     string
	kind     string
	phase    int
	from, to int // bytes
	n, wide  int // sizes; wide 0: the field is gone
	signed   bool
}

// A pairing is where in their records two lists of fields begin.
type pairing struct {
	prefix   string
	from, to int
	phase    int
}

// pairFields finds for each field what becomes of it, by name. A field may get
// wider: a larger integer of the same sign, a longer text, byte array or array,
// more values of an enumeration behind the old ones. Any other change of type
// is refused, because only the program knows what it means.
func (x *restorer) pairFields(m *move, from, to []Field, at pairing) error {
	for _, f := range from {
		at := at
		k := slices.IndexFunc(to, func(t Field) bool { return t.Name == f.Name })
		if k < 0 {
			x.lose(m.from.obj.Name, at.prefix+f.Name, "a field that is gone", 0)
			m.steps = append(m.steps, transfer{name: at.prefix + f.Name, phase: max(at.phase, f.Phase), from: at.from + f.Offset, n: f.Size})
			continue
		}
		if err := x.pairField(m, f, to[k], at); err != nil {
			return err
		}
	}
	for _, t := range to {
		name := "field " + m.to.obj.Name + "." + at.prefix + t.Name
		if !slices.ContainsFunc(from, func(f Field) bool { return t.Name == f.Name }) && !slices.Contains(x.report.Added, name) {
			x.report.Added = append(x.report.Added, name)
		}
	}
	return nil
}

func (x *restorer) pairField(m *move, f, t Field, at pairing) error {
	name := at.prefix + f.Name
	at.from, at.to, at.phase = at.from+f.Offset, at.to+t.Offset, max(at.phase, f.Phase)
	if !widens(f, t) {
		return &LayoutError{m.to.obj.Name, name, f.text(), t.text()}
	}
	switch f.Kind {
	case "struct":
		at.prefix = name + "."
		return x.pairFields(m, f.Fields, t.Fields, at)
	case "array":
		for i := range f.Count {
			elem := at
			elem.prefix = name + "[]"
			elem.from, elem.to = at.from+i*f.Fields[0].Size, at.to+i*t.Fields[0].Size
			if err := x.pairField(m, f.Fields[0], t.Fields[0], elem); err != nil {
				return err
			}
		}
		return nil
	}
	m.steps = append(m.steps, transfer{name, f.Kind, at.phase, at.from, at.to, f.Size, t.Size, f.Kind[0] == 'i' || f.Bits != "" && f.Bits[0] == 'i'})
	return nil
}

// widens tells whether every value of f is one of t.
func widens(f, t Field) bool {
	number := func(kind, bits string) byte {
		if bits != "" {
			kind = bits
		}
		return kind[0]
	}
	// A number of which the description now says more is the same number.
	explained := f.Size == t.Size && (slices.Contains(integerKinds, f.Kind) || f.Kind == "duration" && t.Kind == "boot") &&
		slices.Contains(bitKinds, t.Kind)
	integers := explained ||
		slices.Contains(integerKinds, f.Kind) && slices.Contains(integerKinds, t.Kind) ||
		slices.Contains(bitKinds, f.Kind) && f.Kind == t.Kind
	switch {
	case integers:
		// A word is accessed as such by the program: it does not mix with plain
		// fields.
		return number(f.Kind, f.Bits) == number(t.Kind, t.Bits) && f.Size <= t.Size &&
			len(f.Values) <= len(t.Values) && slices.Equal(f.Values, t.Values[:len(f.Values)])
	case f.Kind == "f32" && t.Kind == "f64":
		return true
	case f.Kind != t.Kind:
		return false
	case f.Kind == "array":
		return f.Count <= t.Count // the elements are compared each
	case f.Kind == "text" || f.Kind == "bytes":
		return f.Size <= t.Size
	case f.Kind == "struct":
		return true
	}
	return f.Size == t.Size
}

// convert brings one field over whose value is a number or bytes.
func (s transfer) convert(from, to []byte) {
	src, dst := from[s.from:s.from+s.n], to[s.to:s.to+s.wide]
	switch {
	case s.kind == "f32" && s.wide == 8:
		binary.LittleEndian.PutUint64(dst, math.Float64bits(float64(math.Float32frombits(binary.LittleEndian.Uint32(src)))))
	default:
		copy(dst, src)
		if s.signed && src[s.n-1]&0x80 != 0 {
			for i := s.n; i < s.wide; i++ {
				dst[i] = 0xff
			}
		}
	}
}

func isZero(b []byte) bool { return !slices.ContainsFunc(b, func(x byte) bool { return x != 0 }) }

// records copies the records of an arena: what is published of them, and all of
// those that were being made.
func (x *restorer) records(m *move) (err error) {
	from, to := m.from, m.to
	from.each(func(i uint32, h header) bool {
		j := m.index[i]
		if j == noPlace {
			if i < to.n && header(to.head(i).load(ptAttachRead)).life() == 0 {
				// An old reference to this place must not lead to its next record.
				to.head(i).store(ptInit, uint64(h.with(Free, 0, 0).withAttempt(0)))
			}
			return true
		}
		phase := from.phase(h)
		if h.state() == New {
			phase = everything
		}
		err = x.record(m, i, j, phase)
		if err != nil {
			return false
		}
		next := h.with(h.state(), 0, 0)
		switch h.state() {
		case Posted:
			next = h.with(Posted, x.queueIn(to, from.c.lanes[h.queue()].obj.Name).id(), 0)
		case New:
			next = x.leave(m, h)
		}
		x.put(to, j, next)
		x.report.Records[to.obj.Name]++
		if to.index != nil && h.state() != New {
			err = x.enter(to, j)
		}
		return err == nil
	})
	return err
}

// put sets the header of a record that is brought over.
func (x *restorer) put(a *arena, i uint32, h header) {
	a.head(i).store(ptInit, uint64(h))
	a.free.clear(ptInit, i, func() bool { return false })
}

// leave is the header of a record that only the program's own sweep can judge:
// it belongs to a process that is dead, in the first slot of the registry.
func (x *restorer) leave(m *move, h header) header {
	slot := x.to.slot(0)
	slot[slotWord].store(ptInit, slotValue(1, slotDead))
	slot[slotJoined].store(ptInit, uint64(Now()))
	slot[slotName].store(ptInit, binary.LittleEndian.Uint64([]byte("restored")))
	x.report.Left++
	id := uint8(0)
	if q := x.from.lanes[h.queue()]; q != nil {
		if to := x.queueIn(m.to, q.obj.Name); to != nil {
			id = to.id()
		}
	}
	return h.with(New, id, 1)
}

func (x *restorer) enter(a *arena, i uint32) error {
	cl := claim{a, i, header(a.head(i).load(ptAttachRead))}
	other, err := a.index.insert(cl)
	if err == nil && other != 0 {
		err = fmt.Errorf("%w: %s: records %s and %s have the same key in the new layout", ErrLayout, a.index.obj.Name, other, cl.ref())
	}
	return err
}

func (x *restorer) record(m *move, i, j uint32, phase int) error {
	src, dst := asBytes(asPlain(m.from.rec(i))), asBytes(asPlain(m.to.rec(j)))
	for _, s := range m.steps {
		switch at := s.from / 8; {
		case s.phase > phase:
		case s.wide == 0:
			if !isZero(src[s.from : s.from+s.n]) {
				x.lose(m.from.obj.Name, s.name, "a field that is gone", 1)
			}
		case s.kind == "ref":
			m.to.rec(j)[s.to/8].store(ptInit, x.reference(m, s, m.from.rec(i)[at].load(ptAttachRead)))
		case s.kind == "blob":
			if err := x.blob(m, s, i, j); err != nil {
				return err
			}
		default:
			s.convert(src, dst)
		}
	}
	return nil
}

const refBits = 1<<58 - 1

// reference is what becomes of a reference. One to a record that was freed stays
// one to a freed record where the places of its arena are the old ones, and
// becomes none otherwise.
func (x *restorer) reference(m *move, s transfer, v uint64) uint64 {
	r := ref(v & refBits)
	if r == 0 {
		return v
	}
	if to, ok := x.places[r]; ok {
		return v&^refBits | uint64(to)
	}
	a := x.from.arenas[r.arena()]
	if a == nil || r.index() >= a.n {
		return v // never was one
	}
	alive := !a.gone(r, header(a.head(r.index()).load(ptAttachRead)))
	for _, o := range x.arenas {
		if o.from == a && !o.moved && !alive && r.index() < o.to.n {
			return v&^refBits | uint64(ref(o.to.id)<<shiftRefAre|ref(r.life())<<shiftRefLif|ref(r.index()))
		}
	}
	if alive {
		x.lose(m.from.obj.Name, s.name, "references to records that were not brought over", 1)
	}
	return v &^ refBits
}

// blob makes the value of a blob field anew, in the smallest class with room.
func (x *restorer) blob(m *move, s transfer, i, j uint32) error {
	r := ref(m.from.rec(i)[s.from/8].load(ptAttachRead))
	a := x.from.arenas[r.arena()]
	if r == 0 || a == nil || !a.obj.Holder || r.index() >= a.n {
		return nil
	}
	data, err := a.appendBlob(nil, r)
	if err != nil {
		return nil // a name that leads to nothing, as its reader sees it too
	}
	name := group(a.obj.Name)
	classes := x.groups[name]
	if len(classes) == 0 {
		x.lose(m.from.obj.Name, s.name, "values in blobs "+name+", which are gone", 1)
		return nil
	}
	to := &Blobs{classes}
	c, err := to.alloc(len(data))
	if err != nil {
		return fmt.Errorf("%w: value of %d bytes of %s.%s: raise the capacity of %s", err, len(data), m.from.obj.Name, s.name, name)
	}
	rec := c.a.rec(c.i)
	copy(asBytes(asPlain(rec[blobHead/8:])), data)
	holder := header(m.from.head(i).load(ptAttachRead))
	rec[0].store(ptInit, uint64(makeRef(m.to.id, holder, j)))
	rec[1].store(ptInit, uint64(s.to)|uint64(len(data))<<32)
	m.to.rec(j)[s.to/8].store(ptInit, uint64(c.ref()))
	x.report.Blobs++
	return c.move(ptInit, c.h.with(Settled, 0, 0))
}
