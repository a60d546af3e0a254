package shm

import (
	"fmt"
	"strings"
)

// A SnapshotReport says what Snapshot copied.
type SnapshotReport struct {
	Path       string    `json:"path"`
	File       string    `json:"file"`
	Size       uint64    `json:"size"`
	Attached   []Process `json:"attached"`   // while it was copied, by force
	Consistent bool      `json:"consistent"` // the copy is the segment as of one instant
	Passes     int       `json:"passes"`     // how often it was read
	SideFiles  int       `json:"side_files"`
}

// A RestoreReport says what Restore brought over, and what not.
type RestoreReport struct {
	Path      string         `json:"path"`
	Size      uint64         `json:"size"`
	Records   map[string]int `json:"records"` // brought over, by arena
	Blobs     int            `json:"blobs"`
	SideFiles int            `json:"side_files"`
	// Swept is what was recovered first, as if every process had died when the
	// snapshot was taken: claims went back to their queues, held records and
	// those that nobody can reach were freed.
	Swept Report `json:"swept"`
	// Left counts records that were being made, and that the program's own
	// Anchored functions decide on when it attaches.
	Left int `json:"left"`
	// Moved counts records that lie in another place, or whose arena has another
	// number, and so have another reference. Fields of kind ref follow; numbers
	// that the description does not call references cannot.
	Moved int `json:"moved"`
	// Lost is what the new layout has no place for.
	Lost []Loss `json:"lost"`
	// Added names objects and fields that the snapshot has not: they are empty.
	Added []string `json:"added"`
	// Notes are for the operator: what was kept and may mean something else now.
	Notes []string `json:"notes"`
}

// Complete reports whether everything in the snapshot was brought over. Fields
// and objects that are gone and were empty do not count.
func (r RestoreReport) Complete() bool {
	for _, l := range r.Lost {
		if l.Count > 0 {
			return false
		}
	}
	return true
}

// A Loss is one kind of thing that was not brought over.
type Loss struct {
	Object string `json:"object"`
	Field  string `json:"field,omitempty"`
	What   string `json:"what"`
	Count  int    `json:"count"` // records, references or values; 0: none was in use
}

func (l Loss) String() string {
	at := l.Object
	if l.Field != "" {
		at += "." + l.Field
	}
	return fmt.Sprintf("%s: %s (%d)", at, l.What, l.Count)
}

// A snapshot is an opened snapshot file, swept in a copy of its own.
type snapshot struct {
	path  string
	c     core
	file  *segmentFile
	g     geometry
	swept Report
}

// objectOf finds an object by name.
func (c *core) objectOf(name string) object {
	for _, o := range c.objects {
		if o.object().Name == name {
			return o
		}
	}
	return nil
}

// A restorer fills a new segment, which nobody else sees yet, from a snapshot.
type restorer struct {
	from, to *core
	report   *RestoreReport
	lost     map[[3]string]int // object, field, what: position in report.Lost
	arenas   []*move
	places   map[ref]ref // of every record that is brought over
	groups   map[string][]*arena
}

// A move brings the records of one arena over.
type move struct {
	from, to *arena
	steps    []transfer
	index    []uint32 // the new place of each record
	moved    bool     // some record has another place
}

func newRestorer(from, to *core, r *RestoreReport) *restorer {
	r.Records = map[string]int{}
	r.Lost, r.Added, r.Notes = []Loss{}, []string{}, []string{}
	return &restorer{from: from, to: to, report: r, lost: map[[3]string]int{}, places: map[ref]ref{}, groups: map[string][]*arena{}}
}

// run copies everything. The layouts are compared first, so that a field which
// cannot be brought over is an error before anything was done.
func (x *restorer) run() error {
	x.to.self = 1 // of no living process: nothing in the result is owned by it
	if err := x.plan(); err != nil {
		return err
	}
	for _, m := range x.arenas {
		if err := x.settlePlaces(m); err != nil {
			return err
		}
	}
	for _, m := range x.arenas {
		if err := x.records(m); err != nil {
			return err
		}
	}
	for _, m := range x.arenas {
		if err := x.queues(m); err != nil {
			return err
		}
	}
	x.rest()
	return nil
}

func (x *restorer) lose(object, field, what string, n int) {
	key := [3]string{object, field, what}
	at, ok := x.lost[key]
	if !ok {
		at = len(x.report.Lost)
		x.lost[key] = at
		x.report.Lost = append(x.report.Lost, Loss{object, field, what, 0})
	}
	x.report.Lost[at].Count += n
}

func (x *restorer) note(format string, args ...any) {
	x.report.Notes = append(x.report.Notes, fmt.Sprintf(format, args...))
}

// group is what the classes of one Blobs have in common: their name without the
// size.
func group(name string) string {
	at := strings.LastIndexByte(name, '-')
	return name[:max(at, 0)]
}

// plan pairs the objects by name and kind, and the fields of their records.
func (x *restorer) plan() error {
	for _, o := range x.to.objects {
		d := o.object()
		if a, ok := o.(*arena); ok && d.Holder {
			x.groups[group(d.Name)] = append(x.groups[group(d.Name)], a)
		}
		if x.from.objectOf(d.Name) == nil && !d.Holder {
			x.report.Added = append(x.report.Added, d.Kind+" "+d.Name)
		}
	}
	for _, o := range x.from.objects {
		from, ok := o.(*arena)
		if !ok || from.obj.Holder {
			continue
		}
		to, ok := x.to.objectOf(from.obj.Name).(*arena)
		if !ok || to.obj.Holder {
			continue // counted in rest
		}
		m := &move{from: from, to: to}
		if err := x.pairFields(m, from.obj.Record.Fields, to.obj.Record.Fields, pairing{phase: -1}); err != nil {
			return err
		}
		x.arenas = append(x.arenas, m)
	}
	return nil
}

const noPlace = ^uint32(0)

// settlePlaces decides where each record goes: to the place it had, if there is
// one, so that references and what carries a record's life stay what they are.
func (x *restorer) settlePlaces(m *move) error {
	from, to := m.from, m.to
	m.index = make([]uint32, from.n)
	taken := make([]bool, to.n)
	var homeless []uint32
	used := 0
	from.each(func(i uint32, h header) bool {
		m.index[i] = noPlace
		if !x.wanted(m, h) {
			return true
		}
		if used++; i < to.n {
			m.index[i], taken[i] = i, true
		} else {
			homeless = append(homeless, i)
		}
		return true
	})
	if used > int(to.n) {
		return fmt.Errorf("%w: %s: the snapshot has %d records, the new segment room for %d: raise it", ErrCapacity, to.obj.Name, used, to.n)
	}
	free := uint32(0)
	for _, i := range homeless {
		for taken[free] {
			free++
		}
		m.index[i], taken[free], m.moved = free, true, true
	}
	for i, j := range m.index {
		if j == noPlace {
			continue
		}
		h := header(from.head(uint32(i)).load(ptAttachRead))
		was, is := makeRef(from.id, h, uint32(i)), makeRef(to.id, h, j)
		x.places[was] = is
		if was != is {
			x.report.Moved++
		}
	}
	return nil
}

// wanted tells whether a record is brought over, and counts it when not.
func (x *restorer) wanted(m *move, h header) bool {
	switch h.state() {
	case Settled, New: // new: only the program can judge it
		return true
	case Posted:
		q := x.from.lanes[h.queue()]
		if to := x.queueIn(m.to, q.obj.Name); to != nil {
			return true
		}
		x.lose(m.from.obj.Name, "", "records in queue "+q.obj.Name+", which is gone", 1)
	}
	return false
}

// queueIn is the queue of that name of an arena in the new segment, or nil.
func (x *restorer) queueIn(a *arena, name string) *lane {
	for _, q := range x.to.lanes {
		if q != nil && q.obj.Name == name && q.arena == a {
			return q
		}
	}
	return nil
}
