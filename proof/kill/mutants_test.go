//go:build crashpoint

package kill

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A mutant is a defect put into a copy of the module. The campaign, or the part
// of it that concerns the defect, is to fail: that shows that its checks fire.
type mutant struct {
	name, file, old, new string
	run                  string // below TestKill
	gate                 bool   // also in a short run
}

var mutants = []mutant{
	{"what was posted into no slot stays there", "shm/sweep.go", "q.republish(i, h, r)", "_, _, _ = q, i, h", "alone/^put$", true},
	{"a put leaves the head behind", "shm/ring.go", "if at+n > t || q.head_", "if true || q.head_", "alone/^get$", false},
	{"a launch that was decided is undone", "shm/sweep.go", "case anchored && q != nil:", "case true:\n\t\t_ = a.release(mine)\n\tcase anchored && q != nil:", "recoverer/world/processes=8", true},
	{"a launch forgets where to", "shm/index.go", "if to != nil {\n\t\tif err", "if to != nil && c.c.a == nil {\n\t\tif err", "recoverer/world/processes=8", false},
	{"permits of the dead stay taken", "shm/semaphore.go", "!s.c.lives(owner, g) &&", "!s.c.lives(owner, g) && false &&", "alone/^acquire$", false},
	{"blobs that nothing names stay", "shm/sweep.go", "!a.named(i, h) && a.retireUnnamed(i, h)", "false", "alone/^blob-swing$", false},
	{"what was retiring stays so", "shm/sweep.go", "case New, Owned, Retiring:\n\t\t\tif c.ownerGone", "case New, Owned:\n\t\t\tif c.ownerGone", "alone/^delete$", false},
	{"a record in a bag stays without its bit", "shm/sweep.go", "if !q.bag.posted.has(ptSweepBit, i) {", "if false {", "alone/^bag-put$", false},
	{"a free record stays without its bit", "shm/sweep.go", "if !a.free.has(ptSweepBit, i) {", "if false {", "alone/^free-new$", false},
	{"what the dead had claimed is freed", "shm/sweep.go", "if h.state() == Owned && q != nil {", "if false {", "alone/^get$", false},
	{"a freed record stays in the index", "shm/records.go", "if a.index != nil {\n\t\tif err := a.index.remove", "if a.index != nil && a.n == 0 {\n\t\tif err := a.index.remove", "alone/^delete$", false},
	{"a freed record keeps its blobs", "shm/records.go", "a.dropBlobs(c.i, -1)", "", "alone/^free-claimed$", false},
	{"the slots of the dead stay taken", "shm/sweep.go", "if slotState(v) != slotDead || owns[i+1] || keep {", "if owns[i+1] || keep || true {", "alone/^get$", false},
	{"who takes a dead one's slot does not sweep", "shm/process.go", "c.adopt()\n", "", "recoverer/world/processes=1", false},
	{"the living are judged dead", "shm/process.go", "|| !k.lifeFree(i):", ":", "survivors/^put-on$", true},
	{"a leg that no token may list waits for one", "objects/listing.go", "|| s.blocksAll(rec.Blocks[0].Plain(), rec.Blocks[1].Plain())", "", "alone/^tree-list-blocked$", false},
}

// A short run takes those that show each of the campaigns: alone, recoverer, survivors.
func TestMutants(t *testing.T) {
	caught, tried := 0, 0
	for _, m := range mutants {
		if !full && !m.gate {
			continue
		}
		tried++
		t.Run(m.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, part := range []string{"shm", "objects", "proof", "go.mod", "go.sum"} {
				if out, err := exec.Command("cp", "-r", filepath.Join("..", "..", part), dir).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			file := filepath.Join(dir, m.file)
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(string(source), m.old) != 1 {
				t.Fatalf("%s: %d times %q, want once: the mutant is to follow the code", m.file, strings.Count(string(source), m.old), m.old)
			}
			if err := os.WriteFile(file, []byte(strings.Replace(string(source), m.old, m.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			program := filepath.Join(dir, "kill.test")
			build := exec.Command("go", "test", "-c", "-vet=off", "-tags", "crashpoint", "-o", program, "./kill")
			build.Dir, build.Env = filepath.Join(dir, "proof"), append(os.Environ(), "GOWORK=off", "GOFLAGS=")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("the mutant does not compile: %v\n%s", err, out)
			}
			run := exec.Command(program, "-test.run", "TestKill/"+m.run, "-test.failfast", "-test.timeout", "2m")
			out, err := run.CombinedOutput()
			var failed *exec.ExitError
			if !errors.As(err, &failed) || !strings.Contains(string(out), "FAIL") {
				t.Fatalf("the campaign does not notice: %v\n%s", err, out)
			}
			caught++
		})
	}
	t.Logf("%d of %d mutants caught, of %d", caught, tried, len(mutants))
}
