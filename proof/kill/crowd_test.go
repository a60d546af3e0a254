//go:build crashpoint

package kill

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
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
			fmt.Println("crash point 0: futex.read", shm.Here())
			dead()
		})
		for range 2*runtime.GOMAXPROCS(0) + 20 {
			go func() { _, _ = w.Urgent.Get(background, nil) }()
		}
		select {}
	})
	// hinted SEGMENT N: a neighbour of a process that dies, while the word says that
	// somebody sweeps. It dies at the N-th access to that word.
	shmtest.Register("hinted", func(args []string) {
		w := &world.World{}
		_, err := shm.Attach(args[0], w, nil)
		world.Check(err)
		n, err := strconv.Atoi(args[1])
		world.Check(err)
		calm()
		over := make(chan os.Signal, 1)
		signal.Notify(over, syscall.SIGUSR1)
		var look func()
		look = func() {
			if n--; n > 0 {
				shm.AtPoint("sweep.hint", look)
				return
			}
			fmt.Println("crash point 0: sweep.hint", shm.Here())
			dead()
		}
		shm.AtPoint("sweep.hint", look)
		fmt.Println("ready")
		<-over
		select {}
	})
}

// A neighbour waits for a sweeper that will not come, and dies when it goes ahead:
// after 21 tries, each of them an access before and after.
func testHinted(t *testing.T) {
	s := take(t, world.Stage(t, 8, world.Roomy))
	for n := 41; n <= 45; n++ {
		t.Run(fmt.Sprint("at=", n), func(t *testing.T) {
			segment := s.fresh(t)
			world.Hint(segment)
			c := shmtest.Child(t, "hinted", segment, fmt.Sprint(n))
			c.Want("ready")
			acks := world.LeaveHalfDone(t, segment)
			_ = c.Cmd.Process.Signal(syscall.SIGUSR1)
			read(t, c)
			world.Find("put").Audit(t, segment, acks)
		})
	}
}

// A process dies with a crowd of waiters.
func testCrowd(t *testing.T) {
	segment := world.Stage(t, 8, nil)
	d := watch(t, "crowd", segment)
	world.Find("put").Audit(t, segment, d.acks)
}
