//go:build linux && (amd64 || arm64)

package storm

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
)

// figures are what the storm measures, over all rounds.
type figures struct {
	mu         sync.Mutex
	kills      int
	unattached int // killed before they were registered
	foreign    int
	killing    time.Duration
	calls      uint64
	controls   uint64
	slow       []pause // of live processes, while they were not stopped
	slowAlone  []pause // of the control
	stops      int
	pending    []death
	ended      []time.Duration // from the kill to the end of the process
	noticed    []time.Duration // from the end to the verdict
	recovered  []time.Duration // from the kill to the free slot
	watched    []time.Duration // from the end to the free slot, of those that a pidfd can watch
	asked      []time.Duration // the same, of those in other PID namespaces
	unseen     int
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
	for _, s := range p.slow {
		if !slices.ContainsFunc(p.stops, func(stop span) bool { return s.from < stop.to && stop.from < s.to }) {
			f.slow = append(f.slow, s)
		}
	}
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

func (f *figures) control(p *child, calls uint64) {
	f.controls += calls
	f.slowAlone = append(f.slowAlone, p.slow...)
}

// A watch notes, for each slot and generation of the registries, when the slot
// was free again. It looks often enough: between two deaths on one slot a process
// has to start.
type watch struct {
	f      *figures
	images map[string]*shm.Image
	freed  map[hello]shm.Death // by the generation that died
	gens   map[[2]string]uint64
	stop   chan struct{}
	done   chan struct{}
}

func startWatch(t *testing.T, f *figures, farm, tree string) *watch {
	w := &watch{f: f, images: map[string]*shm.Image{}, freed: map[hello]shm.Death{}, gens: map[[2]string]uint64{},
		stop: make(chan struct{}), done: make(chan struct{})}
	for kind, name := range map[string]string{"farm": farm, "tree": tree} {
		m, err := shm.Inspect(name, nil)
		world.Must(t, err)
		w.images[kind] = m
	}
	go func() {
		defer close(w.done)
		for {
			select {
			case <-w.stop:
				return
			case <-time.After(2 * time.Millisecond):
				w.look(t)
			}
		}
	}()
	return w
}

func (w *watch) look(t *testing.T) {
	for segment, m := range w.images {
		deaths, err := m.Deaths()
		if err != nil {
			t.Error(err)
			return
		}
		for _, d := range deaths {
			slot := [2]string{segment, fmt.Sprint(d.Slot)}
			if gen := uint64(d.Gen); gen != w.gens[slot] && gen > 0 {
				w.gens[slot] = gen
				w.freed[hello{segment, uint64(d.Slot), gen - 1}] = d
			}
		}
	}
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	w.f.pending = slices.DeleteFunc(w.f.pending, func(p death) bool {
		d, ok := w.freed[p.hello]
		switch {
		case ok && int64(d.Swept) > p.killed:
			// The verdict may come a moment before the end can be seen.
			w.f.noticed = append(w.f.noticed, max(0, d.Noticed-time.Duration(p.ended)))
			w.f.recovered = append(w.f.recovered, d.Swept-time.Duration(p.killed))
			after := max(0, d.Swept-time.Duration(p.ended))
			if p.foreign {
				w.f.asked = append(w.f.asked, after)
			} else {
				w.f.watched = append(w.f.watched, after)
			}
			return true
		case w.gens[[2]string{p.segment, fmt.Sprint(p.slot)}] > p.gen:
			w.f.unseen++ // two generations between two looks
			return true
		case time.Duration(clock()-p.killed) > tooLate:
			t.Errorf("slot %d of the %s was not free %v after its process was killed", p.slot, p.segment, tooLate)
			return true
		}
		return false
	})
}

// finish waits until all deaths are recovered, or too late. Deaths of the last
// moment may have nobody left to see them: then the audit's attach does.
func (w *watch) finish(t *testing.T) {
	close(w.stop)
	<-w.done
	w.look(t)
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	w.f.unseen += len(w.f.pending)
	w.f.pending = nil
	for _, m := range w.images {
		world.Must(t, m.Close())
	}
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

func pauses(slow []pause, calls uint64) string {
	var longest time.Duration
	var op string
	var over [3]int
	for _, s := range slow {
		took := time.Duration(s.to - s.from)
		if took > longest {
			longest, op = took, s.op
		}
		for i, limit := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond} {
			if took >= limit {
				over[i]++
			}
		}
	}
	return fmt.Sprintf("longest %v %s; of %d calls %d took 1 ms or more, %d 10 ms, %d 100 ms", longest.Round(10*time.Microsecond), op, calls, over[0], over[1], over[2])
}

func loadAverage() string {
	b, _ := os.ReadFile("/proc/loadavg")
	s, _, _ := strings.Cut(string(b), " ")
	return s
}

func (f *figures) print(t *testing.T) {
	t.Logf("%d kills, %.0f a second; %d in other PID namespaces, %d before they were registered; %d stops",
		f.kills, float64(f.kills)/f.killing.Seconds(), f.foreign, f.unattached, f.stops)
	t.Logf("kill to complete recovery:     %s; %d not seen", quantiles(f.recovered), f.unseen)
	t.Logf("  kill to end of the process:  %s", quantiles(f.ended))
	t.Logf("  end to verdict:              %s", quantiles(f.noticed))
	t.Logf("  end to complete recovery:    %s", quantiles(f.watched))
	t.Logf("  in other PID namespaces:     %s", quantiles(f.asked))
	t.Logf("calls that do not block: %s", pauses(f.slow, f.calls))
	t.Logf("the same, not shared:    %s", pauses(f.slowAlone, f.controls))
}

// summary says how much happened to each kind of items.
func (l *ledger) summary(t *testing.T) {
	for _, kind := range []string{"job", "name", "parcel", "user", "scan", "tweet"} {
		var n fate64
		for _, f := range l.items[kind] {
			n.came, n.maybeCame = n.came+int(f.came), n.maybeCame+int(f.maybeCame)
			n.went, n.maybeWent = n.went+int(f.went), n.maybeWent+int(f.maybeWent)
		}
		t.Logf("%-7s %7d came, %3d unknown; %7d went, %3d unknown", kind, n.came, n.maybeCame, n.went, n.maybeWent)
		if n.came == 0 || n.went == 0 && kind != "scan" {
			t.Errorf("no %s came and went: the storm tests nothing", kind)
		}
	}
	spans := map[string]int{}
	for r, s := range l.rights {
		spans[r.kind] += len(s)
	}
	t.Logf("rights held: %v; cursors saved: %d; parcels delivered again: %d", spans, len(l.saved), l.redelivered)
	for kind := range capacity {
		if spans[kind] == 0 && kind != "quota" {
			t.Errorf("nobody had a %s: the storm tests nothing", kind)
		}
	}
	if len(l.saved) == 0 {
		t.Error("no cursor was saved: the storm tests nothing")
	}
}

type fate64 struct{ came, maybeCame, went, maybeWent int }
