//go:build crashpoint

package kill

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// A program is what attaches to a segment: the world, or AOTF's tree.
type program struct {
	name   string
	stage  func(t testing.TB, processes int) string
	leave  func(t testing.TB, segment string) map[string]bool // half-done work of a dead process
	audits string                                             // the operation that does
	stride int                                                // of a short run through the recoverer's accesses
}

var programs = []program{
	{"world", func(t testing.TB, n int) string { return world.Stage(t, n, world.Roomy) }, world.LeaveHalfDone, "put", 1},
	{"tree", world.StageTree, world.LeaveTreeHalfDone, "tree-launch", 17},
}

// attach is what a program's process does first. A segment that has gone is none's.
func attach(program, segment string) (*shm.Segment, error) {
	if program == "tree" {
		m, err := objects.Open(segment, &objects.Options{Attach: true})
		if err != nil {
			return nil, err
		}
		return m.Segment(), nil
	}
	return shm.Attach(segment, &world.World{}, nil)
}

func init() {
	// recover PROGRAM SEGMENT WHERE: recover what the dead left, and die there; with 0,
	// say how many accesses there are.
	shmtest.Register("recover", func(args []string) {
		recovery := func() {
			s, err := attach(args[0], args[1])
			if errors.Is(err, shm.ErrNotExist) || errors.Is(err, shm.ErrRetired) {
				return // the dead one had ended it, or not begun it
			}
			world.Check(err)
			_, err = s.Sweep(background)
			world.Check(err)
		}
		if args[2] != "0" {
			crash(args[2], recovery)
			return
		}
		calm()
		say("trace " + strings.Join(traced(recovery), " "))
		say("end")
	})
	// neighbour PROGRAM SEGMENT WHERE: be there when another process dies, and die
	// there. A signal says that the other one is dead.
	shmtest.Register("neighbour", func(args []string) {
		s, err := attach(args[0], args[1])
		world.Check(err)
		calm()
		over := make(chan os.Signal, 1)
		signal.Notify(over, syscall.SIGUSR1)
		die(args[2])
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
	for _, p := range programs {
		audit := world.Find(p.audits).Audit
		for _, processes := range []int{8, 1} {
			t.Run(fmt.Sprintf("%s/processes=%d", p.name, processes), func(t *testing.T) {
				t.Parallel()
				segment := p.stage(t, processes)
				acks := p.leave(t, segment)
				s := take(t, segment)
				each(t, p.stride, func(t *testing.T, n int) bool {
					segment := s.fresh(t)
					d := watch(t, "recover", p.name, segment, fmt.Sprint(n))
					audit(t, segment, acks)
					return second(d)
				})
			})
		}
		t.Run(p.name+"/neighbour", func(t *testing.T) {
			t.Parallel()
			s := take(t, p.stage(t, 8))
			each(t, p.stride, func(t *testing.T, n int) bool {
				return second(p.neighbour(t, s, fmt.Sprint(n)))
			})
		})
	}
}

// neighbour kills one that is there when another process dies, and audits.
func (p program) neighbour(t *testing.T, s stage, where string) death {
	return p.neighbourOf(t, s.fresh(t), where)
}

func (p program) neighbourOf(t *testing.T, segment, where string) death {
	c := shmtest.Child(t, "neighbour", p.name, segment, where)
	c.Want("ready")
	acks := p.leave(t, segment)
	_ = c.Cmd.Process.Signal(syscall.SIGUSR1) // it may be dead too
	d := read(t, c)
	world.Find(p.audits).Audit(t, segment, acks)
	return d
}

// The lines of a recovery: accesses come in no order that two runs share, since the
// clock's turn, another goroutine or another process comes between. So each is killed at
// by its line, in a neighbour or, where he does not come by, in the next one to attach.
func testLines(t *testing.T) {
	p := programs[0]
	roomy := take(t, p.stage(t, 8))
	segment := p.stage(t, 8)
	acks := p.leave(t, segment)
	left := take(t, segment)
	recovery := regexp.MustCompile(`watch_linux|Sweep|ptJudge`)
	for line, text := range accessLines(t) {
		if !recovery.MatchString(line + text) {
			continue
		}
		t.Run(line, func(t *testing.T) {
			if !second(p.neighbour(t, roomy, line)) {
				return
			}
			segment := roomy.fresh(t)
			world.Hint(segment) // a sweeper who will not come
			if !second(p.neighbourOf(t, segment, line)) {
				return
			}
			segment = left.fresh(t)
			second(watch(t, "recover", p.name, segment, line))
			world.Find(p.audits).Audit(t, segment, acks)
		})
	}
}

// second counts the death of a recoverer.
func second(d death) (survived bool) {
	if !d.survived {
		ledger.double()
	}
	return d.survived
}

// each runs test for n = 1, 2, ... until a child survives, or in strides when the
// run is to be short.
func each(t *testing.T, stride int, run func(t *testing.T, n int) (survived bool)) {
	t.Helper()
	n, kills := 1, 0
	if full {
		stride = 1
	} else {
		n += rand.New(rand.NewPCG(seed(t), 1)).IntN(stride)
	}
	for ; n < mostAccesses; n += stride {
		survived := false
		if !t.Run(fmt.Sprint("at=", n), func(t *testing.T) { survived = run(t, n) }) {
			t.Fatal("stopped at the first failure")
		}
		if survived {
			t.Logf("%d kills", kills)
			if n < 10 {
				t.Errorf("only %d accesses: not instrumented", n-1)
			}
			return
		}
		kills++
	}
}

// seed is of a run that takes a sample; PROOF_SEED repeats one.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := world.Setting(t, "PROOF_SEED", uint64(time.Now().UnixNano()))
	t.Logf("PROOF_SEED=%d", n)
	return n
}

// Any operation dies at any of its accesses, and then the recoverer at any of its
// own: all pairs, or some of each operation. None is left out.
func testPairs(t *testing.T) {
	const some = 2
	from := seed(t)
	for k, op := range world.Operations() {
		t.Run(op.Name, func(t *testing.T) {
			t.Parallel()
			program := "world"
			if strings.HasPrefix(op.Name, "tree-") {
				program = "tree"
			}
			s := newStage(t, op, 8)
			way, _ := trace(t, op, s)
			rng := rand.New(rand.NewPCG(from, uint64(k)))
			for n := 1; n <= len(way); n++ {
				if !full {
					if n > some {
						return
					}
					n := 1 + rng.IntN(len(way))
					length := len(pair(t, op, s, program, n, 0).way)
					if length > 0 { // else the operation had ended the segment
						pair(t, op, s, program, n, 1+rng.IntN(length))
					}
					continue
				}
				for m := 1; !t.Failed() && !pair(t, op, s, program, n, m).survived; m++ {
				}
			}
		})
	}
}

// pair kills the operation at n and then the recoverer at m, and audits.
func pair(t *testing.T, op world.Operation, s stage, program string, n, m int) (then death) {
	t.Helper()
	segment := s.fresh(t)
	first := watch(t, "operation", segment, op.Name, fmt.Sprint(n))
	then = watch(t, "recover", program, segment, fmt.Sprint(m))
	op.Audit(t, segment, first.acks)
	if m > 0 {
		second(then)
	}
	if t.Failed() {
		t.Logf("%s at access %d (%s), the recoverer at %d (%s)", op.Name, n, first.point, m, then.point)
	}
	return then
}
