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

const module = "github.com/aotf/sharedmem/bench"

// A suite is one call of go test.
type suite struct {
	pkg, bench  string
	full, quick string // time for one benchmark; "" leaves the suite out
	env         []string
}

var suites = []suite{
	{pkg: "./primitives", bench: "^Benchmark(RoundTrip|Throughput|PutGet|AllocFree)$", full: "0.2s", quick: "50ms"},
	{pkg: "./primitives", bench: "^Benchmark(Lookup|Pages|Attach|Attached|Options)$", full: "0.1s", quick: "20ms"},
	{pkg: ".", bench: "^BenchmarkCall$", full: "50ms", quick: "10ms"},
	{pkg: ".", bench: "^BenchmarkHandoff$", full: "200x", quick: "50x"},
	{pkg: ".", bench: "^Benchmark(Pipeline|Growth|Scale)$", full: "0.1s", env: []string{"BENCH_GROWTH=1000000", "BENCH_SCALE=64"}},
	{pkg: ".", bench: "^BenchmarkIdle$", full: "5x"},
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
		return e.Encode(r.document())
	}
	r.print(os.Stdout)
	fmt.Printf("\nPlots and %s are in %s.\n", filepath.Base(raw), out)
	return nil
}

// measure runs the rounds. A quick run starts no round that would end too late.
func measure(r *results, quick bool, rounds int, only string) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return fmt.Errorf("find %s: %w; run this inside the repository", module, err)
	}
	start := time.Now()
	var longest time.Duration
	for round := 1; round <= rounds; round++ {
		began := time.Now()
		if quick && time.Since(start)+longest > 100*time.Second {
			break
		}
		for _, s := range suites {
			per := s.full
			if quick {
				per = s.quick
			}
			if per == "" || !wanted.MatchString(s.pkg+" "+s.bench) {
				continue
			}
			fmt.Fprintf(os.Stderr, "round %d of %d, %s %s, %s each\n", round, rounds, s.pkg, s.bench, per)
			c := exec.Command("go", "test", "-v", "-run", "^$", "-bench", s.bench, "-benchtime", per, "-timeout", "20m", s.pkg)
			c.Dir = strings.TrimSpace(string(dir))
			c.Env = append(os.Environ(), s.env...)
			c.Stderr = os.Stderr
			text, err := c.Output()
			r.parse(string(text))
			if err != nil {
				_, _ = io.WriteString(os.Stderr, tail(string(text), 2000))
				fmt.Fprintf(os.Stderr, "%s %s: %v; the rest goes on\n", s.pkg, s.bench, err)
				r.failed[s.pkg+" "+s.bench]++
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

func tail(s string, n int) string { return s[max(0, len(s)-n):] }
