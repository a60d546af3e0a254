//go:build crashpoint

package kill

import (
	"fmt"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// sweep-segment SEGMENT N: recover without the program, and die at the N-th access.
	shmtest.Register("sweep-segment", func(args []string) {
		crash(args[1], func() {
			_, err := shm.SweepSegment(background, args[0], nil)
			world.Check(err)
		})
	})
}

// The sweeper that has not the program dies at each of its accesses too; the
// program's next process finds everything as after any other death.
func TestKill_SweepSegment(t *testing.T) {
	segment := world.Stage(t, 8, world.Roomy)
	acks := world.LeaveHalfDone(t, segment)
	s := take(t, segment)
	each(t, 1, func(t *testing.T, n int) bool {
		segment := s.fresh(t)
		d := watch(t, "sweep-segment", segment, fmt.Sprint(n))
		world.Find("put").Audit(t, segment, acks)
		return d.survived
	})
}
