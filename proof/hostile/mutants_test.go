//go:build linux && (amd64 || arm64)

package hostile

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
)

// A mutant is the library with one check missing. The suite must notice.
var mutants = []struct {
	name, file, old, new string
	why                  string // what the failing test says, so that a mutant that does not compile is no success
	gate                 bool   // also in a short run
}{
	{"ring: record in a slot", "ring.go", "if i >= q.arena.n {", "if false {", "index out of range", true},
	{"index: place of an open step", "buckets.go", "if e == nil || i >= x.arena.n {", "if false {", "index out of range|nil pointer", false},
	{"blob: length", "blob.go", "if n > a.obj.Record.Size-blobHead {", "if false {", "out of range", false},
	{"blob: memory before the check", "blob.go", "n := int(rec[1].load(ptBlobHolder) >> 32)\n",
		"n := int(rec[1].load(ptBlobHolder) >> 32)\n\tdst = append(dst, make([]byte, n&(1<<28-1))...)[:len(dst)]\n", "bytes allocated", true},
	{"insert: retries without end", "lookup.go", "for range retryBudget {\n\t\tc := x.control(b).load(ptIndexControl)", "for {\n\t\tc := x.control(b).load(ptIndexControl)",
		"hangs", false},
}

func TestMutants(t *testing.T) {
	tried := 0
	for _, m := range mutants {
		if !full && !m.gate {
			continue
		}
		tried++
		t.Run(strings.ReplaceAll(m.name, " ", "-"), func(t *testing.T) {
			source, err := filepath.Abs("../../shm/" + m.file)
			world.Must(t, err)
			b, err := os.ReadFile(source)
			world.Must(t, err)
			if strings.Count(string(b), m.old) == 0 {
				t.Fatalf("%s has no %q", m.file, m.old)
			}
			folder := t.TempDir()
			world.Must(t, os.WriteFile(folder+"/mutant.go", []byte(strings.ReplaceAll(string(b), m.old, m.new)), 0o600))
			overlay, err := json.Marshal(map[string]map[string]string{"Replace": {source: folder + "/mutant.go"}})
			world.Must(t, err)
			world.Must(t, os.WriteFile(folder+"/overlay.json", overlay, 0o600))
			c := exec.Command("go", "test", "-vet=off", "-overlay", folder+"/overlay.json", "-run", "TestSeeds", ".")
			c.Env = append(os.Environ(), "PROOF_FULL=", "PROOF_SEED=", "PROOF_SEEDS=600")
			out, err := c.CombinedOutput()
			if err == nil || !regexp.MustCompile(m.why).Match(out) {
				t.Errorf("not noticed: %v\n%.3000s", err, out)
			}
		})
	}
	t.Logf("%d of %d mutants", tried, len(mutants))
}
