//go:build linux && (amd64 || arm64)

package storm

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
)

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
			// Two deaths on one slot between two looks: it was free before now.
			w.f.bounded++
			w.f.recovered = append(w.f.recovered, time.Duration(clock()-p.killed))
			return true
		case time.Duration(clock()-p.killed) > tooLate:
			t.Errorf("slot %d of the %s was not free %v after its process was killed", p.slot, p.segment, tooLate)
			return true
		}
		return false
	})
}

// finish waits until all deaths are recovered, or too late. Somebody has to be
// attached to both segments who sees them.
func (w *watch) finish(t *testing.T) {
	for w.waits() && !t.Failed() {
		time.Sleep(time.Millisecond)
	}
	close(w.stop)
	<-w.done
	for _, m := range w.images {
		world.Must(t, m.Close())
	}
}

func (w *watch) waits() bool {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	return len(w.f.pending) > 0
}
