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
// caller, and of the hooks nothing is there. Only the end of a segment and the
// thread that looks after sleepers may call, where the compiler thinks that it is
// not worth it. With the tag the calls are there, which shows that the names are the
// right ones.
func TestPoints_CostNothing(t *testing.T) {
	const pkg = "github.com/aotf/sharedmem/shm."
	accesses := []string{"(*word).load", "(*word).store", "(*word).cas", "(*word).add", "(*word32).load", "(*word32).cas", "reach", "crash"}
	ordinary, tagged := calls(t), calls(t, "-tags", "crashpoint")
	for _, name := range hot {
		if _, ok := ordinary[pkg+name]; !ok {
			t.Errorf("%s is not in the program: its accesses were not looked at", name)
		}
	}
	for _, name := range accesses {
		for _, caller := range ordinary[pkg+name] {
			if caller != "" && !strings.Contains(caller, "retire") && !strings.Contains(caller, "(*crowd).serve") {
				t.Errorf("%s is called by %s in an ordinary build", name, caller)
			}
		}
	}
	for _, name := range []string{"(*word).cas", "(*word).store", "crash"} {
		if len(tagged[pkg+name]) < 2 {
			t.Errorf("%s is not called with the tag: the name has changed", name)
		}
	}
}

// hot are functions on the paths of every object.
var hot = []string{"(*ring).publish", "(*ring).get", "(*bag).get", "(*bag).moveTo", "(*index).find", "(*index).insert", "(*index).remove",
	"(*arena).load", "(*lane).post", "(*lane).claimPosted", "(*lane).takeOut", "(*Semaphore).TryAcquire", "(*Counters).Add"}

// calls builds a program that uses every object, the tests of proof/hostile, and
// returns its functions, with those of package shm that call them.
func calls(t *testing.T, flags ...string) map[string][]string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	args := append([]string{"test", "-c", "-vet=off", "-buildvcs=false", "-o", program}, flags...)
	c := exec.Command("go", append(args, "github.com/aotf/sharedmem/proof/hostile")...)
	c.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	out, err := exec.Command("go", "tool", "objdump", "-s", "sharedmem/shm", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	callers := map[string][]string{}
	caller := ""
	for line := range bytes.Lines(out) {
		f := strings.Fields(string(line))
		if len(f) > 1 && f[0] == "TEXT" {
			caller = strings.TrimSuffix(f[1], "(SB)")
			callers[caller] = append(callers[caller], "") // it is there, called or not
		}
		for i := range len(f) - 1 {
			if f[i] == "CALL" {
				name := strings.TrimSuffix(f[i+1], "(SB)")
				callers[name] = append(callers[name], caller)
			}
		}
	}
	return callers
}
