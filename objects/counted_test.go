//go:build !crashpoint

package objects_test

import (
	"os/exec"
	"regexp"
	"testing"
)

// The lines are counted in a build that counts (tag crashpoint): this runs it.
func TestLines(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "test", "-tags", "crashpoint", "-run", "^TestLines_", "-v", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	counts := regexp.MustCompile(`lines per launch.*`).FindAll(out, -1)
	if len(counts) != 2 {
		t.Fatalf("nothing was counted:\n%s", out)
	}
	for _, c := range counts {
		t.Logf("%s", c)
	}
}
