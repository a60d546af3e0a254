// Package models runs the Promela models of docs/models in the checker Spin.
package models

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	modelDir  = "../../docs/models"
	megabytes = 3600    // of one verifier; Spin gives up beyond it, and the run fails
	deepest   = 3000000 // steps of one execution; the same
	longest   = 2 * time.Hour
)

// needSpin ends the test when the checker is missing: a proof that was not run
// is not a proof.
func needSpin(t *testing.T) {
	if testing.Short() {
		t.Skip("the models are not run with -short")
	}
	for _, tool := range []string{"spin", "cc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v: install it with \"apt-get install spin gcc\", or run with -short", err)
		}
	}
}

// A variant is one model with its bounds, as macros. Those called M_ are defects:
// the checker has to find an error.
type variant struct {
	model   string
	defines string
	full    bool // only with PROOF_FULL=1
}

func (v variant) mutant() bool { return strings.Contains(" "+v.defines, " M_") }

// A verdict is what one verifier said.
type verdict struct {
	errors   int
	complete bool
	why      string // not complete
	states   int
	depth    int
	took     time.Duration
	reached  statements // of a model that is to hold
}

// check runs the verifier over all interleavings of a variant.
func check(v variant, dir string) (d verdict, err error) {
	model, err := filepath.Abs(filepath.Join(modelDir, v.model+".pml"))
	if err != nil {
		return d, err
	}
	var defines []string
	for _, m := range strings.Fields(v.defines) {
		defines = append(defines, "-D"+m)
	}
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	command := func(name string, args ...string) (string, error) {
		c := exec.CommandContext(ctx, name, args...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		return string(out), err
	}
	if out, err := command("spin", append(append([]string{"-a"}, defines...), model)...); err != nil {
		return d, fmt.Errorf("spin -a: %w\n%s", err, out)
	}
	optimize := "-O2"
	if v.mutant() { // found sooner than the compiler is done
		optimize = "-O0"
	}
	if out, err := command("cc", optimize, "-w", "-DSAFETY", "-DCOLLAPSE", "-DNOFAIR", "-DVECTORSZ=2048",
		fmt.Sprint("-DMEMLIM=", megabytes), "-o", "pan", "pan.c"); err != nil {
		return d, fmt.Errorf("cc: %w\n%s", err, out)
	}
	started := time.Now()
	pan := filepath.Join(dir, "pan")
	out, err := command(pan, "-w22", fmt.Sprint("-m", deepest))
	d, perr := parse(out)
	d.took = time.Since(started)
	if perr != nil {
		return d, fmt.Errorf("the verifier: %w (%v)\n%s", perr, err, out)
	}
	if !v.mutant() {
		listing, err := command(pan, "-d", "-d")
		if err != nil {
			return d, fmt.Errorf("pan -d -d: %w\n%s", err, listing)
		}
		d.reached = statementsOf(listing, out)
	}
	if d.errors > 0 && !v.mutant() {
		trail, _ := command("spin", append(append([]string{"-t", "-p", "-g"}, defines...), model)...)
		if lines := strings.Split(trail, "\n"); len(lines) > 400 {
			trail = strings.Join(lines[len(lines)-400:], "\n")
		}
		fmt.Fprintf(os.Stderr, "%s %s\n%s\n%s\n", v.model, v.defines, out, trail)
	}
	return d, nil
}

var (
	errorsRE = regexp.MustCompile(`depth reached (\d+).*errors: (\d+)`)
	statesRE = regexp.MustCompile(`(\S+) states, stored`)
)

// parse reads a verifier's report. Without both figures there is no verdict.
func parse(out string) (d verdict, err error) {
	m, s := errorsRE.FindStringSubmatch(out), statesRE.FindStringSubmatch(out)
	if m == nil || s == nil {
		return d, fmt.Errorf("no verdict")
	}
	d.depth, _ = strconv.Atoi(m[1])
	d.errors, _ = strconv.Atoi(m[2])
	states, err := strconv.ParseFloat(s[1], 64) // large counts are printed as 1.2e+07
	d.states, d.complete = int(states), true
	for _, sign := range []string{"max search depth too small", "out of memory", "Search not completed", "Bit statespace", "truncated"} {
		if strings.Contains(out, sign) {
			d.complete, d.why = false, sign
		}
	}
	return d, err
}

func TestParse(t *testing.T) {
	const good = "State-vector 100 byte, depth reached 57, errors: 0\n      1234 states, stored\n"
	for _, c := range []struct {
		out      string
		errors   int
		complete bool
		verdict  bool
	}{
		{good, 0, true, true},
		{strings.Replace(good, "1234", "1.5e+07", 1), 0, true, true},
		{strings.Replace(good, "errors: 0", "errors: 1", 1), 1, true, true},
		{"error: max search depth too small\n" + good, 0, false, true},
		{"pan: reached -DMEMLIM bound\npan: out of memory\n" + good, 0, false, true},
		{"Warning: Search not completed\n" + good, 0, false, true},
		{"Segmentation fault", 0, false, false},
	} {
		d, err := parse(c.out)
		if (err == nil) != c.verdict || d.errors != c.errors || d.complete != c.complete {
			t.Errorf("%q: %+v, %v", c.out, d, err)
		}
	}
}

// A verifier that is not given room for the search must not pass.
func TestCheck_DepthTooSmall(t *testing.T) {
	needSpin(t)
	dir := t.TempDir()
	if _, err := check(variant{model: "bag", defines: "OPS=1"}, dir); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("./pan", "-n", "-m10")
	c.Dir = dir
	out, _ := c.CombinedOutput()
	if d, err := parse(string(out)); err != nil || d.complete {
		t.Errorf("a search of depth 10 passes for complete: %+v, %v\n%s", d, err, out)
	}
}
