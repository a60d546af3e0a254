package shm

import (
	"fmt"
	"slices"
)

// Counters are named sums that only grow. Every process adds in a row of its
// own, so that writers do not share a line, and rows are never zeroed when a
// slot is used again: the sum over all rows stays exact through any death. The
// zero value is ready for Define.
type Counters struct {
	obj  Object
	c    *core
	rows []word
	row  uint64 // words
	n    uint64 // rows
}

// Define adds the counters to a layout.
func (k *Counters) Define(l *Layout, name string, names ...string) {
	k.obj = Object{Name: name, Kind: KindCounters, Names: slices.Clone(names)}
	if len(names) == 0 {
		l.fail("counters %s: no names", name)
	}
	k.row = align(uint64(len(names))*8, hotLine) / 8
	k.n = uint64(l.processes())
	l.add(k)
}

func (k *Counters) object() *Object { return &k.obj }
func (k *Counters) size() uint64    { return k.n * k.row * 8 }

func (k *Counters) bind(c *core) error {
	k.c = c
	k.row = align(uint64(len(k.obj.Names))*8, hotLine) / 8
	k.rows = c.mem.words(k.obj.Offset, uint64(c.nslots)*k.row)
	return nil
}

// Add adds n to the i-th counter. It panics when i is out of range. It does not
// block; killed before or after, the sum is without or with n.
func (k *Counters) Add(i int, n uint64) {
	if i < 0 || i >= len(k.obj.Names) {
		panic(fmt.Sprintf("shm: counter %d of %d", i, len(k.obj.Names)))
	}
	k.rows[uint64(k.c.self-1)*k.row+uint64(i)].add(ptCount, n)
}

// Sum returns the sums of all counters, in the order of their names. Each is
// exact; together they are not of one instant.
func (k *Counters) Sum() []uint64 {
	sums := make([]uint64, len(k.obj.Names))
	for p := uint64(0); p < uint64(len(k.rows)); p += k.row {
		for i := range sums {
			sums[i] += k.rows[p+uint64(i)].load(ptCountRead)
		}
	}
	return sums
}

// Names returns the names of the counters.
func (k *Counters) Names() []string { return slices.Clone(k.obj.Names) }

// A Cell is one shared word of the application. The zero value is ready for
// Define.
type Cell struct {
	// Setting marks a value that whoever made the segment has chosen for it. Reset
	// keeps it, Restore keeps the one of a segment that is there, and SetSetting
	// changes it. Set it before Define.
	Setting bool

	obj Object
	w   *word
}

// Define adds the cell to a layout.
func (x *Cell) Define(l *Layout, name string) {
	x.obj = Object{Name: name, Kind: KindCell, Setting: x.Setting}
	l.add(x)
}

func (x *Cell) object() *Object { return &x.obj }
func (x *Cell) size() uint64    { return 8 }

func (x *Cell) bind(c *core) error {
	x.w = &c.mem.words(x.obj.Offset, 1)[0]
	return nil
}

// Load reads the cell.
func (x *Cell) Load() uint64 { return x.w.load(ptUserWord) }

// CompareAndSwap replaces old by v, if the cell is old.
func (x *Cell) CompareAndSwap(old, v uint64) bool { return x.w.cas(ptUserWord, old, v) }
