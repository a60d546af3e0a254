//go:build crashpoint && !tinywidth

package stop

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
)

// Each mutant lacks one protection. It is a copy of one file, which replaces the
// original in a build of this package's tests; they must fail then.
var mutants = map[string]struct{ file, old, new, test string }{
	"a Free clears before its claim is proved": {
		"shm/records.go", "	if err := c.move(ptRetireOwn", "	clear(asPlain(a.rec(c.i)))\n	if err := c.move(ptRetireOwn",
		"TestLate_Free$",
	},
	"an Insert returns a record that was freed": {
		"shm/lookup.go", "				continue // it left the index after we read the entry\n", "				return r, nil\n",
		"TestLate_Insert",
	},
	"an Insert returns a record that is retiring": {
		"shm/lookup.go", "if h.state() != Retiring {", "if true {",
		"TestLate_Insert",
	},
	"a charge counts on a record that was freed": {
		"objects/address.go", "return err == nil // freed since", "return err != ErrStale //",
		"TestLate_Charge",
	},
	"the living are judged dead": {
		"shm/process.go", "|| !k.lifeFree(i):", ":",
		"TestStop_LockHolder",
	},
}

func TestMutants(t *testing.T) {
	if os.Getenv("PROOF_MUTANT") != "" {
		t.Skip("this is a mutant")
	}
	root, err := filepath.Abs("../..")
	world.Must(t, err)
	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			original := filepath.Join(root, m.file)
			text, err := os.ReadFile(original)
			world.Must(t, err)
			if strings.Count(string(text), m.old) != 1 {
				t.Fatalf("%s has changed: %q is in it %d times", m.file, m.old, strings.Count(string(text), m.old))
			}
			dir := t.TempDir()
			changed, overlay := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
			world.Must(t, os.WriteFile(changed, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600))
			b, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
			world.Must(t, err)
			world.Must(t, os.WriteFile(overlay, b, 0o600))
			run := exec.CommandContext(t.Context(), "go", "test", "-tags", "crashpoint", "-overlay", overlay, "-run", m.test, ".")
			run.Env = append(os.Environ(), "PROOF_MUTANT=1")
			out, err := run.CombinedOutput()
			switch {
			case err == nil:
				t.Errorf("not noticed:\n%s", out)
			case !strings.Contains(string(out), "--- FAIL: "+strings.TrimSuffix(m.test, "$")):
				t.Errorf("it failed for another reason:\n%s", out)
			}
		})
	}
}
