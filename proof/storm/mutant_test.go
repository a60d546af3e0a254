//go:build linux && (amd64 || arm64)

package storm

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
)

// A library with one fault in it does not pass the storm.
func TestMutant(t *testing.T) {
	if os.Getenv("PROOF_MUTANT") != "" {
		t.Skip("this is the mutant")
	}
	if testing.Short() {
		t.Skip("builds the module once more")
	}
	for name, m := range map[string]struct{ file, old, new, want string }{
		"sweep-frees-claims": {"sweep.go", "if h.state() == Owned && q != nil {", "if false && h.state() == Owned && q != nil {", "lost"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, part := range []string{"go.mod", "go.sum", "shm", "objects", "proof/go.mod", "proof/go.sum", "proof/world", "proof/storm"} {
				world.Must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, part)), 0o700))
				src := filepath.Join("..", "..", part)
				if st, err := os.Stat(src); err != nil {
					t.Fatal(err)
				} else if st.IsDir() {
					world.Must(t, os.CopyFS(filepath.Join(dir, part), os.DirFS(src)))
				} else {
					b, err := os.ReadFile(src)
					world.Must(t, err)
					world.Must(t, os.WriteFile(filepath.Join(dir, part), b, 0o600))
				}
			}
			path := filepath.Join(dir, "shm", m.file)
			b, err := os.ReadFile(path)
			world.Must(t, err)
			if strings.Count(string(b), m.old) != 1 {
				t.Fatalf("%s: the line to change is not there: %q", m.file, m.old)
			}
			world.Must(t, os.WriteFile(path, []byte(strings.Replace(string(b), m.old, m.new, 1)), 0o600))
			cmd := exec.Command("go", "test", "-run", "TestStorm", "-v", "./storm")
			cmd.Dir = filepath.Join(dir, "proof")
			cmd.Env = append(os.Environ(), "GOWORK=off", "PROOF_MUTANT="+name, "PROOF_STORM=3s")
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), m.want) {
				t.Errorf("the mutant: %v, want %q in\n%s", err, m.want, out)
			}
		})
	}
}
