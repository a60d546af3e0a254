//go:build linux && (amd64 || arm64)

package storm

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/aotf/sharedmem/objects"
)

// Remains is what is found in the segments when every process has left and the
// dead were swept.
type remains struct {
	items    map[string]map[uint64]int // what is still there, how often
	held     map[string]int            // permits, locks and held names: nobody lives who could hold them
	leaked   map[string]int            // records in use when everything was taken out
	counted  uint64                    // of Counters
	users    map[uint64]ending         // requests that are still there
	charged  map[uint64]int            // unfinished requests by address, as the limiter counts
	queued   int                       // requests waiting at some step
	failures uint64                    // requests, legs and tweets that were delivered too often
	scans    map[uint64]bool           // by account: has it failed
	metrics  []objects.Mean
	read     uint64 // the counts that are in force
	images   int    // files of query images
	open     int    // legs of scans that are not closed
	legs     int    // legs that wait, to be listed or to be saved
}

type ending struct {
	ended   bool
	problem objects.Problem
}

// capacity is how many may have a right at one time.
var capacity = map[string]int{"permit": permits, "mutex": 1, "name": 1, "user": 1, "leg": 1, "quota": perAddress, "thread": 1}

// judge compares what the children said with what is left.
func judge(l *ledger, r *remains) (found []string) {
	found = append(found, l.bad...)
	fail := func(format string, args ...any) {
		if len(found) < 200 {
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	for _, kind := range []string{"job", "name", "parcel"} {
		l.balance(kind, r.items[kind], func(uint64) bool { return false }, fail)
	}
	// A tweet that killed its indexers is dropped, and its scan has failed by that.
	l.balance("tweet", r.items["tweet"], func(id uint64) bool {
		t := l.tweets[id]
		return t != nil && r.scans[t.leg>>1]
	}, fail)
	for right, spans := range l.rights {
		if at, n := most(spans); n > capacity[right.kind] {
			fail("%d had the %s %#x at %d, at most %d may", n, right.kind, right.id, at, capacity[right.kind])
		}
	}
	for kind, n := range r.held {
		if n != 0 {
			fail("%d of %s belong to the dead", n, kind)
		}
	}
	for kind, n := range r.leaked {
		if n != 0 {
			fail("%s: %d records leaked", kind, n)
		}
	}
	sure, maybe := uint64(0), uint64(0)
	for _, f := range l.items["job"] {
		sure, maybe = sure+uint64(f.came), maybe+uint64(f.maybeCame)
	}
	if r.counted < sure || r.counted > sure+maybe {
		fail("counted %d jobs, of %d sure and %d unknown", r.counted, sure, maybe)
	}
	l.judgeUsers(r, fail)
	l.judgeScans(r, fail)
	l.judgeMetrics(r, fail)
	l.judgeCounts(r, fail)
	l.judgeAllowed(fail)
	return found
}

// balance compares what came, what went and what is left of one kind of items.
func (l *ledger) balance(kind string, left map[uint64]int, excused func(uint64) bool, fail func(string, ...any)) {
	for id, f := range l.items[kind] {
		n := int(f.went) + left[id]
		switch {
		case n > 1:
			fail("%s %#x: %d times delivered to its end, and %d times still there", kind, id, f.went, left[id])
		case n == 0 && f.came > 0 && f.maybeWent == 0 && !excused(id):
			fail("%s %#x: lost", kind, id)
		case n > 0 && f.came+f.maybeCame == 0:
			fail("%s %#x: refused, and there all the same", kind, id)
		}
	}
	for id := range left {
		if l.items[kind][id] == nil {
			fail("%s %#x: never made", kind, id)
		}
	}
}

// most returns the greatest number of spans that cover one instant.
func most(spans []span) (when int64, n int) {
	type edge struct {
		at int64
		by int
	}
	var edges []edge
	for _, s := range spans {
		edges = append(edges, edge{s.from, 1}, edge{s.to, -1})
	}
	// A span that ends when another begins does not overlap it.
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.by, b.by)) })
	now := 0
	for _, e := range edges {
		if now += e.by; now > n {
			when, n = e.at, now
		}
	}
	return when, n
}
