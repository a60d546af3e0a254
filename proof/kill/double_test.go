//go:build crashpoint

package kill

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// recover SEGMENT N: recover what the dead left, and die at the N-th access.
	shmtest.Register("recover", func(args []string) {
		crash(args[1], func() {
			s, err := shm.Attach(args[0], &world.World{}, nil)
			world.Check(err)
			_, err = s.Sweep(background)
			world.Check(err)
		})
	})
	// neighbour SEGMENT N: be there when another process dies, and die at the N-th
	// access from then on. A signal says that it is dead.
	shmtest.Register("neighbour", func(args []string) {
		s, err := shm.Attach(args[0], &world.World{}, nil)
		world.Check(err)
		calm()
		over := make(chan os.Signal, 1)
		signal.Notify(over, syscall.SIGUSR1)
		n, err := strconv.ParseInt(args[1], 10, 64)
		world.Check(err)
		os.Stderr = os.Stdout
		shm.CrashAfter(n)
		say("ready")
		<-over
		for dead := true; dead; time.Sleep(time.Millisecond) {
			dead = false
			for _, p := range s.Processes() {
				dead = dead || !p.Self
			}
		}
		shm.CrashAfter(0)
		say("end")
	})
}

// The recoverer dies too, at each of its accesses: one that sweeps, one that
// takes the dead one's slot, and a neighbour that had been there before. With one
// slot in the registry, the recoverer takes the dead one's, and puts back what
// that left before anything else.
func testRecoverer(t *testing.T) {
	for _, processes := range []int{8, 1} {
		t.Run(fmt.Sprint("processes=", processes), func(t *testing.T) {
			t.Parallel()
			segment := world.Stage(t, processes, world.Roomy)
			acks := world.LeaveHalfDone(t, segment)
			s := take(t, segment)
			each(t, func(t *testing.T, n int) bool {
				segment := s.fresh(t)
				d := watch(t, "recover", segment, fmt.Sprint(n))
				world.Find("put").Audit(t, segment, acks)
				return second(d)
			})
		})
	}
	t.Run("neighbour", func(t *testing.T) {
		t.Parallel()
		s := take(t, world.Stage(t, 8, world.Roomy))
		each(t, func(t *testing.T, n int) bool {
			segment := s.fresh(t)
			p := shmtest.Child(t, "neighbour", segment, fmt.Sprint(n))
			p.Want("ready")
			acks := world.LeaveHalfDone(t, segment)
			_ = p.Cmd.Process.Signal(syscall.SIGUSR1) // it may be dead too
			d := read(t, p)
			world.Find("put").Audit(t, segment, acks)
			return second(d)
		})
	})
}

// second counts the death of a recoverer.
func second(d death) (survived bool) {
	if !d.survived {
		ledger.double()
	}
	return d.survived
}

// each runs test for n = 1, 2, ... until a child survives, in as large strides as
// the run is to be short.
func each(t *testing.T, run func(t *testing.T, n int) (survived bool)) {
	t.Helper()
	for n := 1; n < mostAccesses; n++ {
		survived := false
		if !t.Run(fmt.Sprint("at=", n), func(t *testing.T) { survived = run(t, n) }) {
			t.Fatal("stopped at the first failure")
		}
		if survived {
			t.Logf("%d kills", n-1)
			if n < 10 {
				t.Errorf("only %d accesses: not instrumented", n-1)
			}
			return
		}
	}
}

// Any operation dies at any of its accesses, and then the recoverer at any of its
// own: all pairs, or a sample.
func testPairs(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("PROOF_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		world.Must(t, err)
		seed = n
	}
	t.Logf("PROOF_SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var ops []world.Operation
	for _, op := range world.Operations() {
		if op.Survive != nil && !strings.HasPrefix(op.Name, "tree-") && op.Name != "stop" && !strings.HasPrefix(op.Name, "re") {
			ops = append(ops, op)
		}
	}
	pair := func(t *testing.T, op world.Operation, s stage, n, m int) (first, then death) {
		segment := s.fresh(t)
		first = watch(t, "operation", segment, op.Name, fmt.Sprint(n))
		then = watch(t, "recover", segment, fmt.Sprint(m))
		op.Audit(t, segment, first.acks)
		if second(then); t.Failed() {
			t.Logf("%s at access %d (%s), the recoverer at %d (%s)", op.Name, n, first.point, m, then.point)
		}
		return first, then
	}
	if !full {
		for range 300 {
			op := ops[rng.IntN(len(ops))]
			t.Run(op.Name, func(t *testing.T) {
				t.Parallel()
				s := newStage(t, op, 8)
				way, _ := trace(t, op, s)
				pair(t, op, s, 1+rng.IntN(len(way)), 1+rng.IntN(400))
			})
		}
		return
	}
	for _, op := range ops {
		t.Run(op.Name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, op, 8)
			for n := 1; !t.Failed(); n++ {
				first := death{}
				for m := 1; !t.Failed(); m++ {
					var then death
					if first, then = pair(t, op, s, n, m); then.survived {
						break
					}
				}
				if first.survived {
					return
				}
			}
		})
	}
}
