//go:build linux && (amd64 || arm64)

package shm_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// Inspect and Reset compute the places that the creator computed, though they
// start from objects that have places already.
func TestInspectAndReset(t *testing.T) {
	s := shmtest.New(t, &farm{}, nil)
	m, err := shm.Inspect(s.Name(), nil)
	if err != nil {
		t.Fatal(err)
	}
	must(t, m.Close())
	must(t, s.Close())
	must(t, shm.Reset(s.Name(), nil, false))
	must(t, shm.Remove(s.Name(), nil, false))
}

// A creator that loses the race calls Define a second time.
func TestDefine_Twice(t *testing.T) {
	f := &farm{}
	for range 2 {
		s, err := shm.Private(f, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(s.Stats().Objects); n != 15 {
			t.Errorf("%d objects", n)
		}
		if n := f.Data.Largest(); n != 256 {
			t.Errorf("largest blob %d", n)
		}
		must(t, s.Close())
	}
}

// Fields of the same kind that have changed places are another layout.
func TestAttach_ExchangedFields(t *testing.T) {
	type a struct{ Width, Height uint64 }
	type b struct{ Height, Width uint64 }
	name := shmtest.Name(t)
	must(t, create(t, name, arenaOf[a](), nil).Close())
	s, err := shm.Attach(name, arenaOf[b](), nil)
	if err == nil {
		_ = s.Close()
	}
	if !errors.Is(err, shm.ErrLayout) {
		t.Fatalf("width and height exchanged: %v", err)
	}
}

// A small file whose description has large fields that overlap keeps nobody busy.
func TestInspect_HugeDescription(t *testing.T) {
	name, m := makeImage(t)
	field := `{"name":"f","kind":"bytes","offset":0,"size":16777216,"phase":100}`
	text := `[{"name":"jobs","kind":"arena","id":1,"capacity":8,"record":{"size":16777216,"fields":[` +
		strings.Repeat(field+",", 500) + field + `]}}]`
	m.describe(text)
	must(t, os.WriteFile(pathOf(name), m.b, 0o600))
	t.Cleanup(func() { _ = os.Remove(pathOf(name)) }) // shm.Remove would take as long
	p := shmtest.Child(t, "small-slow", name)
	timer := time.AfterFunc(20*time.Second, p.Kill) // milliseconds are due
	defer timer.Stop()
	p.Want("typed")
}

// The description of very many objects has its room.
func TestManyObjects(t *testing.T) {
	app := func() shm.Definer {
		cells := make([]shm.Cell, 20000)
		return definer(func(l *shm.Layout) {
			for i := range cells {
				cells[i].Define(l, fmt.Sprint(i))
			}
		})
	}
	name := shmtest.Name(t)
	s, err := shm.Create(name, app(), nil)
	if errors.Is(err, shm.ErrDeclaration) {
		return // a limit would do
	}
	must(t, err)
	defer s.Close()
	s2, err := shm.Attach(name, app(), nil)
	must(t, err)
	must(t, s2.Close())
}

// A program that waits for Done and asks why gets an answer, whatever is left.
func TestTruncated_Err(t *testing.T) {
	noRace(t)
	name := brokenName(t)
	must(t, create(t, name, &farm{}, nil).Close())
	p := shmtest.Child(t, "small-err", name)
	p.Want("ready")
	must(t, os.Truncate(pathOf(name), 0))
	p.Say("cut")
	p.Want("typed")
}

func init() {
	shmtest.Register("small-slow", func(args []string) {
		if _, err := shm.Inspect(args[0], nil); errors.Is(err, shm.ErrCorrupt) {
			fmt.Println("typed")
		}
	})
	shmtest.Register("small-err", func(args []string) {
		s, err := shm.Attach(args[0], &farm{}, nil)
		check1(err)
		fmt.Println("ready")
		stdin()()
		if err := s.Err(); errors.Is(err, shm.ErrSegmentFault) || errors.Is(err, shm.ErrRetired) {
			fmt.Println("typed")
		}
	})
}

// An object named processes takes the capacity of the registry, in
// geometry.capacities and in Options.Capacity.
func TestRegress_ObjectNamedProcesses(t *testing.T) {
	app := func() shm.Definer {
		a := new(shm.Arena[baseRecord])
		return definer(func(l *shm.Layout) { a.Define(l, "processes", 10) })
	}
	name := shmtest.Name(t)
	s, err := shm.Create(name, app(), nil)
	if errors.Is(err, shm.ErrDeclaration) {
		return // refusing the name would do
	}
	must(t, err)
	defer s.Close()
	s2, err := shm.Attach(name, app(), nil)
	must(t, err)
	must(t, s2.Close())
}

// A description with the right hash, in which an arena of blobs has records
// of one word: verify indexes past it and panics.
func TestRegress_HolderOfOneWord(t *testing.T) {
	app := func() shm.Definer {
		a := new(shm.Arena[struct{ X uint64 }])
		return definer(func(l *shm.Layout) { a.Define(l, "a", 4) })
	}
	name := brokenName(t)
	must(t, create(t, name, app(), nil).Close())
	b, err := os.ReadFile(pathOf(name))
	must(t, err)
	m := &image{t, b}
	m.replace(`"kind":"arena"`, `"kind":"arena","holder":true`)
	// All words behind the description: settled records, wherever they lie.
	for i := int(m.word(wordTextAt)+m.word(wordTextLen))/8 + 1; i < len(m.b)/8; i++ {
		m.set(i, 4<<60|1<<16)
	}
	must(t, os.WriteFile(pathOf(name), m.b, 0o600))
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("panic: %v", p)
		}
	}()
	img, err := shm.Inspect(name, nil)
	if err != nil {
		if !errors.Is(err, shm.ErrCorrupt) {
			t.Error(err)
		}
		return
	}
	defer img.Close()
	if _, err := img.Verify(); err != nil && !errors.Is(err, shm.ErrCorrupt) {
		t.Error(err)
	}
}

// Who closes while a post of his own meets a full ring leaves as the dead do: the
// post is not to look like that of whoever takes the slot next.
func TestClose_WithDebt(t *testing.T) {
	f := &farm{jobs: 2}
	s := shmtest.New(t, f, nil)
	g := &farm{jobs: 2}
	leaver, err := shm.Attach(s.Name(), g, nil)
	must(t, err)
	put := func(n uint64) shm.Ref[job] {
		c := newJob(t, g, "", n)
		must(t, g.Todo.TryPut(c))
		return c.Ref()
	}
	one := put(1)
	c, err := g.Todo.Take(one) // its slot stays behind,
	must(t, err)
	must(t, g.Todo.TryPut(c)) // and it waits in the second
	two := put(2)
	c, err = g.Todo.Take(two)
	must(t, err)
	if err := g.Todo.TryPut(c); !errors.Is(err, shm.ErrFull) {
		t.Fatalf("the ring is not full: %v: nothing is tested", err)
	}
	var busy *shm.BusyError
	if err := leaver.Close(); !errors.As(err, &busy) { // gives the claim back: a post that finds no slot
		t.Fatal(err)
	}
	next, err := shm.Attach(s.Name(), &farm{jobs: 2}, nil)
	must(t, err)
	defer next.Close()
	got := map[uint64]bool{}
	for range 2 {
		c, err := f.Todo.Get(limit(t))
		must(t, err)
		got[c.Record().Number] = true
		must(t, c.Free())
	}
	if !got[1] || !got[2] {
		t.Fatalf("got %v", got)
	}
	shmtest.Verify(t, s)
}
