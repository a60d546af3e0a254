//go:build linux && (amd64 || arm64)

package instr

import (
	"slices"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// bank is the application of the negative controls: two sums that are 100
// together, in two cells and in two fields of a record.
type bank struct {
	from, to shm.Cell
	accounts shm.Arena[account]
	open     shm.Ring[account]
}

type account struct{ From, To uint64 }

func (b *bank) Define(l *shm.Layout) {
	b.from.Define(l, "from")
	b.to.Define(l, "to")
	b.accounts.Define(l, "accounts", 1)
	b.open.Define(l, "open", &b.accounts)
}

// torn are operations that are wrong: a process that is killed in the middle
// leaves other sums. The fields are moved by plain stores, which no hook in the
// library can see.
var torn = []world.Operation{
	bankOperation("torn-cells", func(b *bank, _ *account) {
		b.from.CompareAndSwap(100, 60)
		b.to.CompareAndSwap(0, 40)
	}),
	bankOperation("torn-fields", func(_ *bank, a *account) {
		a.From -= 40
		a.To += 40
	}),
}

func bankOperation(name string, transfer func(b *bank, a *account)) world.Operation {
	return world.Operation{
		Name: name,
		Stage: func(t testing.TB, processes int) string {
			name, b := shmtest.Name(t), &bank{}
			s, err := shm.Create(name, b, &shm.Options{Capacity: map[string]int{"processes": processes}})
			world.Must(t, err)
			c, err := b.accounts.TryNew()
			world.Must(t, err)
			c.Record().From = 100
			world.Must(t, b.open.TryPut(c))
			b.from.CompareAndSwap(0, 100)
			world.Must(t, s.Close())
			return name
		},
		Attach: func(segment string) func(func(string)) {
			b := &bank{}
			must(shm.Attach(segment, b, nil))
			record := must(b.open.TryGet()).Record()
			return func(func(string)) { transfer(b, record) }
		},
		Audit: func(t testing.TB, segment string, _ map[string]bool) {
			b := &bank{}
			s, err := shm.Attach(segment, b, nil)
			world.Must(t, err)
			defer s.Close()
			_, err = s.Sweep(t.Context())
			world.Must(t, err)
			c, err := b.open.TryGet()
			world.Must(t, err)
			a := *c.Record()
			world.Must(t, c.Free())
			if b.from.Load()+b.to.Load() != 100 || a.From+a.To != 100 {
				t.Errorf("the cells hold %d and %d, the fields %d and %d", b.from.Load(), b.to.Load(), a.From, a.To)
			}
		},
	}
}

// The harness finds each torn transfer between its two stores, and nowhere else.
func TestInstructions_Control(t *testing.T) {
	children(t)
	for _, op := range torn {
		t.Run("op="+op.Name, func(t *testing.T) {
			c := record(t, op)
			var at []int
			for k := 1; k <= len(c.trace)-2; k++ {
				at = append(at, k)
			}
			o := c.run(t, at)
			slices.Sort(o.torn)
			if len(o.torn) == 0 {
				t.Fatalf("%d kills, and none of them tore the transfer", o.kills)
			}
			first, last := o.torn[0], o.torn[len(o.torn)-1]
			t.Logf("torn when killed after %d of %d instructions, %d to %d", len(o.torn), len(at), first, last)
			t.Log(o.first[0])
			if o.kills-o.strayed != len(at) || first == 1 || last == len(at) {
				t.Errorf("%+v", o)
			}
			if o.strayed == 0 && last-first+1 != len(o.torn) {
				t.Errorf("whole between two that are torn: %v", o.torn)
			}
		})
	}
}
