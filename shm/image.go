package shm

import (
	"fmt"
	"iter"
	"slices"
)

// An Image is a segment of any program, seen through the description that it
// carries: for tools. It is mapped read-only, takes no slot, holds no lock and
// slows nobody down; it may be live, dead or corrupt.
type Image struct {
	Path    string
	Size    uint64
	Hash    uint64 // of the layout
	State   string // open, stopped or retired
	Creator int    // process id
	Created int64  // Unix time, nanoseconds
	c       core
	objects []Object
	file    *segmentFile
}

var segmentStates = map[uint64]string{segmentOpen: "open", segmentStopped: "stopped", segmentRetired: "retired"}

// view binds a core to the objects that a segment describes, after computing
// every place again.
func (g *geometry) view(c *core) error {
	l := &Layout{names: map[string]bool{}, capacity: g.capacities(), unused: map[string]bool{}}
	arenas := map[string]*arena{}
	events := map[string]*Event{}
	for _, d := range g.objects {
		if d.Record != nil {
			if err := d.Record.check(); err != nil {
				return fmt.Errorf("%w: %s: %w", ErrCorrupt, d.Name, err)
			}
		}
		if d.Holder && (d.Record == nil || d.Record.Size < blobHead+8) {
			return fmt.Errorf("%w: %s: blobs without room for their holder", ErrCorrupt, d.Name)
		}
		of := arenas[d.Of]
		if of == nil && slices.Contains([]string{KindRing, KindBag, KindIndex}, d.Kind) {
			return fmt.Errorf("%w: %s: no arena %q before it", ErrCorrupt, d.Name, d.Of)
		}
		if d.Kind == KindBag && !of.obj.Tickets {
			return fmt.Errorf("%w: %s: its arena has no tickets", ErrCorrupt, d.Name)
		}
		id := d.ID
		o, err := d.untyped(of, events[d.Wakes], g.slots)
		if err != nil {
			return err
		}
		if a, ok := o.(*arena); ok {
			arenas[d.Name] = a
		}
		if e, ok := o.(*Event); ok {
			events[d.Name] = e
		}
		l.add(o)
		if len(l.errs) > 0 || o.object().ID != id {
			return fmt.Errorf("%w: description of %s: %v", ErrCorrupt, d.Name, l.errs)
		}
	}
	if err := g.checkPlaces(l); err != nil {
		return err
	}
	c.bindHead(g.slots, g.seed)
	for _, o := range l.objects {
		if err := c.bindObject(o); err != nil {
			return err
		}
	}
	return nil
}

// untyped makes the object that a description describes.
func (d Object) untyped(of *arena, wake *Event, slots uint32) (object, error) {
	switch d.Kind {
	case KindArena:
		if d.Record == nil {
			return nil, fmt.Errorf("%w: arena %s has no record type", ErrCorrupt, d.Name)
		}
		return &arena{obj: d}, nil
	case KindRing:
		q := &ring{}
		q.obj, q.arena, q.wake, q.lane.ring = d, of, wake, q
		return q, nil
	case KindBag:
		q := &bag{}
		q.obj, q.arena, q.wake, q.lane.bag = d, of, wake, q
		return q, nil
	case KindIndex:
		return &index{obj: d, arena: of}, nil
	case KindSemaphore:
		return &Semaphore{obj: d}, nil
	case KindEvent:
		return &Event{obj: d}, nil
	case KindCounters:
		return &Counters{obj: d, n: uint64(slots), row: align(uint64(len(d.Names))*8, hotLine) / 8}, nil
	case KindCell:
		return &Cell{obj: d}, nil
	}
	return nil, fmt.Errorf("%w: %s: unknown kind %q: use a newer tool", ErrVersion, d.Name, d.Kind)
}

// check refuses a record description that leads out of the record.
func (rt *RecordType) check() error {
	if rt.Size < 8 || rt.Size%8 != 0 || rt.Size > 1<<24 {
		return fmt.Errorf("record size %d", rt.Size)
	}
	if err := checkFields(rt.Fields, rt.Size, 0, topLevel); err != nil {
		return err
	}
	_, err := rt.publishedSpans()
	return err
}

func checkFields(fields []Field, size, depth, phase int) error {
	if depth > 10 || len(fields) > 4096 {
		return fmt.Errorf("fields nested %d deep", depth)
	}
	end := 0
	for _, f := range fields {
		if f.Offset < end {
			return fmt.Errorf("field %s at %d: overlaps the one before it", f.Name, f.Offset)
		}
		n := f.Size
		if f.Kind == "array" {
			if len(f.Fields) != 1 || f.Count < 1 || f.Count > size ||
				f.Fields[0].Size < 1 || f.Fields[0].Size > size || f.Count*f.Fields[0].Size != f.Size {
				return fmt.Errorf("field %s: array of %d", f.Name, f.Count)
			}
			n = f.Fields[0].Size
		}
		want, fixed := fieldSizes[f.Kind]
		if slices.Contains(bitKinds, f.Kind) {
			want, fixed = fieldSizes[f.Bits]
			fixed = fixed && slices.Contains(integerKinds, f.Bits)
		}
		switch {
		case f.Bits != "" && !slices.Contains(bitKinds, f.Kind):
			return fmt.Errorf("field %s: %s on %q", f.Name, f.Kind, f.Bits)
		case !fixed && !slices.Contains(openKinds, f.Kind):
			return fmt.Errorf("field %s: unknown kind %q", f.Name, f.Kind)
		case f.Offset < 0 || f.Size < 1 || f.Offset > size || f.Size > size-f.Offset, f.Phase < 0 || f.Phase > maxPhase,
			phase != topLevel && f.Phase != phase:
			return fmt.Errorf("field %s: %d bytes at %d of %d", f.Name, f.Size, f.Offset, size)
		case fixed && (f.Size != want || want == 8 && (f.Kind == "word" || f.Kind == "blob" || f.Kind == "ref") && f.Offset%8 != 0):
			return fmt.Errorf("field %s: %s of %d bytes at %d", f.Name, f.Kind, f.Size, f.Offset)
		}
		if f.Low != 0 {
			if err := f.checkLow(); err != nil {
				return err
			}
		}
		if err := checkFields(f.Fields, n, depth+1, f.Phase); err != nil {
			return err
		}
		end = f.Offset + f.Size
	}
	return nil
}

var (
	openKinds    = []string{"bytes", "text", "struct", "array"}          // have no size of their own
	bitKinds     = []string{"enum", "flags", "time", "duration", "boot"} // stand on an integer
	integerKinds = []string{"u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "word"}
)

var fieldSizes = map[string]int{
	"bool": 1, "u8": 1, "i8": 1, "u16": 2, "i16": 2, "u32": 4, "i32": 4, "f32": 4, "addr": 16,
	"u64": 8, "i64": 8, "f64": 8, "word": 8, "blob": 8, "ref": 8,
}

// Objects returns the descriptions of all objects.
func (m *Image) Objects() []Object { return m.objects }

// Processes lists the attached processes, and those that died and are not swept
// yet. A process that the registry calls alive and the kernel does not is
// listed as dead.
func (m *Image) Processes() (list []Process, err error) {
	err = guard(m.c.mem, func() error {
		list = m.c.processes()
		for i := range list {
			if list[i].State == "alive" && !m.file.alive(uint32(list[i].Slot)) {
				list[i].State = "dead"
			}
		}
		return nil
	})
	return list, err
}

// Deaths lists the last death on each slot that has seen one.
func (m *Image) Deaths() (list []Death, err error) {
	err = guard(m.c.mem, func() error { list = m.c.deaths(); return nil })
	return list, err
}

// Verify is Segment.Verify for a segment that is not attached.
func (m *Image) Verify() (found []Finding, err error) {
	err = guard(m.c.mem, func() error {
		found = m.c.verifySteady(m.file.alive)
		return nil
	})
	return found, err
}

// Stats counts what the objects hold.
func (m *Image) Stats() (s Stats, err error) {
	err = guard(m.c.mem, func() error {
		s = m.c.stats()
		return nil
	})
	if err == nil {
		s.Processes, err = m.Processes()
	}
	return s, err
}

// A Record is one record of an arena as a tool sees it.
type Record struct {
	Ref     string  `json:"ref"`
	State   string  `json:"state"`
	Queue   string  `json:"queue,omitempty"`
	Process int     `json:"process"` // registry slot of its owner or poster, -1 none
	Attempt int     `json:"attempt,omitempty"`
	Values  []Value `json:"fields"` // the published ones
}

// Records yields the records of an arena that are not free, with the fields
// that their state has published, each as of one instant. A record that changes
// too fast to be read is left out.
func (m *Image) Records(name string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		err := guard(m.c.mem, func() error {
			for _, o := range m.c.objects {
				if a, ok := o.(*arena); ok && a.obj.Name == name {
					m.records(a, yield)
				}
			}
			return nil
		})
		if err != nil {
			yield(Record{}, err)
		}
	}
}

func (m *Image) records(a *arena, yield func(Record, error) bool) {
	dst := make([]uint64, a.size8)
	for i := range a.n {
		if rec, ok := m.record(a, i, dst); ok && !yield(rec, nil) {
			return
		}
	}
}

// record reads one record; ok is false when it is free, or changes too fast.
func (m *Image) record(a *arena, i uint32, dst []uint64) (rec Record, ok bool) {
	for range 10 {
		h := header(a.head(i).load(ptLoadHeader))
		if h.state() == Free || h.state() >= numStates {
			return rec, false
		}
		clear(dst)
		phase := a.phase(h)
		if h.state() == New && a.index == nil {
			phase = -1 // nothing is published
		}
		for _, s := range a.published(max(phase, 0)) {
			copyWords(dst[s.at:s.at+s.n], a.rec(i)[s.at:s.at+s.n])
		}
		if header(a.head(i).load(ptLoadAgain)) != h {
			continue
		}
		st := Status{h, &m.c}
		rec = Record{makeRef(a.id, h, i).String(), h.state().String(), st.Queue(), st.Process(), st.Attempt(), nil}
		rec.Values = fieldValues(a.obj.Record.Fields, asBytes(dst), phase, &m.c)
		return rec, true
	}
	return rec, false
}

// Counters returns the sums of a Counters object, in the order of its names.
func (m *Image) Counters(name string) (sums []uint64, err error) {
	err = guard(m.c.mem, func() error {
		for _, o := range m.c.objects {
			if k, ok := o.(*Counters); ok && k.obj.Name == name {
				sums = k.Sum()
			}
		}
		return nil
	})
	return sums, err
}

// Cell returns the value of a Cell object.
func (m *Image) Cell(name string) (v uint64, err error) {
	err = guard(m.c.mem, func() error {
		for _, o := range m.c.objects {
			if x, ok := o.(*Cell); ok && x.obj.Name == name {
				v = x.Load()
			}
		}
		return nil
	})
	return v, err
}

// Close unmaps the image.
func (m *Image) Close() error { return m.file.close() }
