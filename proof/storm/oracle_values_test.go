//go:build linux && (amd64 || arm64)

package storm

import (
	"cmp"
	"slices"
	"time"

	"github.com/aotf/sharedmem/objects"
)

// judgeMetrics: nothing that was acknowledged is missing, and nothing is there
// that nobody has added.
func (l *ledger) judgeMetrics(r *remains, fail func(string, ...any)) {
	within := func(m objects.Metric, what string, got uint64, s sum) {
		if got < s.sure || got > s.sure+s.unknown {
			fail("metric %v has a %s of %d, of %d sure and %d unknown", m, what, got, s.sure, s.unknown)
		}
	}
	for m, mean := range r.metrics {
		if uint64(m) < metrics {
			sums := at(l.metrics, uint64(m))
			within(objects.Metric(m), "count", mean.Count, sums[0])
			within(objects.Metric(m), "sum", uint64(mean.Sum), sums[1])
		}
	}
	if len(r.metrics) > 0 {
		within(objects.UserFullTime, "count", r.metrics[objects.UserFullTime].Count, l.finished)
	}
}

// judgeCounts: who reads the counts sees none that are older than what had been
// set before, and none that nobody has tried to set.
func (l *ledger) judgeCounts(r *remains, fail func(string, ...any)) {
	set := slices.SortedFunc(slices.Values(l.counts), func(a, b reading) int { return cmp.Compare(a.at, b.at) })
	tried := map[uint64]bool{0: true}
	newest := make([]uint64, len(set)) // of those up to here
	for i, s := range set {
		tried[s.value] = true
		newest[i] = s.value
		if i > 0 {
			newest[i] = max(newest[i], newest[i-1])
		}
	}
	for _, s := range append(l.saw, reading{r.read, 1<<63 - 1}) {
		before, _ := slices.BinarySearchFunc(set, s.at, func(a reading, at int64) int { return cmp.Compare(a.at, at) })
		if before > 0 && s.value < newest[before-1] {
			fail("counts of %d were read from %d on, when those of %d had been set", s.value, s.at, newest[before-1])
		}
		if !tried[s.value] && !l.maybeCounts[s.value] {
			fail("counts of %d were read, and nobody has set them", s.value)
		}
	}
}

// interval is what has to lie between two HTTP requests of an address.
const interval = time.Second

// judgeAllowed: of two calls that said yes to an address, one may have been so late,
// and the other so early, that there was the interval between them. A call that
// was killed may have used the address, and nobody was told yes.
func (l *ledger) judgeAllowed(fail func(string, ...any)) {
	for a, calls := range l.allowed {
		slices.SortFunc(calls, func(a, b span) int { return cmp.Compare(a.to, b.to) })
		for i := 1; i < len(calls); i++ {
			if between := time.Duration(calls[i].to - calls[i-1].from); between <= interval-slack {
				fail("address %d was allowed two requests within %v", a, between)
			}
		}
	}
}

// slack is for clocks that are not read at the same instant; see shm.Now.
const slack = 5 * time.Millisecond
