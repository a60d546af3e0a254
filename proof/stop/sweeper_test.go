//go:build crashpoint

package stop

import (
	"fmt"
	"maps"
	"os"
	"syscall"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// sweep SEGMENT N: attach and sweep, and stop at the N-th access of it.
	shmtest.Register("sweep", func(args []string) {
		stopAt(args[1])
		s, err := shm.Attach(args[0], &world.World{}, nil)
		world.Check(err)
		_, err = s.Sweep(ctx)
		world.Check(err)
		finished()
	})
}

// Who recovers what a dead process left is stopped in it. The others do not wait
// for him: they recover all but the one record that each of his two goroutines
// which sweep has taken over, and when he goes on, he does no harm.
func TestStop_Sweeper(t *testing.T) {
	k := &campaign{points: map[string]int{}, waited: map[string]int{}}
	first, step := stride(t, 16)
	recovered := 0
	k.each(t, first, step, func(t *testing.T, n int) {
		name := world.Stage(t, 64, world.Roomy)
		acks := world.LeaveHalfDone(t, name)
		c := start(t, "sweep", name, fmt.Sprint(n))
		w := &world.World{}
		s, err := shm.Attach(name, w, nil)
		world.Must(t, err)
		r, err := s.Sweep(t.Context())
		world.Must(t, err)
		recovered += r.Posted + r.Freed + r.Settled + r.Permits
		for _, p := range s.Processes() {
			if p.State != "alive" {
				t.Errorf("at %s: not recovered while the sweeper is stopped: %+v", c.point, p)
			}
		}
		if has := claims(s, c.slot(s)); len(has) > 2 { // one for the caller, one for the housekeeping
			t.Errorf("at %s: the stopped sweeper holds up %v", c.point, has)
		}
		b := newBare(t, &k.meter, s, w, c.slot(s))
		k.work(t, b, c)
		if c.point != "" {
			if tiny {
				k.wraps += drive(t, name, b)
			}
			c.signal(syscall.SIGCONT)
			c.toEnd()
		}
		k.harmless(t, s)
		maps.Copy(acks, b.close())
		c.Kill()
		world.Find("put").Audit(t, name, acks)
	})
	k.log(t)
	if recovered == 0 && k.stops > 0 {
		t.Error("the others found nothing left to recover at any point")
	}
	t.Logf("%d records and permits recovered by others meanwhile", recovered)
	for _, point := range []string{"scan", "sweep.post", "sweep.take", "sweep.free"} {
		if os.Getenv("PROOF_FULL") != "" && k.points[point] == 0 {
			t.Errorf("not reached: %s", point)
		}
	}
}
