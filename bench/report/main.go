// Command report runs the benchmarks of this module and writes what they found:
// tables of ratios, plots, and the raw text for benchstat.
//
//	go run ./bench/report [--quick] [--rounds N] [--only REGEXP] [--out DIR] [--json] [--from FILE]
//
// All benchmarks run once in every round, one after the other, so that the sides
// of a ratio saw the same machine. What is not installed is left out, and named.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// quickTime is what a quick run may take before its last round.
const quickTime = 100 * time.Second

const module = "github.com/aotf/sharedmem/bench"

// A suite is one call of go test.
type suite struct {
	pkg, names  string        // of benchmarks, with | between
	full, quick string        // time for one benchmark; "" leaves the suite out
	fullTook    time.Duration // a round, on two processors of 2026 that are busy with more
	quickTook   time.Duration
	env         []string
}

func (s suite) bench() string { return "^Benchmark(" + s.names + ")$" }

// leftOut says why a run leaves the suite out, if it does.
func (s suite) leftOut(quick bool, only *regexp.Regexp) string {
	switch {
	case quick && s.quick == "":
		return "--quick"
	case !only.MatchString(s.pkg + " " + s.bench()):
		return "--only"
	}
	return ""
}

var suites = []suite{
	{pkg: "./primitives", names: "RoundTrip|Throughput|PutGet|AllocFree", full: "0.2s", quick: "50ms", fullTook: 20 * time.Second, quickTook: 10 * time.Second},
	{pkg: "./primitives", names: "Lookup|Pages|Attach|Attached|Options", full: "0.1s", quick: "20ms", fullTook: 12 * time.Second, quickTook: 5 * time.Second},
	{pkg: ".", names: "Call", full: "50ms", quick: "10ms", fullTook: 30 * time.Second, quickTook: 18 * time.Second},
	{pkg: ".", names: "Handoff", full: "200x", quick: "50x", fullTook: 4 * time.Second, quickTook: 2 * time.Second},
	{pkg: ".", names: "Pipeline|Growth|Scale", full: "0.1s", fullTook: 100 * time.Second, env: []string{"BENCH_GROWTH=1000000", "BENCH_SCALE=64"}},
	{pkg: ".", names: "Idle", full: "5x", fullTook: 55 * time.Second},
}

func main() {
	quick := flag.Bool("quick", false, "less of everything, in under two minutes")
	rounds := flag.Int("rounds", 10, "how often everything is run")
	only := flag.String("only", "", "run suites of which this regular expression matches the package and benchmarks")
	out := flag.String("out", "bench-report", "directory for the plots and the raw text")
	asJSON := flag.Bool("json", false, "print JSON")
	from := flag.String("from", "", "run nothing, read the text of an earlier run")
	flag.Parse()
	if err := report(*quick, *rounds, *only, *out, *asJSON, *from); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func report(quick bool, rounds int, only, out string, asJSON bool, from string) error {
	r := newResults()
	if from != "" {
		text, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		r.parse(string(text))
	} else if err := measure(r, quick, rounds, only); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	raw := filepath.Join(out, "raw.txt")
	if filepath.Clean(from) != raw {
		if err := os.WriteFile(raw, []byte(r.raw()), 0o644); err != nil {
			return err
		}
	}
	if err := plots(r, out); err != nil {
		return err
	}
	if asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		if err := e.Encode(r.document()); err != nil {
			return err
		}
	} else {
		r.print(os.Stdout)
		fmt.Printf("\nPlots and %s are in %s.\n", filepath.Base(raw), out)
	}
	if len(r.failed) > 0 {
		return fmt.Errorf("%d suites failed; what the others measured is printed", len(r.failed))
	}
	return nil
}

// measure says how long it will take, and runs the rounds.
func measure(r *results, quick bool, rounds int, only string) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return fmt.Errorf("find %s: %w; run this inside the repository", module, err)
	}
	var estimate time.Duration
	for _, s := range suites {
		if why := s.leftOut(quick, wanted); why != "" {
			for name := range strings.SplitSeq(s.names, "|") {
				r.missing[name] = why
			}
		} else if quick {
			estimate += s.quickTook
		} else {
			estimate += s.fullTook
		}
	}
	if quick { // a round that would end too late is not begun
		rounds = max(1, min(rounds, int(quickTime/max(estimate, 1))))
	}
	fmt.Fprintf(os.Stderr, "about %v, and the time to build: %d rounds of %v; more on a busy machine\n", time.Duration(rounds)*estimate, rounds, estimate)
	start := time.Now()
	var longest time.Duration
	for round := 1; round <= rounds; round++ {
		began := time.Now()
		if quick && time.Since(start)+longest > quickTime {
			break
		}
		for _, s := range suites {
			if s.leftOut(quick, wanted) == "" {
				s.run(r, quick, strings.TrimSpace(string(dir)), fmt.Sprintf("round %d of %d", round, rounds))
			}
		}
		took := time.Since(began)
		longest = max(longest, took)
		if !quick {
			fmt.Fprintf(os.Stderr, "%v left, about\n", (took * time.Duration(rounds-round)).Round(time.Second))
		}
	}
	if len(r.names) == 0 {
		return fmt.Errorf("nothing was measured on %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	return nil
}

// run adds the suite's values of a round. A failure is noted, and the rest goes on.
func (s suite) run(r *results, quick bool, dir, round string) {
	per := s.full
	if quick {
		per = s.quick
	}
	fmt.Fprintf(os.Stderr, "%s, %s %s, %s each\n", round, s.pkg, s.bench(), per)
	c := exec.Command("go", "test", "-v", "-run", "^$", "-bench", s.bench(), "-benchtime", per, "-timeout", "20m", s.pkg)
	c.Dir = dir
	c.Env = append(os.Environ(), s.env...)
	c.Stderr = os.Stderr
	text, err := c.Output()
	r.parse(string(text))
	if err != nil {
		_, _ = io.WriteString(os.Stderr, tail(string(text), 2000))
		fmt.Fprintf(os.Stderr, "%s %s: %v; the rest goes on\n", s.pkg, s.bench(), err)
		r.failed[s.pkg+" "+s.bench()]++
	}
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }
