//go:build linux && (amd64 || arm64)

package storm

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// figures are what the storm measures and counts, over all rounds.
type figures struct {
	mu         sync.Mutex
	kills      int
	unattached int // killed before they were registered
	foreign    int
	noForeign  error // why no process can be in another PID namespace
	killing    time.Duration
	attached   int    // to both segments, all together, when one was killed
	work       pauses // calls that do not block, of live processes, while they were not stopped
	waits      pauses // how long past their time calls that wait returned, of the same
	workAlone  pauses // the same of the control
	waitsAlone pauses
	stops      int
	longStops  int
	pending    []death
	ended      []time.Duration // from the kill to the end of the process
	noticed    []time.Duration // from the end to the verdict
	recovered  []time.Duration // from the kill to the free slot
	watched    []time.Duration // from the end to the free slot, of those that a pidfd can watch
	asked      []time.Duration // the same, of those in other PID namespaces
	bounded    int             // recoveries of which is known only that they took no longer
	totals     totals
}

type death struct {
	hello
	killed  int64
	ended   int64
	foreign bool
}

// child takes in what is known of one that has ended.
func (f *figures) child(p *child) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stops += len(p.stops)
	running := func(s pause) bool {
		return !slices.ContainsFunc(p.stops, func(stop span) bool { return s.from < stop.to && stop.from < s.to })
	}
	f.work.add(p.slow, running)
	f.waits.add(p.late, running)
	if p.killed == 0 {
		return
	}
	f.kills++
	if p.foreign {
		f.foreign++
	}
	if len(p.hellos) == 0 {
		f.unattached++
	} else {
		f.ended = append(f.ended, time.Duration(p.ended-p.killed))
	}
	for _, h := range p.hellos {
		f.pending = append(f.pending, death{h, p.killed, p.ended, p.foreign})
	}
}

// ledger takes in what a round's lines add up to.
func (f *figures) ledger(l *ledger) {
	f.work.calls += l.calls
	f.waits.calls += l.waits
	f.totals.add(l)
}

func (f *figures) control(p *child, l *ledger) {
	every := func(pause) bool { return true }
	f.workAlone.add(p.slow, every)
	f.waitsAlone.add(p.late, every)
	f.workAlone.calls += l.calls
	f.waitsAlone.calls += l.waits
}

func quantiles(d []time.Duration) string {
	if len(d) == 0 {
		return "none"
	}
	slices.Sort(d)
	at := func(q float64) time.Duration {
		return d[min(len(d)-1, int(q*float64(len(d))))].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("p50 %v, p90 %v, p99 %v, max %v (%d)", at(0.5), at(0.9), at(0.99), at(1), len(d))
}

func (f *figures) print(t *testing.T) {
	t.Logf("%d kills, %.0f a second, among %d attached processes on average; %d in other PID namespaces, %d before they were registered; %d stops, %d of them for %v",
		f.kills, float64(f.kills)/f.killing.Seconds(), f.attached/max(1, f.kills), f.foreign, f.unattached, f.stops, f.longStops, stopLong)
	t.Logf("goroutines killed in the middle of a change that is logged: %d; with a right: %d", f.totals.inside, f.totals.holding)
	t.Logf("kill to complete recovery:     %s; %d of them at most so long", quantiles(f.recovered), f.bounded)
	t.Logf("  kill to end of the process:  %s", quantiles(f.ended))
	t.Logf("  end to verdict:              %s", quantiles(f.noticed))
	t.Logf("  end to complete recovery:    %s", quantiles(f.watched))
	t.Logf("  in other PID namespaces:     %s", quantiles(f.asked))
	t.Logf("calls that do not block:       %v", &f.work)
	t.Logf("  the same, not shared:        %v", &f.workAlone)
	t.Logf("calls that wait, past their time: %v", &f.waits)
	t.Logf("  the same, not shared:           %v", &f.waitsAlone)
	if f.noForeign != nil {
		t.Logf("this machine does not permit processes in other PID namespaces: %v", f.noForeign)
	}
	f.totals.print(t)
}

// judge holds what the figures promise.
func (f *figures) judge() (found []string) {
	if f.kills == 0 || len(f.recovered) == 0 {
		found = append(found, "nobody was killed: the storm tests nothing")
	}
	if f.foreign == 0 && f.noForeign == nil {
		found = append(found, "nobody was killed in another PID namespace: the storm tests nothing there")
	}
	if f.killing > longStorm && f.longStops == 0 {
		found = append(found, "nobody was stopped for long: the storm does not test that nobody waits")
	}
	for _, what := range f.totals.missing(f.killing) {
		found = append(found, fmt.Sprintf("%s: it never happened, the storm tests nothing of it", what))
	}
	return append(found, blocked(f)...)
}
