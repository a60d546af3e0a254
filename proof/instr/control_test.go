//go:build linux && (amd64 || arm64)

package instr

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
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

// A launch that does not say where its record is to go before it is decided is
// lost when the process dies between decision and post. The campaign, run on a
// copy of the module with that defect, says so.
func TestInstructions_Mutant(t *testing.T) {
	mayTrace(t)
	const aim = "if to != nil {\n\t\tif err := c.Aim(to); err != nil {"
	dir := copyModule(t, "../..")
	file := filepath.Join(dir, "shm", "index.go")
	b, err := os.ReadFile(file)
	world.Must(t, err)
	if strings.Count(string(b), aim) != 1 {
		t.Fatal("the mutant does not fit the source any more")
	}
	b = []byte(strings.Replace(string(b), aim, strings.Replace(aim, "to != nil", "false", 1), 1))
	world.Must(t, os.WriteFile(file, b, 0o600))
	cmd := exec.Command("go", "test", "-count=1", "-run", "^TestInstructions$/^op=insert$", "./instr")
	cmd.Dir = filepath.Join(dir, "proof")
	cmd.Env = append(os.Environ(), "GOWORK=off", "PROOF_FULL=")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "killed after instruction") || !strings.Contains(string(out), "job 10 is in settled") {
		t.Errorf("the mutant was not found: %v\n%s", err, out)
	}
}

// copyModule copies the module without what git keeps.
func copyModule(t *testing.T, from string) (to string) {
	t.Helper()
	to = t.TempDir()
	for _, part := range []string{"go.mod", "go.sum", "shm", "objects", "proof"} {
		if info, err := os.Stat(filepath.Join(from, part)); err == nil && info.IsDir() {
			world.Must(t, os.CopyFS(filepath.Join(to, part), os.DirFS(filepath.Join(from, part))))
			continue
		}
		b, err := os.ReadFile(filepath.Join(from, part))
		world.Must(t, err)
		world.Must(t, os.WriteFile(filepath.Join(to, part), b, 0o600))
	}
	return to
}
