//go:build linux && (amd64 || arm64)

package peers

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
)

// TestTable holds that the tests exist that the table of this package names.
func TestTable(t *testing.T) {
	source, err := os.ReadFile("peers_test.go")
	world.Must(t, err)
	table, _, _ := strings.Cut(string(source), "\npackage ")
	have := map[string][]string{} // by package
	for pkg, dir := range map[string]string{"": ".", "shm": "../../shm", "proof/kill": "../kill", "proof/hostile": "../hostile"} {
		files, err := filepath.Glob(dir + "/*_test.go")
		world.Must(t, err)
		for _, f := range files {
			b, err := os.ReadFile(f)
			world.Must(t, err)
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(b), -1) {
				have[pkg] = append(have[pkg], m[1])
			}
		}
	}
	parts, named := []string{"recoverer"}, 0
	for _, op := range world.Operations() {
		parts = append(parts, "alone/"+op.Name)
	}
	for _, line := range strings.Split(table, "\n") {
		pkg := "" // the one named last before a test
		for _, w := range regexp.MustCompile(`\bshm\b|proof/\w+|;|\bTest\w+[*]?(/[\w/-]+)?`).FindAllString(line, -1) {
			name, part, parted := strings.Cut(w, "/")
			switch {
			case w == ";":
				pkg = ""
			case !strings.HasPrefix(w, "Test"):
				pkg = w
			case name == "TestTable":
			case parted && !slices.Contains(parts, part),
				!slices.ContainsFunc(have[pkg], func(x string) bool {
					all, prefix := strings.CutSuffix(name, "*")
					return x == name || prefix && strings.HasPrefix(x, all)
				}):
				t.Errorf("package %q has no %s", pkg, w)
			default:
				named++
			}
		}
	}
	if named < 30 {
		t.Errorf("only %d tests found in the table", named)
	}
}
