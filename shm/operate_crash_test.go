//go:build crashpoint

package shm_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	shmtest.Register("crash-sweep-foreign", func(args []string) {
		n, err := strconv.ParseInt(args[1], 10, 64)
		check(err)
		shm.CrashAfter(n)
		_, err = shm.SweepSegment(tctx, args[0], nil)
		check(err)
		shm.CrashAfter(0)
		fmt.Println("end")
	})
}

// The sweeper that has not the program dies at each of its points too; the
// program's next process finds everything as after any other death.
func TestCrash_SweepSegment(t *testing.T) {
	each(t, func(t *testing.T, n int) bool {
		name := stage(t, 64)
		p := shmtest.Child(t, "crash-mess", name)
		p.Want("end")
		_ = p.Wait()
		acks := lines(shmtest.Child(t, "crash-sweep-foreign", name, fmt.Sprint(3*n-2)))
		audit(t, name, nil)
		return acks["end"]
	})
}
