//go:build linux && (amd64 || arm64)

package instr

import (
	"slices"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// accounts is the application of the negative control: what moves from one cell
// to the other is in neither in between.
type accounts struct{ from, to shm.Cell }

func (a *accounts) Define(l *shm.Layout) {
	a.from.Define(l, "from")
	a.to.Define(l, "to")
}

// transfer is wrong: a process that is killed in its middle loses the amount.
var transfer = world.Operation{
	Name: "torn-transfer",
	Stage: func(t testing.TB, processes int) string {
		name, a := shmtest.Name(t), &accounts{}
		s, err := shm.Create(name, a, &shm.Options{Capacity: map[string]int{"processes": processes}})
		world.Must(t, err)
		if !a.from.CompareAndSwap(0, 100) {
			t.Fatal("a new cell is not 0")
		}
		world.Must(t, s.Close())
		return name
	},
	Attach: func(segment string) func(func(string)) {
		a := &accounts{}
		must(shm.Attach(segment, a, nil))
		return func(func(string)) {
			a.from.CompareAndSwap(100, 60)
			a.to.CompareAndSwap(0, 40)
		}
	},
	Audit: func(t testing.TB, segment string, _ map[string]bool) {
		a := &accounts{}
		s, err := shm.Attach(segment, a, nil)
		world.Must(t, err)
		defer s.Close()
		if sum := a.from.Load() + a.to.Load(); sum != 100 {
			t.Errorf("the accounts hold %d, want 100", sum)
		}
	},
}

// The harness finds the torn transfer, between the two stores and nowhere else.
func TestInstructions_Control(t *testing.T) {
	children(t)
	c := record(t, transfer)
	o := c.run(t, all(c.instructions()))
	slices.Sort(o.torn)
	if len(o.torn) == 0 {
		t.Fatalf("%d kills, and none of them tore the transfer", o.kills)
	}
	first, last := o.torn[0], o.torn[len(o.torn)-1]
	t.Logf("torn when killed after %d of %d instructions, %d to %d", len(o.torn), o.instructions, first, last)
	t.Log(o.first[0])
	if o.kills-o.strayed != o.instructions || first == 1 || last == o.instructions {
		t.Errorf("%+v", o)
	}
	if o.strayed == 0 && last-first+1 != len(o.torn) {
		t.Errorf("whole between two that are torn: %v", o.torn)
	}
}
