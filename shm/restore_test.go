//go:build linux && (amd64 || arm64)

package shm_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// Two versions of one program. The second has a field more (Priority) and one
// less (Legacy), a wider number and text, its fields in another order, an arena
// before the others (so that references change), larger capacities and other
// sizes of blobs.
type orderKey struct {
	Name [16]byte `shm:"text"`
}

type order1 struct {
	Key    orderKey `shm:"key"`
	Count  uint32
	Level  uint8 `shm:"enum=low|high"`
	_      [3]byte
	Legacy uint64
	Body   shm.Blob
	Before shm.Ref[order1]
	Hits   shm.Word
	Minus  int16
	_      [6]byte
	Result uint64 `shm:"phase=1"`
}

type shop1 struct {
	blobs  shm.Blobs
	orders shm.Arena[order1]
	byName shm.Index[order1, orderKey]
	todo   shm.Ring[order1]
	later  shm.Bag[order1]
	done   shm.Ring[order1]
	lock   shm.Mutex
	sums   shm.Counters
	root   shm.Cell
}

func (a *shop1) Define(l *shm.Layout) {
	a.blobs.Define(l, "blobs", shm.BlobClass{Size: 16, Count: 8}, shm.BlobClass{Size: 256, Count: 4})
	a.orders.Define(l, "orders", 16)
	a.byName.Define(l, "by-name", &a.orders)
	a.todo.Define(l, "todo", &a.orders)
	a.later.Define(l, "later", &a.orders)
	a.done.Phase = 1
	a.done.Define(l, "done", &a.orders)
	a.lock.Define(l, "lock")
	a.sums.Define(l, "sums", "put", "old")
	a.root.Define(l, "root")
}

type note2 struct{ Text [64]byte }

type order2 struct {
	Key      orderKey2 `shm:"key"`
	Priority uint64
	Before   shm.Ref[order2]
	Body     shm.Blob
	Count    uint64
	Minus    int64
	Hits     shm.Word `shm:"flags=hit,low=1"` // the same word, of which more is said
	Level    uint16   `shm:"enum=low|high|urgent"`
	_        [6]byte
	Result   uint64 `shm:"phase=1"`
}

type orderKey2 struct {
	Name [24]byte `shm:"text"`
}

type shop2 struct {
	notes  shm.Arena[note2]
	blobs  shm.Blobs
	orders shm.Arena[order2]
	byName shm.Index[order2, orderKey2]
	todo   shm.Ring[order2]
	later  shm.Bag[order2]
	done   shm.Ring[order2]
	lock   shm.Mutex
	sums   shm.Counters
	root   shm.Cell
}

func (a *shop2) Define(l *shm.Layout) {
	a.notes.Define(l, "notes", 4)
	a.blobs.Define(l, "blobs", shm.BlobClass{Size: 64, Count: 8}, shm.BlobClass{Size: 512, Count: 4})
	a.orders.Define(l, "orders", 16)
	a.byName.Define(l, "by-name", &a.orders)
	a.later.Define(l, "later", &a.orders)
	a.todo.Define(l, "todo", &a.orders)
	a.done.Phase = 1
	a.done.Define(l, "done", &a.orders)
	a.lock.Define(l, "lock")
	a.sums.Define(l, "sums", "new", "put")
	a.root.Define(l, "root")
}

func name1(t testing.TB, name string) (k orderKey) {
	must(t, shm.PutText(k.Name[:], name))
	return k
}

// order launches an order into a queue; body is its blob.
func (a *shop1) order(t testing.TB, name string, n int, before shm.Ref[order1], body string, to shm.Queue[order1]) shm.Ref[order1] {
	t.Helper()
	c, err := a.orders.TryNew()
	must(t, err)
	r := c.Record()
	r.Key, r.Count, r.Level, r.Legacy, r.Before, r.Minus = name1(t, name), uint32(n), uint8(n%2), uint64(n), before, int16(-n)
	r.Hits.Store(uint64(100 + n))
	if body != "" {
		must(t, c.SetBlob(&a.blobs, &r.Body, []byte(body)))
	}
	ref, inserted, err := a.byName.Insert(c, to)
	if must(t, err); !inserted {
		t.Fatalf("%s is there", name)
	}
	return ref
}

func init() {
	// die NAME: claim the first order of todo, hold one, make one, lock, and die.
	shmtest.Register("restore-die", func(args []string) {
		a := &shop1{}
		_, err := shm.Attach(args[0], a, nil)
		for _, f := range []func() error{
			func() error {
				c, err := a.todo.TryGet()
				if err == nil {
					c.Record().Result = 0xbad // not published
				}
				return err
			},
			func() error { _, err := a.orders.TryNew(); return err },
			func() error { _, err := a.lock.TryLock(); return err },
		} {
			if err == nil {
				err = f()
			}
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("ready")
		select {}
	})
}

// crashed makes a segment of the first version with orders everywhere, whose
// processes have been killed. b of todo was delivered once when its worker died.
func crashed(t *testing.T) (name string) {
	t.Helper()
	name = shmtest.Name(t)
	a := &shop1{}
	s, err := shm.Create(name, a, nil)
	must(t, err)
	gone := a.order(t, "gone", 9, shm.Ref[order1]{}, "", nil)
	first := a.order(t, "a", 1, gone, "short", &a.todo)
	for i, k := range []string{"b", "c", "d"} {
		first = a.order(t, k, 2+i, first, strings.Repeat(k, 100), &a.todo)
	}
	for i, k := range []string{"e", "f", "g"} {
		a.order(t, k, 5+i, first, "", &a.later)
	}
	a.order(t, "h", 8, first, "settled", nil)
	c, err := a.todo.TryGet() // a: through the work, with its result
	must(t, err)
	c.Record().Result = 77
	must(t, a.done.TryPut(c))
	r, err := a.orders.Retire(gone)
	must(t, err)
	must(t, r.Free())
	a.sums.Add(0, 5)
	a.sums.Add(1, 3)
	a.root.CompareAndSwap(0, 42)
	child := shmtest.Child(t, "restore-die", name)
	child.Want("ready")
	must(t, s.Close())
	child.Kill()
	return name
}

func snapshotOf(t *testing.T, name string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "snapshot")
	r, err := shm.Snapshot(name, file, nil, false)
	must(t, err)
	if !r.Consistent || r.Passes != 1 || len(r.Attached) != 0 {
		t.Errorf("%+v", r)
	}
	before, err := os.ReadFile(filepath.Join(cmp.Or(os.Getenv("SHM_DIR"), shm.DefaultDir), name))
	must(t, err)
	after, err := os.ReadFile(file)
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("the snapshot is not the segment")
	}
	return file
}

// wantShop2 reads everything through the types of the second version.
func wantShop2(t *testing.T, name string) {
	t.Helper()
	a := &shop2{}
	s, err := shm.Attach(name, a, nil)
	must(t, err)
	defer s.Close()
	if r, err := s.Sweep(t.Context()); err != nil || r != (shm.Report{}) {
		t.Errorf("something was left to sweep: %+v %v", r, err)
	}
	shmtest.Verify(t, s)
	find := func(name string) (r shm.Ref[order2]) {
		t.Helper()
		var k orderKey2
		must(t, shm.PutText(k.Name[:], name))
		r, ok, err := a.byName.Lookup(k)
		if err != nil || !ok {
			t.Fatalf("%s is not in the index: %v", name, err)
		}
		return r
	}
	before := map[string]string{"b": "a", "c": "b", "d": "c", "e": "d", "f": "d", "g": "d", "h": "d"}
	states := map[string]string{"a": "done", "b": "todo", "c": "todo", "d": "todo", "e": "later", "f": "later", "g": "later", "h": ""}
	bodies := map[string]string{"a": "short", "h": "settled"}
	for i, k := range strings.Split("abcdefgh", "") {
		var rec order2
		st, err := a.orders.Load(find(k), &rec)
		must(t, err)
		n := i + 1
		if rec.Count != uint64(n) || rec.Minus != int64(-n) || int(rec.Level) != n%2 || rec.Priority != 0 || rec.Hits.Plain() != uint64(100+n) {
			t.Errorf("%s: %+v", k, rec)
		}
		if want := before[k]; want != "" && rec.Before != find(want) {
			t.Errorf("%s: before it is %v, want %v", k, rec.Before, find(want))
		}
		if st.Queue() != states[k] || (st.State() == shm.Settled) != (k == "h") {
			t.Errorf("%s: %v in %q", k, st.State(), st.Queue())
		}
		want := bodies[k]
		if n > 1 && n < 5 {
			want = strings.Repeat(k, 100)
		}
		if body, err := a.blobs.Append(nil, rec.Body); err != nil || string(body) != want {
			t.Errorf("%s: body %q %v", k, body, err)
		}
		if k == "a" {
			if rec.Result != 77 {
				t.Errorf("result %d", rec.Result)
			}
			if _, err := a.orders.Stat(rec.Before); !errors.Is(err, shm.ErrGone) {
				t.Errorf("a reference to a freed record: %v", err)
			}
		}
	}
	n := 0
	for range a.orders.All() {
		n++
	}
	if n != 8 {
		t.Errorf("%d orders", n)
	}
	order := ""
	for range 3 {
		c, err := a.todo.TryGet()
		must(t, err)
		order += shm.Text(c.Record().Key.Name[:])
		if (order == "cdb") != (c.Attempt() == 2) {
			t.Errorf("attempt %d after %s", c.Attempt(), order)
		}
		must(t, c.Free())
	}
	for range 3 {
		c, err := a.later.TryGet(nil)
		must(t, err)
		order += shm.Text(c.Record().Key.Name[:])
		must(t, c.Free())
	}
	if order != "cdbefg" { // b was given back when its worker died
		t.Errorf("order %s", order)
	}
	p, err := a.lock.TryLock()
	if must(t, err); !p.Recovered() {
		t.Error("the mark of the dead holder is lost")
	}
	must(t, p.Release())
	if sums := a.sums.Sum(); !slices.Equal(sums, []uint64{0, 5}) || a.root.Load() != 42 {
		t.Errorf("%d %d", sums, a.root.Load())
	}
	// New records do not take a place where an old reference still leads.
	for {
		c, err := a.orders.TryNew()
		if err != nil {
			break
		}
		must(t, c.Free())
		if c.Ref().Life() > 1 {
			break
		}
	}
	shmtest.Verify(t, s)
}

func wantReport(t *testing.T, r shm.RestoreReport) {
	t.Helper()
	lost := fmt.Sprint(r.Lost)
	for _, want := range []string{"orders.Legacy: a field that is gone (8)", "sums.old: a counter that is gone (1)"} {
		if !strings.Contains(lost, want) {
			t.Errorf("not named as lost: %s in %s", want, lost)
		}
	}
	if len(r.Lost) != 2 || r.Complete() || r.Records["orders"] != 8 || r.Blobs != 5 || r.Moved != 8 || r.Left != 0 || r.Swept.Posted != 1 || r.Swept.Freed != 1 || r.Swept.Permits != 1 {
		t.Errorf("%+v", r)
	}
	for _, want := range []string{"arena notes", "field orders.Priority"} {
		if !slices.Contains(r.Added, want) {
			t.Errorf("%s is not said to be new: %q", want, r.Added)
		}
	}
}

func TestRestore_OtherLayout(t *testing.T) {
	file := snapshotOf(t, crashed(t))
	t.Run("new", func(t *testing.T) {
		name := shmtest.Name(t)
		r, err := shm.Restore(file, name, &shop2{}, nil)
		must(t, err)
		wantReport(t, r)
		wantShop2(t, name)
	})
	t.Run("into an empty one, with more room", func(t *testing.T) {
		name := shmtest.Name(t)
		s, err := shm.Create(name, &shop2{}, &shm.Options{Capacity: map[string]int{"orders": 100}})
		must(t, err)
		if _, err := shm.Restore(file, name, nil, nil); !errors.Is(err, shm.ErrInUse) {
			t.Errorf("attached: %v", err)
		}
		must(t, s.Close())
		if _, err := shm.Restore(file, name, &shop2{}, nil); !errors.Is(err, shm.ErrExist) {
			t.Errorf("with a layout of its own: %v", err)
		}
		r, err := shm.Restore(file, name, nil, nil)
		must(t, err)
		wantReport(t, r)
		if _, err := shm.Restore(file, name, nil, nil); !errors.Is(err, shm.ErrExist) {
			t.Errorf("not empty: %v", err)
		}
		wantShop2(t, name)
	})
}

// The snapshot's own layout, with other capacities: references stay where the
// place is there, and follow where it is not.
func TestRestore_SameLayout(t *testing.T) {
	file := snapshotOf(t, crashed(t))
	for _, room := range []int{8, 16, 1000} {
		name := shmtest.Name(t)
		r, err := shm.Restore(file, name, nil, &shm.Options{Capacity: map[string]int{"orders": room, "processes": 3}})
		must(t, err)
		if !r.Complete() || len(r.Lost) != 0 || r.Records["orders"] != 8 || (r.Moved > 0) != (room == 8) || len(r.Added) != 0 {
			t.Errorf("%d: %+v", room, r)
		}
		a := &shop1{}
		s, err := shm.Attach(name, a, nil)
		must(t, err)
		shmtest.Verify(t, s)
		d, ok, err := a.byName.Lookup(name1(t, "d"))
		if err != nil || !ok {
			t.Fatal(err)
		}
		var rec order1
		_, err = a.orders.Load(d, &rec)
		must(t, err)
		if c, _, _ := a.byName.Lookup(name1(t, "c")); rec.Before != c || rec.Legacy != 4 || a.orders.Cap() != room {
			t.Errorf("%d: %+v", room, rec)
		}
		must(t, s.Close())
	}
	name := shmtest.Name(t)
	_, err := shm.Restore(file, name, nil, &shm.Options{Capacity: map[string]int{"orders": 7}})
	if !errors.Is(err, shm.ErrCapacity) || !strings.Contains(err.Error(), "8 records") {
		t.Errorf("too small: %v", err)
	}
	_, err = shm.Restore(file, name, nil, &shm.Options{Capacity: map[string]int{"blobs-256": 2}})
	if !errors.Is(err, shm.ErrFull) || !strings.Contains(err.Error(), "orders.Body") {
		t.Errorf("too few blobs: %v", err)
	}
	if _, err := shm.Inspect(name, nil); !errors.Is(err, shm.ErrNotExist) {
		t.Errorf("a refused restore has left something: %v", err)
	}
}

// Types that only the program could convert.
type narrow struct {
	Key   orderKey `shm:"key"`
	Count uint16
	_     [6]byte
}
type signed struct {
	Key   orderKey `shm:"key"`
	Count int32
	_     [4]byte
}
type renumbered struct {
	Key   orderKey `shm:"key"`
	Level uint8    `shm:"enum=high|low"`
	_     [7]byte
}
type shorter struct {
	Key struct {
		Name [8]byte `shm:"text"`
	} `shm:"key"`
}
type worded struct {
	Key    orderKey `shm:"key"`
	Legacy shm.Word
}

type only[T any] struct{ orders shm.Arena[T] }

func (a *only[T]) Define(l *shm.Layout) { a.orders.Define(l, "orders", 16) }

func TestRestore_RefusesOtherTypes(t *testing.T) {
	file := snapshotOf(t, crashed(t))
	for field, app := range map[string]shm.Definer{
		"Count": &only[narrow]{}, "Count ": &only[signed]{}, "Level": &only[renumbered]{}, "Key.Name": &only[shorter]{}, "Legacy": &only[worded]{},
	} {
		name := shmtest.Name(t)
		var layout *shm.LayoutError
		if _, err := shm.Restore(file, name, app, nil); !errors.As(err, &layout) || layout.Field != strings.TrimSpace(field) {
			t.Errorf("%T: %v", app, err)
		}
		if _, err := shm.Inspect(name, nil); !errors.Is(err, shm.ErrNotExist) {
			t.Errorf("%T: something is left: %v", app, err)
		}
	}
}

// What the new layout has no place for is counted: queues, arenas, references.
type keyOnly struct {
	Key    orderKey `shm:"key"`
	Before shm.Ref[keyOnly]
}
type small struct {
	orders shm.Arena[keyOnly]
	todo   shm.Ring[keyOnly]
}

func (a *small) Define(l *shm.Layout) {
	a.orders.Define(l, "orders", 16)
	a.todo.Define(l, "todo", &a.orders)
}

func TestRestore_CountsWhatIsLost(t *testing.T) {
	file := snapshotOf(t, crashed(t))
	name := shmtest.Name(t)
	r, err := shm.Restore(file, name, &small{}, nil)
	must(t, err)
	lost := fmt.Sprint(r.Lost)
	for _, want := range []string{"records in queue later, which is gone (3)", "records in queue done, which is gone (1)",
		"orders.Count: a field that is gone (4)", "orders.Body: a field that is gone (4)",
		"orders.Before: references to records that were not brought over (1)", "root: a cell that is gone (1)", "lock: marks of holders who died"} {
		if !strings.Contains(lost, want) {
			t.Errorf("not named: %s in %s", want, lost)
		}
	}
	if r.Complete() || r.Records["orders"] != 4 {
		t.Errorf("%+v", r)
	}
	a := &small{}
	s, err := shm.Attach(name, a, nil)
	must(t, err)
	defer s.Close()
	shmtest.Verify(t, s)
	if a.todo.Len() != 3 {
		t.Errorf("%d in todo", a.todo.Len())
	}
}

// Records that only a function of the program can judge are left to it.
type part struct{ Of uint64 }
type parts struct {
	parts shm.Arena[part]
	queue shm.Bag[part]
	root  shm.Cell
}

func (a *parts) Define(l *shm.Layout) {
	a.parts.Anchored = func(r shm.Ref[part], _ *part) bool { return a.root.Load() == r.Uint64() }
	a.parts.Define(l, "parts", 8)
	a.queue.Define(l, "queue", &a.parts)
	a.root.Define(l, "root")
}

func init() {
	shmtest.Register("restore-parts", func(args []string) {
		a := &parts{}
		_, err := shm.Attach(args[0], a, nil)
		for range 2 { // the second is named by nothing
			c, e := a.parts.TryNew()
			if err == nil {
				err = e
			}
			c.Record().Of = 5
			if err == nil {
				err = c.Aim(&a.queue)
			}
			a.root.CompareAndSwap(0, c.Ref().Uint64())
		}
		fmt.Println(err)
		select {}
	})
}

func TestRestore_LeavesWhatTheProgramJudges(t *testing.T) {
	name := shmtest.Name(t)
	s, err := shm.Create(name, &parts{}, nil)
	must(t, err)
	must(t, s.Close())
	child := shmtest.Child(t, "restore-parts", name)
	child.Want("<nil>")
	child.Kill()
	file := snapshotOf(t, name)
	again := shmtest.Name(t)
	r, err := shm.Restore(file, again, nil, nil)
	must(t, err)
	if r.Left != 2 || r.Records["parts"] != 2 || r.Moved != 0 {
		t.Errorf("%+v", r)
	}
	a := &parts{}
	s, err = shm.Attach(again, a, nil)
	must(t, err)
	defer s.Close()
	if _, err := s.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	c, err := a.queue.TryGet(nil)
	must(t, err)
	if c.Record().Of != 5 || c.Ref().Uint64() != a.root.Load() {
		t.Errorf("%v %+v", c.Ref(), c.Record())
	}
	n := 0
	for range a.parts.All() {
		n++
	}
	if n != 1 {
		t.Errorf("%d parts: the one that nothing names was to be freed", n)
	}
	must(t, c.Free())
	shmtest.Verify(t, s)
}

func TestSnapshot_Refuses(t *testing.T) {
	name := shmtest.Name(t)
	s, err := shm.Create(name, &shop1{}, nil)
	must(t, err)
	file := filepath.Join(t.TempDir(), "snapshot")
	if _, err := shm.Snapshot(name, file, nil, false); !errors.Is(err, shm.ErrInUse) {
		t.Errorf("in use: %v", err)
	}
	r, err := shm.Snapshot(name, file, nil, true) // nobody does anything meanwhile
	must(t, err)
	if !r.Consistent || r.Passes < 2 || len(r.Attached) != 1 {
		t.Errorf("%+v", r)
	}
	if _, err := shm.Snapshot(name, file, nil, true); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the file exists: %v", err)
	}
	must(t, s.Close())
	if _, err := shm.Snapshot("shmtest-none", file+"2", nil, false); !errors.Is(err, shm.ErrNotExist) {
		t.Errorf("no segment: %v", err)
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("left over: %v", entries)
	}
}

// A segment that never stands still is copied, and called what it is.
func TestSnapshot_OfABusySegment(t *testing.T) {
	name := shmtest.Name(t)
	a := &shop1{}
	s, err := shm.Create(name, a, nil)
	must(t, err)
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			a.sums.Add(0, 1)
		}
	}()
	n := 0
	eventually(t, "a copy is called inconsistent", func() bool { // the writer may not get a turn between two passes
		n++
		r, err := shm.Snapshot(name, filepath.Join(t.TempDir(), fmt.Sprint("snapshot", n)), nil, true)
		must(t, err)
		return !r.Consistent
	})
	cancel()
	<-done
}

// A corrupt snapshot, and one cut short, restore nothing.
func TestRestore_RefusesBadFiles(t *testing.T) {
	file := snapshotOf(t, crashed(t))
	m, err := shm.Inspect(file, nil)
	must(t, err)
	at := int64(0)
	for _, o := range m.Objects() {
		if o.Name == "orders" {
			at = int64(o.Offset) + 128 // headers
		}
	}
	must(t, m.Close())
	whole, err := os.ReadFile(file)
	must(t, err)
	for what, c := range map[string]struct {
		change func([]byte) []byte
		want   error
	}{
		"state 9":   {func(b []byte) []byte { b[at+7] = 0x90; return b }, shm.ErrCorrupt},
		"cut":       {func(b []byte) []byte { return b[:len(b)-4096] }, shm.ErrCorrupt},
		"no header": {func(b []byte) []byte { b[0] ^= 1; return b }, shm.ErrNotSegment},
	} {
		bad, name := filepath.Join(t.TempDir(), "bad"), shmtest.Name(t)
		must(t, os.WriteFile(bad, c.change(bytes.Clone(whole)), 0o600))
		if _, err := shm.Restore(bad, name, nil, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := shm.Inspect(name, nil); !errors.Is(err, shm.ErrNotExist) {
			t.Errorf("%s: something is left: %v", what, err)
		}
	}
}
