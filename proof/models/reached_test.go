package models

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A statement that no search reaches is a claim that nobody has checked. A verifier
// lists the statements of its model (pan -d -d) and, behind a search, those it did not
// reach. Each is to be reached in one variant of the model at least, but those on
// lines with the comment "unreached": they in none.

// statements tells of each statement of a variant whether it was reached. Its name
// is "line: text", with # for numbers, which differ between variants.
type statements map[string]bool

var (
	statementRE = regexp.MustCompile(`(?m)^\tstate +(\d+) .*\.pml:(\d+) => (.*)$`)
	unreachedRE = regexp.MustCompile(`(?m)^\t.*\.pml:(\d+), state (\d+), "`)
	numberRE    = regexp.MustCompile(`\d+`)
	// The end of a process that has none, and the deaths that stand behind every
	// statement (unless), also inside of atomic blocks where nobody dies; and else,
	// of which the statement behind it tells.
	artefactRE = regexp.MustCompile(`^(-end-|else|\(gone\[me\]\)|\(dead\[\( .*\]\))$`)
)

func statementsOf(listing, report string) statements {
	missed := map[string]bool{} // line and state
	for _, m := range unreachedRE.FindAllStringSubmatch(report, -1) {
		missed[m[1]+" "+m[2]] = true
	}
	s := statements{}
	for _, m := range statementRE.FindAllStringSubmatch(listing, -1) {
		state, line, text := m[1], m[2], m[3]
		if !artefactRE.MatchString(text) {
			name := line + ": " + numberRE.ReplaceAllString(text, "#")
			s[name] = s[name] || !missed[line+" "+state]
		}
	}
	return s
}

// checkReached is for all variants of one model that hold.
func checkReached(model string, variants []statements) (errs []error) {
	text, err := os.ReadFile(modelDir + "/" + model + ".pml")
	if err != nil {
		return []error{err}
	}
	lines := strings.Split(string(text), "\n")
	reached := statements{}
	for _, v := range variants {
		for name, yes := range v {
			reached[name] = reached[name] || yes
		}
	}
	for name, yes := range reached {
		var line int
		if _, err := fmt.Sscanf(name, "%d:", &line); err != nil || line > len(lines) {
			return []error{fmt.Errorf("%s.pml has no statement %q", model, name)}
		}
		switch never := strings.Contains(lines[line-1], "/* unreached"); {
		case !yes && !never:
			errs = append(errs, fmt.Errorf("%s.pml:%s is reached by no variant", model, name))
		case yes && never:
			errs = append(errs, fmt.Errorf("%s.pml:%s is reached, and its comment says that it is not", model, name))
		}
	}
	if len(reached) == 0 {
		errs = append(errs, fmt.Errorf("%s.pml: the verifier lists no statements", model))
	}
	return errs
}

// Without a death nobody sweeps; and a model without a listing is no model.
func TestReached(t *testing.T) {
	needSpin(t)
	d, err := check(variant{model: "index", defines: "CRASHES=0 OPS=1"}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	notSwept := func(err error) bool { return strings.Contains(err.Error(), "rret = #") }
	if errs := checkReached("index", []statements{d.reached}); !slices.ContainsFunc(errs, notSwept) {
		t.Errorf("not noticed: %v", errs)
	}
	if errs := checkReached("index", nil); len(errs) == 0 {
		t.Error("no listing at all passes")
	}
}
