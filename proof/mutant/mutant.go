// Package mutant shows that a campaign sees: it builds the tests of a package over
// a library with defects in it, and runs them with one of the defects at a time.
package mutant

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
)

// A Mutant is one defect, and the tests that are to find it.
type Mutant struct {
	Name string
	File string   // of the module
	Old  string   // stands in it once
	New  string   // takes its place; MUTANT is true in it when this mutant runs
	Run  string   // the tests, as for go test -run
	Env  []string // and their settings
	Want string   // what they say when they fail
}

// Test runs each mutant in a program of its own. All are in one build.
func Test(t *testing.T, tags string, mutants ...Mutant) {
	t.Helper()
	program := build(t, tags, mutants)
	caught := 0
	defer func() { t.Logf("%d of %d mutants caught", caught, len(mutants)) }()
	for _, m := range mutants {
		t.Run(m.Name, func(t *testing.T) {
			run := exec.CommandContext(t.Context(), program, "-test.run", m.Run, "-test.failfast", "-test.v", "-test.timeout", "5m")
			run.Env = append(append(os.Environ(), "PROOF_FULL=", "PROOF_MUTANT="+m.Name), m.Env...)
			out, err := run.CombinedOutput()
			var failed *exec.ExitError
			switch {
			case err != nil && !errors.As(err, &failed):
				t.Fatal(err)
			case err == nil:
				t.Errorf("not noticed:\n%s", out)
			case !strings.Contains(string(out), "--- FAIL") || !strings.Contains(string(out), m.Want):
				t.Errorf("it failed for another reason than %q:\n%s", m.Want, out)
			default:
				caught++
			}
		})
	}
}

// build compiles the tests of the package in the working directory, with copies of
// the files that have defects in the place of the originals.
func build(t *testing.T, tags string, mutants []Mutant) (program string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	world.Must(t, err)
	text := map[string]string{} // of the changed files
	for _, m := range mutants {
		path := filepath.Join(root, m.File)
		if text[path] == "" {
			b, err := os.ReadFile(path)
			world.Must(t, err)
			text[path] = string(b)
		}
		if n := strings.Count(text[path], m.Old); n != 1 {
			t.Fatalf("%s: %q is in it %d times, want once: the mutant is to follow the code", m.File, m.Old, n)
		}
		changed := strings.ReplaceAll(m.New, "MUTANT", "(mutant == "+strconv.Quote(m.Name)+")")
		text[path] = strings.Replace(text[path], m.Old, changed, 1)
		dir := filepath.Dir(path)
		text[filepath.Join(dir, "mutant.go")] = "package " + filepath.Base(dir) + "\n\nimport \"os\"\n\nvar mutant = os.Getenv(\"PROOF_MUTANT\")\n"
	}
	dir := t.TempDir()
	replace := map[string]string{}
	for path, s := range text {
		replace[path] = filepath.Join(dir, strings.ReplaceAll(strings.TrimPrefix(path, root), string(filepath.Separator), "_"))
		world.Must(t, os.WriteFile(replace[path], []byte(s), 0o600))
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	world.Must(t, err)
	overlay := filepath.Join(dir, "overlay.json")
	world.Must(t, os.WriteFile(overlay, b, 0o600))
	program = filepath.Join(dir, "mutants.test")
	out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-tags", tags, "-overlay", overlay, "-o", program, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("the mutants do not compile: %v\n%s", err, out)
	}
	return program
}
