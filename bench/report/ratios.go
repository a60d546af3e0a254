package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// A target is a ratio of two benchmarks of one round, or one figure when over is
// "", and what it is to be.
type target struct {
	what, of, over, unit string
	limit                float64
	atLeast              bool
}

var targets = []target{
	{"round trip, polling, ring / cache line, median trip", "RoundTrip/kind=ring", "RoundTrip/kind=cacheline", "p50-ns", 2.5, false},
	{"round trip, asleep, ring / futex in C, one processor, median trip", "RoundTrip/kind=ring-blocking/place=same", "RoundTrip/kind=futex-c/place=same", "p50-ns", 1.2, false},
	{"the same, a processor each", "RoundTrip/kind=ring-blocking/place=apart", "RoundTrip/kind=futex-c/place=apart", "p50-ns", 1.2, false},
	{"round trip, asleep, all busy, one processor, p99", "RoundTrip/kind=ring-blocking/place=same/load=2", "RoundTrip/kind=futex-c/place=same/load=2", "p99-ns", 2, false},
	{"the same, a processor each", "RoundTrip/kind=ring-blocking/place=apart/load=2", "RoundTrip/kind=futex-c/place=apart/load=2", "p99-ns", 2, false},
	{"the same, as the kernel places them", "RoundTrip/kind=ring-blocking/load=2", "RoundTrip/kind=futex-c/load=2", "p99-ns", 2, false},
	{"1 producer, 1 consumer, single: ring / rte_ring", "Throughput/kind=ring/producers=1/consumers=1/batch=1", "Throughput/kind=rte_ring/producers=1/consumers=1/batch=1", "transfers/s", 1, true},
	{"put and get: ring / Vyukov, processor time", "PutGet/kind=ring", "PutGet/kind=vyukov", "cpu-ns/op", 2.5, false},
	{"lookup among 10^6: index / array, as many cold lines", "Lookup/kind=index/records=1000000", "Lookup/kind=array/records=1000000", "ns/op", 1.5, false},
	{"attach to 1 GiB, ns", "Attach/size=1GiB", "", "attach-ns", 1e6, false},
	{"launch and end, net/rpc / shared memory", "Call/op=launch/mode=netrpc-unix", "Call/op=launch/mode=shm", "ns/op", 100, true},
	{"launch and end, gRPC / shared memory", "Call/op=launch/mode=grpc-unix", "Call/op=launch/mode=shm", "ns/op", 150, true},
	{"launch and end, Pyro5 / shared memory", "Call/op=launch/mode=pyro5", "Call/op=launch/mode=shm", "ns/op", 3000, true},
	{"ten idle processes, wake-ups a second", "Idle/mode=shm", "", "switches/s", 50, false},
	{"ten idle processes, us of processor a second (0.1 % of one for each: our reading of none)", "Idle/mode=shm", "", "cpu-us/s", 1e4, false},
}

// ratio is a median of the rounds, and the middle half of them.
type ratio struct {
	What             string
	Median, P25, P75 float64
	Target           string `json:",omitempty"`
	NotMeasured      string `json:",omitempty"` // why
	Met              *bool  `json:",omitempty"`
	Rounds           int
}

func (r *results) ratio(of, over, unit string) (v []float64) {
	v = slices.Clone(r.sample(of, unit))
	if over == "" {
		return v
	}
	by := r.sample(over, unit)
	v = v[:min(len(v), len(by))]
	for i := range v {
		v[i] /= by[i]
	}
	return v
}

func summary(what string, v []float64) ratio {
	return ratio{What: what, Median: median(v), P25: quantile(v, 0.25), P75: quantile(v, 0.75), Rounds: len(v)}
}

func (r *results) targets() (list []ratio) {
	for _, t := range targets {
		sign := "<="
		if t.atLeast {
			sign = ">="
		}
		s := ratio{What: t.what, NotMeasured: r.why(t.of, t.over)}
		if v := r.ratio(t.of, t.over, t.unit); len(v) > 0 {
			s = summary(t.what, v)
			met := s.Median <= t.limit
			if t.atLeast {
				met = s.Median >= t.limit
			}
			s.Met = &met
		}
		s.Target = fmt.Sprintf("%s %.3g", sign, t.limit)
		list = append(list, s)
	}
	return list
}

// why says why there are no values of one of these benchmarks.
func (r *results) why(names ...string) string {
	for _, missing := range slices.Sorted(maps.Keys(r.missing)) {
		for _, name := range names {
			if name == missing || strings.HasPrefix(name, missing+"/") {
				return r.missing[missing]
			}
		}
	}
	return "no values"
}

// against gives every mode over shm, operation by operation.
func (r *results) against() (list []ratio) {
	for _, name := range r.names {
		mode := part(name, "mode")
		if mode == "" || mode == "shm" {
			continue
		}
		unit := "ns/op"
		if strings.HasPrefix(name, "Idle") {
			continue
		}
		ours := strings.Replace(name, "mode="+mode, "mode=shm", 1)
		if v := r.ratio(name, ours, unit); len(v) > 0 {
			list = append(list, summary(name, v))
		}
	}
	return list
}

// document is the output of --json.
type document struct {
	Machine    []string
	Targets    []ratio
	OverShm    []ratio
	Missing    map[string]string
	Failed     map[string]int
	Benchmarks map[string]map[string][]float64
}

func (r *results) document() document {
	return document{r.config, r.targets(), r.against(), r.missing, r.failed, r.values}
}

func (r *results) print(w io.Writer) {
	fmt.Fprintln(w, strings.Join(r.config, ", "))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nTARGET\tWANTED\tMEDIAN\tMIDDLE HALF\tROUNDS\t\n")
	for _, s := range r.targets() {
		if s.Met == nil {
			fmt.Fprintf(t, "%s\t%s\tnot measured: %s\n", s.What, s.Target, s.NotMeasured)
			continue
		}
		met := "missed"
		if *s.Met {
			met = "met"
		}
		fmt.Fprintf(t, "%s\t%s\t%.4g\t%.4g to %.4g\t%d\t%s\n", s.What, s.Target, s.Median, s.P25, s.P75, s.Rounds, met)
	}
	_ = t.Flush()
	fmt.Fprintf(t, "\nTIME OVER THAT OF SHM\tMEDIAN\tMIDDLE HALF\tROUNDS\n")
	for _, s := range r.against() {
		fmt.Fprintf(t, "%s\t%.3g\t%.3g to %.3g\t%d\n", s.What, s.Median, s.P25, s.P75, s.Rounds)
	}
	_ = t.Flush()
	fmt.Fprintf(t, "\nBENCHMARK\tUNIT\tMEDIAN\tMIDDLE HALF\tROUNDS\n")
	for _, name := range r.names {
		for _, unit := range []string{"ns/op", "cpu-ns/op", "p50-ns", "p99-ns", "transfers/s", "attach-ns", "first-ns/record", "requests/s", "cpu-us/s", "switches/s", "pss-kB/process", "servers-pss-kB"} {
			if v := r.sample(name, unit); len(v) > 0 {
				fmt.Fprintf(t, "%s\t%s\t%.5g\t%.5g to %.5g\t%d\n", name, unit, median(v), quantile(v, 0.25), quantile(v, 0.75), len(v))
			}
		}
	}
	_ = t.Flush()
	for _, name := range slices.Sorted(maps.Keys(r.missing)) {
		fmt.Fprintf(w, "not measured: %s: %s\n", name, r.missing[name])
	}
	for _, name := range slices.Sorted(maps.Keys(r.failed)) {
		fmt.Fprintf(w, "FAILED: %s, in %d rounds\n", name, r.failed[name])
	}
}
