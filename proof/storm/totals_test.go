//go:build linux && (amd64 || arm64)

package storm

import (
	"slices"
	"testing"
	"time"
)

// totals are how much happened to each kind of items and of calls.
type totals struct {
	items   map[string]*[4]int // came, unknown; went, unknown
	rights  map[string]int
	did     map[string]int
	inside  int
	holding int
}

// promised is what must happen in a storm, or it does not test that.
var promised = []string{"put-all", "get-all", "take-todo", "take-picky", "take-parcel", "sweep",
	"launch-direct", "launch-image", "fail-user", "expired", "blocked",
	"allowed", "metric", "finish", "set-counts", "read-counts", "list-threads", "message", "cursor"}

// rare is what a storm of half a minute or more has besides, on a busy machine too.
var rare = []string{"redelivered", "sweep-with-work", "stale", "blocked-by-all"}

const longStorm = 30 * time.Second

func (n *totals) add(l *ledger) {
	if n.items == nil {
		n.items, n.rights, n.did = map[string]*[4]int{}, map[string]int{}, map[string]int{}
	}
	for _, kind := range itemKinds {
		of := at(n.items, kind)
		for _, f := range l.items[kind] {
			for i, v := range []uint8{f.came, f.maybeCame, f.went, f.maybeWent} {
				of[i] += int(v)
			}
		}
	}
	for r, s := range l.rights {
		n.rights[r.kind] += len(s)
	}
	for what, times := range l.did {
		n.did[what] += times
	}
	for _, calls := range l.allowed {
		n.did["allowed"] += len(calls)
	}
	for _, m := range l.metrics {
		n.did["metric"] += int(m[0].sure)
	}
	n.did["expired"] += int(l.expired.sure)
	n.did["stale"] += len(l.stale)
	n.did["finish"] += int(l.finished.sure)
	n.did["set-counts"] += len(l.counts)
	n.did["read-counts"] += len(l.saw)
	n.did["cursor"] += len(l.saved)
	n.did["redelivered"] += l.redelivered
	n.inside += l.inside
	n.holding += l.holding
}

// missing names what never happened in a storm of that time.
func (n *totals) missing(d time.Duration) (list []string) {
	for _, kind := range itemKinds {
		if of := n.items[kind]; of == nil || of[0] == 0 || of[2] == 0 && kind != "scan" {
			list = append(list, kind)
		}
	}
	for kind := range capacity {
		if n.rights[kind] == 0 && kind != "quota" {
			list = append(list, kind)
		}
	}
	want := promised
	if d >= longStorm {
		want = slices.Concat(promised, rare)
	}
	for _, what := range want {
		if n.did[what] == 0 {
			list = append(list, what)
		}
	}
	return list
}

func (n *totals) print(t *testing.T) {
	t.Helper()
	for _, kind := range itemKinds {
		if of := n.items[kind]; of != nil {
			t.Logf("%-7s %7d came, %3d unknown; %7d went, %3d unknown", kind, of[0], of[1], of[2], of[3])
		}
	}
	t.Logf("rights held: %v", n.rights)
	t.Logf("happened: %v", n.did)
}
