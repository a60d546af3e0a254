//go:build crashpoint

package kill

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// In an ordinary build the points cost nothing: every access is inlined into its
// caller, so that no function of that name is left in the program, and of the
// hooks nothing is there at all. With the tag they are there, which shows that
// the names are the right ones.
func TestPoints_CostNothing(t *testing.T) {
	left := symbols(t)
	var names []string
	for _, method := range []string{"(*word).load", "(*word).store", "(*word).cas", "(*word).add", "(*word32).load", "(*word32).cas",
		"reach", "crash", "arm", "AtAccess", "CrashAfter"} {
		names = append(names, "github.com/aotf/sharedmem/shm."+method)
	}
	for _, name := range names {
		if left[name] {
			t.Errorf("%s is called in an ordinary build", name)
		}
	}
	if !left["github.com/aotf/sharedmem/shm.(*arena).take"] {
		t.Error("the program does not use the package at all")
	}
	tagged := symbols(t, "-tags", "crashpoint")
	for _, name := range names[:len(names)-3] {
		if !tagged[name] && !strings.HasSuffix(name, "reach") {
			t.Errorf("%s is not called with the tag: the name has changed", name)
		}
	}
}

// symbols builds a program and returns what functions are in it.
func symbols(t *testing.T, flags ...string) map[string]bool {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	args := append([]string{"build", "-buildvcs=false", "-o", program}, flags...)
	c := exec.Command("go", append(args, "github.com/aotf/sharedmem/cmd/shmtool")...)
	c.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	out, err := exec.Command("go", "tool", "nm", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for line := range bytes.Lines(out) {
		if f := strings.Fields(string(line)); len(f) == 3 {
			found[f[2]] = true
		}
	}
	return found
}
