//go:build crashpoint

package stop

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
)

// sweeper is what a process does that attaches after others have died in the
// middle of many operations: it sweeps, or its death watch was there first.
var sweeper = recoverer("sweeper", func(s *shm.Segment) {
	_, err := s.Sweep(ctx)
	world.Check(err)
})

// watcher leaves it to its death watch, until none is registered who was before.
var watcher = recoverer("watcher", func(s *shm.Segment) {
	before := others(s)
	for slices.ContainsFunc(others(s), func(p shm.Process) bool {
		return slices.ContainsFunc(before, func(b shm.Process) bool { return p.Slot == b.Slot && p.Gen == b.Gen })
	}) {
		time.Sleep(time.Millisecond)
	}
})

func others(s *shm.Segment) []shm.Process {
	return slices.DeleteFunc(s.Processes(), func(p shm.Process) bool { return p.Self })
}

func recoverer(name string, sweep func(s *shm.Segment)) world.Operation {
	return world.Operation{
		Name: name,
		Stage: func(t testing.TB, processes int) string {
			name := world.Stage(t, processes, world.Roomy)
			promises[name] = world.LeaveHalfDone(t, name)
			return name
		},
		Attach: func(segment string) func(func(string)) {
			return func(func(string)) {
				s, err := shm.Attach(segment, &world.World{}, nil)
				world.Check(err)
				sweep(s)
			}
		},
		Audit: func(t testing.TB, segment string, acks map[string]bool) {
			maps.Copy(acks, promises[segment])
			world.Find("put").Audit(t, segment, acks)
		},
	}
}

// promises are what is to become of what the dead left, by segment.
var promises = map[string]map[string]bool{}

// recover does what the sweeper began: it is stopped, and the others do not wait
// for it. They recover all but the one record that each of its two goroutines
// which sweep has taken over.
func (k *campaign) recover(t *testing.T, name string, c *child) {
	t.Helper()
	s, err := shm.Attach(name, &world.World{}, nil)
	world.Must(t, err)
	r, err := s.Sweep(t.Context())
	world.Must(t, err)
	k.recovered += r.Posted + r.Freed + r.Settled + r.Permits
	for _, p := range s.Processes() {
		if p.State != "alive" {
			t.Errorf("at %s: not recovered while the sweeper is stopped: %+v", c.point, p)
		}
	}
	if has := claims(s, c.slot(s)); len(has) > 2 { // one for the caller, one for the housekeeping
		t.Errorf("at %s: the stopped sweeper holds up %v", c.point, has)
	}
	world.Must(t, s.Close())
}
