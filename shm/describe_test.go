//go:build linux && (amd64 || arm64)

package shm

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"
)

// forge makes a segment file of a description that nobody checked, with its right
// hash, and lets edit write words into it. The rest is a hole.
func forge(t *testing.T, objects []Object, slots uint32, edit func(c *core)) string {
	t.Helper()
	l := &Layout{names: map[string]bool{}, capacity: map[string]int{capProcesses: int(slots)}, unused: map[string]bool{}}
	arenas := map[string]*arena{}
	for _, d := range objects {
		o, err := d.untyped(arenas[d.Of], nil, slots)
		if err != nil {
			t.Fatal(err)
		}
		if a, ok := o.(*arena); ok {
			arenas[d.Name] = a
		}
		l.add(o)
	}
	size := l.place()
	text, err := json.Marshal(func() (all []Object) {
		for _, o := range l.objects {
			all = append(all, *o.object())
		}
		return all
	}())
	if err != nil {
		t.Fatal(err)
	}
	path := forgeText(t, text, size, slots)
	if edit != nil {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Munmap(b)
		c := core{mem: memory{b}}
		c.bindHead(slots, 0)
		for _, o := range l.objects {
			if err := c.bindObject(o); err != nil {
				t.Fatal(err)
			}
		}
		edit(&c)
	}
	return path
}

func forgeText(t *testing.T, text []byte, size uint64, slots uint32) string {
	t.Helper()
	boot, err := bootID()
	if err != nil {
		t.Fatal(err)
	}
	at := uint64(headSize) + uint64(slots)*slotSize
	b := make([]byte, at+uint64(len(text)))
	for i, v := range map[int]uint64{
		headMagic: segmentMagic, headVersion: FormatVersion, headSize8: size, headSlots: uint64(slots), headState: segmentOpen,
		headTextAt: at, headTextLen: uint64(len(text)), headTextSum: xxhash.Sum64(text),
		headBoot: binary.LittleEndian.Uint64(boot[:8]), headBoot + 1: binary.LittleEndian.Uint64(boot[8:]),
	} {
		binary.LittleEndian.PutUint64(b[8*i:], v)
	}
	copy(b[at:], text)
	path := filepath.Join((*Options)(nil).filled().Dir, fmt.Sprintf("shmtest-forged-%d", os.Getpid()))
	if err := errors.Join(os.WriteFile(path, b, 0o600), os.Truncate(path, int64(size))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(path) })
	return path
}

// Descriptions with their right hash that ask for too much, or for what leads out
// of the memory, are refused by all who read them.
func TestDescription_Refused(t *testing.T) {
	number := []Field{{Name: "A", Kind: "u64", Size: 8}}
	one := func(r *RecordType, more ...Object) []Object {
		return append([]Object{{Name: "a", Kind: KindArena, Capacity: 100, ID: 1, Record: r}}, more...)
	}
	for what, path := range map[string]func(t *testing.T) string{
		"an array whose size overflows": func(t *testing.T) string {
			const huge = 1 << 40
			return forge(t, one(&RecordType{1 << 24, []Field{{Name: "F", Kind: "array", Size: 1 << 24, Count: 1 << 24, Fields: []Field{
				{Kind: "array", Size: huge + 1, Count: huge + 1, Fields: []Field{{Kind: "bytes", Size: 1}}}}}}})[:1], 1, nil)
		},
		"a bag without tickets": func(t *testing.T) string {
			return forge(t, one(&RecordType{8, number}, Object{Name: "b", Kind: KindBag, ID: 1, Of: "a"}), 1, nil)
		},
		"a nested field of another phase": func(t *testing.T) string {
			return forge(t, one(&RecordType{8, []Field{{Name: "S", Kind: "struct", Size: 8, Fields: []Field{{Name: "A", Kind: "u64", Size: 8, Phase: 2}}}}}), 1, nil)
		},
		"a million objects": func(t *testing.T) string {
			return forgeText(t, []byte("["+strings.TrimSuffix(strings.Repeat("{},", 1<<20/3-1), ",")+"]"), 2<<20, 1)
		},
	} {
		t.Run(strings.ReplaceAll(what, " ", "-"), func(t *testing.T) {
			p := path(t)
			_, inspected := Inspect(p, nil)
			_, restored := Restore(p, "shmtest-unwanted", nil, nil)
			_, swept := SweepSegment(t.Context(), p, nil)
			for call, err := range map[string]error{"Inspect": inspected, "Restore": restored, "SweepSegment": swept} {
				if !errors.Is(err, ErrCorrupt) && !(call == "SweepSegment" && errors.Is(err, ErrName)) {
					t.Errorf("%s: %v", call, err)
				}
			}
		})
	}
}

// A corrupt header is found behind any number of dead processes.
func TestRestore_CorruptBehindTheDead(t *testing.T) {
	path := forge(t, []Object{{Name: "a", Kind: KindArena, Capacity: 100, ID: 1, Record: &RecordType{8, []Field{{Name: "A", Kind: "u64", Size: 8}}}}}, 1022, func(c *core) {
		c.arenas[1].headers[0].v = uint64(header(1<<16).with(Posted, 33, 0))
		for i := range c.nslots {
			c.slot(i)[slotWord].v = slotValue(1, slotAlive)
		}
	})
	if _, err := Restore(path, "shmtest-unwanted", nil, nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("restored: %v", err)
	}
}

type oneNumber struct{ A uint64 }

type oneQueue struct {
	n    int
	All  Arena[oneNumber]
	Todo Ring[oneNumber]
}

func (q *oneQueue) Define(l *Layout) {
	q.All.Define(l, "all", q.n)
	q.Todo.Define(l, "todo", &q.All)
}

func created(t *testing.T, app Definer) *Segment {
	t.Helper()
	s, err := Create(fmt.Sprintf("shmtest-own-%d", os.Getpid()), app, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Remove() })
	return s
}

// bySeverity counts what Verify finds.
func bySeverity(s *Segment) (repairable, corrupt int) {
	for f := range s.Verify() {
		if f.Severity == Corrupt {
			corrupt++
		} else {
			repairable++
		}
	}
	return repairable, corrupt
}

// Verify says something of damage of any extent, and names the corrupt among
// thousands that are repairable.
func TestVerify_MuchDamage(t *testing.T) {
	const n = 20_000
	q := &oneQueue{n: n}
	s := created(t, q)
	for range n {
		c, err := q.All.TryNew()
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Todo.TryPut(c); err != nil {
			t.Fatal(err)
		}
	}
	clear(q.Todo.q.slots)
	q.Todo.q.tail.v, q.Todo.q.head_.v = 0, 0
	if r, c := bySeverity(s); r != mostFindings || c != 0 {
		t.Errorf("all slots wiped: %d repairable, %d corrupt", r, c)
	}
	w := q.All.a.head(n - 1)
	w.v = uint64(header(w.v).with(9, 0, 0))
	if r, c := bySeverity(s); r != mostFindings || c != 1 {
		t.Errorf("and one header has state 9: %d repairable, %d corrupt", r, c)
	}
}

// A slot that no put could have left so makes every put fail; Verify names it.
func TestVerify_Lap(t *testing.T) {
	q := &oneQueue{n: 8}
	s := created(t, q)
	q.Todo.q.slots[0].v = slotOf(3, 3, 1)
	c, err := q.All.TryNew()
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Todo.TryPut(c); !errors.Is(err, ErrCorrupt) {
		t.Errorf("put: %v", err)
	}
	if _, n := bySeverity(s); n != 1 {
		t.Errorf("%d findings", n)
	}
}

type oneKey struct {
	A   uint64
	Key struct{ K uint64 } `shm:"key"`
}

type oneIndex struct {
	All Arena[oneKey]
	By  Index[oneKey, struct{ K uint64 }]
}

func (x *oneIndex) Define(l *Layout) {
	x.All.Define(l, "all", 8)
	x.By.Define(l, "by", &x.All)
}

// A key on two records, and a record listed twice, are found.
func TestVerify_KeyTwice(t *testing.T) {
	a := &oneIndex{}
	s := created(t, a)
	var last claim
	for k := range uint64(2) {
		c, err := a.All.TryNew()
		if err != nil {
			t.Fatal(err)
		}
		c.Record().Key.K = k
		last = c.c
		if _, _, err := a.By.Insert(c, nil); err != nil {
			t.Fatal(err)
		}
	}
	x := &a.By.x
	b, _, place, err := x.place(last.ref())
	if err != nil {
		t.Fatal(err)
	}
	x.entry(b, place).v = 0
	x.keyWords(last.i)[0].v = 0 // the first one's
	b, frag := x.hashOf(last.i)
	x.entry(b, 3).v = entryFull | frag<<50 | uint64(last.h.life())<<24 | uint64(last.i)
	if _, n := bySeverity(s); n != 1 {
		t.Errorf("one key twice: %d findings", n)
	}
	x.entry(b, 4).v = x.entry(b, 3).v
	if _, n := bySeverity(s); n < 2 {
		t.Errorf("one record twice: %d findings", n)
	}
}

type manyBags struct {
	Big, Small Arena[oneNumber]
	Bag        Bag[oneNumber]
}

func (m *manyBags) Define(l *Layout) {
	m.Big.Define(l, "big", 1000)
	m.Small.Define(l, "small", 10)
	m.Bag.Define(l, "bag", &m.Small)
}

// A header that names a queue of another arena does not lead Close out of its bitmap.
func TestClose_QueueOfAnotherArena(t *testing.T) {
	m := &manyBags{}
	s := created(t, m)
	m.Big.a.head(999).v = uint64(header(1<<16).with(Owned, m.Bag.q.id(), s.c.self))
	var busy *BusyError
	if err := s.Close(); !errors.As(err, &busy) {
		t.Errorf("close: %v", err)
	}
	_ = Remove(s.Name(), nil, true)
}

type (
	emptyField struct {
		A uint64
		E struct{}
		B uint64
	}
	lateKey struct {
		A uint64
		K uint64 `shm:"key,phase=1"`
	}
	innerPhase struct {
		In struct {
			A uint64 `shm:"phase=1"`
		}
	}
	arrayPhase struct {
		In [4]uint64 `shm:"phase=1"`
	}
)

type declared[T any] struct{ all Arena[T] }

func (d *declared[T]) Define(l *Layout) { d.all.Define(l, "all", 4) }

type anchoredIndex struct{ oneIndex }

func (x *anchoredIndex) Define(l *Layout) {
	x.All.Anchored = func(Ref[oneKey], *oneKey) bool { return true }
	x.oneIndex.Define(l)
}

// What would not work later is refused where it is declared.
func TestDeclaration_Refused(t *testing.T) {
	for what, d := range map[string]Definer{
		"a field without size": &declared[emptyField]{}, "a key of a later phase": &declared[lateKey]{},
		"a phase inside of a field": &declared[innerPhase]{}, "an index and Anchored": &anchoredIndex{},
		"too large a record": &declared[[3]struct{ B [1 << 23]byte }]{},
	} {
		if s, err := Private(d, nil); !errors.Is(err, ErrDeclaration) {
			t.Errorf("%s: %v %v", what, s, err)
		}
	}
	s, err := Private(&declared[arrayPhase]{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
}
