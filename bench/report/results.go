package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// results is what benchmarks printed: for each, by unit, a value for each round.
type results struct {
	names   []string // in order of appearance, without "Benchmark" and the processors
	values  map[string]map[string][]float64
	missing map[string]string // benchmarks that were skipped, and why
	failed  map[string]int
	config  []string // goos, cpu, pkg...
	lines   map[string][]string
	pkg     string
	pkgs    []string
}

func newResults() *results {
	return &results{values: map[string]map[string][]float64{}, missing: map[string]string{}, failed: map[string]int{}, lines: map[string][]string{}}
}

var (
	resultLine = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(\S+ \S+(?:\s+\S+ \S+)*)\s*$`)
	skipLine   = regexp.MustCompile(`^\s*--- SKIP: Benchmark(\S+)`)
	reasonLine = regexp.MustCompile(`^\s+\S+_test\.go:\d+: (.*)`)
)

// parse adds the text of go test -v -bench.
func (r *results) parse(text string) {
	reason := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if m := resultLine.FindStringSubmatch(line); m != nil {
			r.add(m[1], strings.Fields(m[2]))
			r.lines[r.pkg] = append(r.lines[r.pkg], line)
			continue
		}
		if m := reasonLine.FindStringSubmatch(line); m != nil {
			reason = m[1] // printed before the line that says what was skipped
		}
		if m := skipLine.FindStringSubmatch(line); m != nil {
			r.missing[m[1]] = reason
		}
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "pkg":
			r.pkg = value
			if !slices.Contains(r.pkgs, value) {
				r.pkgs = append(r.pkgs, value)
			}
		case "goos", "goarch", "cpu":
			if !slices.Contains(r.config, line) {
				r.config = append(r.config, line)
			}
		}
	}
}

func (r *results) add(name string, fields []string) {
	if r.values[name] == nil {
		r.values[name] = map[string][]float64{}
		r.names = append(r.names, name)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
			r.values[name][fields[i+1]] = append(r.values[name][fields[i+1]], v)
		}
	}
}

// raw is the text that benchstat reads.
func (r *results) raw() string {
	var s strings.Builder
	for _, c := range r.config {
		s.WriteString(c + "\n")
	}
	for _, p := range r.pkgs {
		s.WriteString("pkg: " + p + "\n")
		for _, l := range r.lines[p] {
			s.WriteString(l + "\n")
		}
	}
	return s.String()
}

// sample is a benchmark's values of one unit.
func (r *results) sample(name, unit string) []float64 { return r.values[name][unit] }

// median is the mean of the two in the middle when there is no single one.
func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// quantile of a sample that is not empty, without interpolation.
func quantile(v []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

// part is the value of a key in a name like Call/op=launch/mode=shm.
func part(name, key string) string {
	for p := range strings.SplitSeq(name, "/") {
		if k, v, ok := strings.Cut(p, "="); ok && k == key {
			return v
		}
	}
	return ""
}
