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
	shmtest.Register("sweep-segment", func(args []string) {
		shm.CrashAfter(number(args[1]))
		_, err := shm.SweepSegment(t0, args[0], nil)
		world.Check(err)
		shm.CrashAfter(0)
		fmt.Println("end")
	})
}

// The sweeper that has not the program dies at each of its points too; the
// program's next process finds everything as after any other death.
func TestKill_SweepSegment(t *testing.T) {
	each(t, func(t *testing.T, n int) bool {
		name := stage.Stage(t, 64)
		p := shmtest.Child(t, "mess", name)
		p.Want("end")
		_ = p.Wait()
		acks := lines(shmtest.Child(t, "sweep-segment", name, fmt.Sprint(3*n-2)))
		stage.Audit(t, name, nil)
		return acks["end"]
	})
}
