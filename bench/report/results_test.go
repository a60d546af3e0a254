package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const sample = `goos: linux
pkg: example.org/bench
BenchmarkRoundTrip/kind=ring-2   	 10	 900 ns/op	 400.0 p50-ns	 0 B/op
BenchmarkRoundTrip/kind=cacheline-2   	 10	 300 ns/op	 200.0 p50-ns
BenchmarkCall/op=put/mode=shm   	 10	 100 ns/op
BenchmarkCall/op=put/mode=netrpc-tcp   	 10	 5000 ns/op
BenchmarkCall/op=put/mode=redis
    world_test.go:20: not installed: apt-get install redis-server
--- SKIP: BenchmarkCall/op=put/mode=redis
BenchmarkRoundTrip/kind=ring-2   	 10	 900 ns/op	 900.0 p50-ns
BenchmarkRoundTrip/kind=cacheline-2   	 10	 300 ns/op	 300.0 p50-ns
`

func TestResults(t *testing.T) {
	r := newResults()
	r.parse(sample)
	list := r.targets()
	if len(list) != len(targets) || list[0].Median != 2.5 || list[0].P25 != 2 || list[0].P75 != 3 || !*list[0].Met {
		t.Errorf("targets: %+v", list)
	}
	r.missing["Idle"] = "--quick"
	if last := r.targets()[len(targets)-1]; last.Met != nil || last.NotMeasured != "--quick" {
		t.Errorf("a target that was not measured: %+v", last)
	}
	if over := r.against(); len(over) != 1 || over[0].Median != 50 || over[0].What != "Call/op=put/mode=netrpc-tcp" {
		t.Errorf("modes over shm: %+v", over)
	}
	if why := r.missing["Call/op=put/mode=redis"]; why != "not installed: apt-get install redis-server" {
		t.Errorf("missing: %q", r.missing)
	}
	var text strings.Builder
	r.print(&text)
	for _, want := range []string{"not measured: --quick\n", "not measured: Idle: --quick\n", "not measured: no values\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	again := newResults()
	again.parse(r.raw())
	if again.raw() != r.raw() || len(again.names) != len(r.names) {
		t.Errorf("raw text read again:\n%s\nwas\n%s", again.raw(), r.raw())
	}
}

func TestPlots(t *testing.T) {
	r := newResults()
	r.parse(sample)
	dir := t.TempDir()
	if err := plots(r, dir); err != nil {
		t.Fatal(err)
	}
	svg, err := os.ReadFile(filepath.Join(dir, "roundtrip.svg"))
	if err != nil || !strings.Contains(string(svg), "cacheline") {
		t.Error("roundtrip.svg does not name its rows:", err)
	}
	svg, err = os.ReadFile(filepath.Join(dir, "calls.svg"))
	if err != nil || !strings.Contains(string(svg), "netrpc-tcp") || strings.Contains(string(svg), "redis") {
		t.Error("calls.svg does not name the modes that were measured, and no others:", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "lookup.svg")); err == nil {
		t.Error("a plot without values was written")
	}
}

func TestDecades(t *testing.T) {
	for v, want := range map[float64]string{10: "10 ns", 1e3: "1 µs", 1e5: "100 µs", 1e9: "1 s"} {
		if got := (decades{"ns"}).label(v); got != want {
			t.Errorf("%g: %q, want %q", v, got, want)
		}
	}
	if ticks := (decades{"ns"}).Ticks(10, 100); len(ticks) != 4 || ticks[2].Label != "50 ns" {
		t.Errorf("a short axis: %v", ticks)
	}
	ticks := decades{"requests"}.Ticks(1000, 1e6)
	if len(ticks) != 4 || ticks[0].Label != "1 k" || ticks[3].Label != "" {
		t.Errorf("%v", ticks)
	}
}
