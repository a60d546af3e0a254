//go:build crashpoint

package kill

import (
	"fmt"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// rounds is how many whole rounds the company makes while the child stands still.
const rounds = 2

// Survivors work on the same objects while the child dies, and their things are
// accounted for with its own. The child stands still before it begins, half-way,
// and at the access where it is killed, until they have made some rounds; then they
// go on until their own watch has freed its slot. The ways differ from run to run
// then; the alone campaign is the one that leaves no access out. A short run takes
// every access of small operations, and strides through the long ones.
func testSurvivors(t *testing.T) {
	for _, op := range world.Operations() {
		if op.Survive == nil {
			continue
		}
		t.Run(op.Name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, op, 8)
			stride := 1
			for n := 1; n < mostAccesses; n += stride {
				survived := false
				ok := t.Run(fmt.Sprint("at=", n), func(t *testing.T) {
					segment := s.fresh(t)
					p := shmtest.Child(t, "together", segment, op.Name, fmt.Sprint(n))
					p.Want("ready")
					company := op.Survive(t, segment)
					d := readStops(t, p, func() {
						company.Rounds(rounds)
						p.Say("go")
					})
					company.Outlive()
					for a := range company.Leave() {
						d.acks[a] = true
					}
					op.Audit(t, segment, d.acks)
					if t.Failed() {
						t.Logf("killed at access %d: %s", n, d.point)
					}
					ledger.together(op.Name, n, d)
					survived = d.survived
				})
				if !ok {
					t.Fatal("stopped at the first failure")
				}
				if survived {
					return
				}
				if !full && n >= 10 {
					stride = 1 + n/10
				}
			}
		})
	}
}
