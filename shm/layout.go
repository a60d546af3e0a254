package shm

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// Kinds of objects in a segment.
const (
	KindArena     = "arena"
	KindRing      = "ring"
	KindBag       = "bag"
	KindIndex     = "index"
	KindSemaphore = "semaphore"
	KindEvent     = "event"
	KindCounters  = "counters"
	KindCell      = "cell"
)

// hotLine keeps words of different writers apart: two cache lines, because the
// hardware prefetches them in pairs.
const hotLine = 128

// Definer is an application's tree of objects: a struct whose Define method
// declares each of them, used by creator and attacher alike. Define must do the
// same thing every time; it may be called more than once for one opening. A struct
// serves one opening at a time.
type Definer interface{ Define(*Layout) }

// A Layout collects the objects of a segment while an application defines them.
type Layout struct {
	objects  []object
	names    map[string]bool
	arenas   int
	queues   int
	capacity map[string]int // asked for, by name; what is used is removed from unused
	unused   map[string]bool
	errs     []error
}

// object is what every kind of a segment's content implements.
type object interface {
	object() *Object
	size() uint64
	bind(*core) error // views its memory; offsets are computed, never read
}

// An Object describes one object of a segment; a segment carries the
// descriptions of all of its own, so that any program can read it.
type Object struct {
	Name     string      `json:"name"`
	Kind     string      `json:"kind"`
	ID       int         `json:"id,omitempty"`       // of an arena in a Ref, of a queue in a header
	Of       string      `json:"of,omitempty"`       // ring, bag, index: their arena
	Phase    int         `json:"phase,omitempty"`    // ring, bag: record fields up to this phase are published
	Wakes    string      `json:"wakes,omitempty"`    // ring, bag: a shared event, "" for their own
	Key      string      `json:"key,omitempty"`      // index: the key field
	Holder   bool        `json:"holder,omitempty"`   // arena: of blobs, each held by another record
	Anchored bool        `json:"anchored,omitempty"` // arena: a function of the program tells which records are wanted
	Setting  bool        `json:"setting,omitempty"`  // cell: chosen for this segment, kept by a reset
	Names    []string    `json:"names,omitempty"`    // counters
	Record   *RecordType `json:"record,omitempty"`   // arena
	Tickets  bool        `json:"tickets,omitempty"`  // arena: has bags
	Capacity int         `json:"capacity,omitempty"` // arena: records; semaphore: permits; chosen by the creator
	Offset   uint64      `json:"offset"`
	Bytes    uint64      `json:"bytes"`
}

var objectName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,39}$`)

func (l *Layout) add(o object) {
	d := o.object()
	switch {
	case !objectName.MatchString(d.Name):
		l.fail("object name %q: want up to 40 of a-z 0-9 . _ -", d.Name)
	case d.Name == capProcesses:
		l.fail("object name %q: it is the name of the registry's capacity", d.Name)
	case l.names[d.Name]:
		l.fail("object %s is defined twice", d.Name)
	}
	l.names[d.Name] = true
	if n, ok := l.capacity[d.Name]; ok && d.Capacity > 0 {
		delete(l.unused, d.Name)
		d.Capacity = n
	}
	switch d.Kind {
	case KindArena:
		l.arenas++
		d.ID = l.arenas
		if l.arenas > maxArenas {
			l.fail("more than %d arenas", maxArenas)
		}
		l.checkCapacity(d, maxRecords)
	case KindRing, KindBag:
		l.queues++
		d.ID = l.queues
		if l.queues > maxQueues {
			l.fail("more than %d rings and bags", maxQueues)
		}
	case KindSemaphore:
		l.checkCapacity(d, maxPermits)
	}
	l.objects = append(l.objects, o)
}

func (l *Layout) checkCapacity(d *Object, most int) {
	if d.Capacity < 1 || d.Capacity > most {
		l.errs = append(l.errs, fmt.Errorf("%w: %s: %d, want 1 to %d", ErrCapacity, d.Name, d.Capacity, most))
	}
}

func (l *Layout) fail(format string, args ...any) {
	l.errs = append(l.errs, fmt.Errorf("%w: %s", ErrDeclaration, fmt.Sprintf(format, args...)))
}

// newLayout declares app and places its objects behind the fixed part.
func newLayout(app Definer, capacity map[string]int) (*Layout, error) {
	l := &Layout{names: map[string]bool{}, capacity: capacity, unused: map[string]bool{}}
	for name := range capacity {
		l.unused[name] = true
	}
	app.Define(l)
	for name := range maps.Keys(l.unused) {
		if name != capProcesses {
			l.errs = append(l.errs, fmt.Errorf("%w: no object %q has a capacity", ErrCapacity, name))
		}
	}
	if n := l.processes(); n < 1 || n > maxSlots-1 {
		l.errs = append(l.errs, fmt.Errorf("%w: %s: %d, want 1 to %d", ErrCapacity, capProcesses, n, maxSlots-1))
	}
	if n := len(l.describe(false)) + len(l.objects)*placeDigits; n > maxText || len(l.objects) > maxObjects {
		l.fail("%d objects, described in %d bytes: at most %d and %d", len(l.objects), n, maxObjects, maxText)
	}
	return l, errors.Join(l.errs...)
}

// capProcesses is the name under which Options.Capacity sets how many processes
// can be attached at once.
const capProcesses = "processes"

const defaultProcesses = 64

func (l *Layout) processes() int {
	if n, ok := l.capacity[capProcesses]; ok {
		return n
	}
	return defaultProcesses
}

// place computes every object's offset and returns the size of the segment.
func (l *Layout) place() uint64 {
	// The space for the description does not depend on the capacities and places
	// that it will hold, or creator and attacher would compute different places.
	text := uint64(len(l.describe(false))) + uint64(len(l.objects))*placeDigits
	off := align(headSize+uint64(l.processes())*slotSize+text, hotLine)
	for _, o := range l.objects {
		d := o.object()
		d.Offset, d.Bytes = off, o.size()
		off += align(d.Bytes, hotLine)
	}
	return align(off, pageSize)
}

// placeDigits is room for an object's capacity, offset and size in decimal.
const placeDigits = 96

// describe is the description that lies in the segment. Without capacities and
// places it is what the layout hash covers.
func (l *Layout) describe(whole bool) []byte {
	all := make([]Object, len(l.objects))
	for i, o := range l.objects {
		all[i] = *o.object()
		if !whole {
			all[i].Capacity, all[i].Offset, all[i].Bytes = 0, 0, 0
		}
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic("shm: description of a layout: " + err.Error()) // plain structs always marshal
	}
	return b
}

func (l *Layout) hash() uint64 { return xxhash.Sum64(l.describe(false)) }

func align(n, to uint64) uint64 { return (n + to - 1) / to * to }

// differ names the first difference between the segment's objects and the
// program's; nil when there is none.
func differ(segment, program []Object) *LayoutError {
	for i, p := range program {
		if i >= len(segment) {
			return &LayoutError{p.Name, "", "nothing of that name", p.Kind}
		}
		s := segment[i]
		p.Capacity, p.Offset, p.Bytes = s.Capacity, s.Offset, s.Bytes
		switch {
		case s.Name != p.Name:
			return &LayoutError{p.Name, "", "object " + s.Name + " in its place", p.Kind}
		case s.Kind != p.Kind:
			return &LayoutError{p.Name, "", s.Kind, p.Kind}
		case s.Record != nil && p.Record != nil:
			if e := differFields(p.Name, "", s.Record.Fields, p.Record.Fields); e != nil {
				return e
			}
		}
		s.Record, p.Record = nil, nil
		a, _ := json.Marshal(s)
		b, _ := json.Marshal(p)
		if !slices.Equal(a, b) {
			return &LayoutError{p.Name, "", string(a), string(b)}
		}
	}
	if len(segment) > len(program) {
		return &LayoutError{segment[len(program)].Name, "", segment[len(program)].Kind, "nothing of that name"}
	}
	return nil
}

func differFields(object, prefix string, segment, program []Field) *LayoutError {
	for i, p := range program {
		name := prefix + p.Name
		if i >= len(segment) {
			return &LayoutError{object, name, "no such field", p.text()}
		}
		s := segment[i]
		if s.Name != p.Name {
			return &LayoutError{object, name, "field " + prefix + s.Name + " in its place", p.Kind}
		}
		if s.Kind == p.Kind {
			if e := differFields(object, name+".", s.Fields, p.Fields); e != nil {
				return e
			}
		}
		if s.String() != p.String() {
			return &LayoutError{object, name, s.text(), p.text()}
		}
	}
	if len(segment) > len(program) {
		return &LayoutError{object, prefix + segment[len(program)].Name, segment[len(program)].String(), "no such field"}
	}
	return nil
}
