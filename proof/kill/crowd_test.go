//go:build crashpoint

package kill

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// crowd SEGMENT: more goroutines wait than sleep in the kernel themselves; the
	// process dies when the thread that waits for the others looks at their word.
	shmtest.Register("crowd", func(args []string) {
		os.Stderr = os.Stdout
		w := &world.World{}
		_, err := shm.Attach(args[0], w, nil)
		world.Check(err)
		shm.AtPoint("futex.read", func() {
			fmt.Println("crash point 0: futex.read")
			dead()
		})
		for range 2*runtime.GOMAXPROCS(0) + 20 {
			go func() { _, _ = w.Urgent.Get(background, nil) }()
		}
		select {}
	})
}

// A process dies with a crowd of waiters.
func testCrowd(t *testing.T) {
	segment := world.Stage(t, 8, nil)
	d := watch(t, "crowd", segment)
	world.Find("put").Audit(t, segment, d.acks)
}
