//go:build crashpoint

package kill

import (
	"fmt"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// Survivors work on the same objects while the child dies, and their things are
// accounted for with its own. The ways differ from run to run then; the alone
// campaign is the one that leaves no access out. A short run takes every access
// of small operations, and strides through the long ones.
func testSurvivors(t *testing.T) {
	for _, op := range world.Operations() {
		if op.Survive == nil {
			continue
		}
		t.Run(op.Name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, op, 8)
			stride := 1
			for n := 1; ; n += stride {
				survived := false
				ok := t.Run(fmt.Sprint("at=", n), func(t *testing.T) {
					segment := s.fresh(t)
					p := shmtest.Child(t, "together", segment, op.Name, fmt.Sprint(n))
					p.Want("ready")
					leave := op.Survive(t, segment)
					p.Say("go")
					d := read(t, p)
					for a := range leave() {
						d.acks[a] = true
					}
					op.Audit(t, segment, d.acks)
					if t.Failed() {
						t.Logf("killed at access %d: %s", n, d.point)
					}
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
