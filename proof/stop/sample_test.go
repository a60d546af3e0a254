//go:build crashpoint

package stop

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// way SEGMENT OPERATION: name the point of every access of the operation.
	shmtest.Register("way", func(args []string) {
		mortal()
		run := find(args[1]).Attach(args[0])
		var way []string
		var step func(point string)
		step = func(point string) {
			way = append(way, point)
			shm.AtOwnAccess(1, step)
		}
		shm.AtOwnAccess(1, step)
		run(func(string) {})
		shm.AtAccess(0, nil)
		fmt.Println("way " + strings.Join(way, " "))
	})
}

// operations are those of world, and that of a sweeper.
func operations() []world.Operation { return append(world.Operations(), sweeper) }

func find(name string) world.Operation {
	for _, op := range append(operations(), watcher) {
		if op.Name == name {
			return op
		}
	}
	panic("no operation " + name)
}

// A sample says where operations are stopped: all with PROOF_FULL=1, and
// otherwise at every access of the short ones and at one of each part of the
// others.
type sample struct {
	full bool
	r    *rand.Rand
	ways map[string][]string // by operation: the points of its accesses when nothing stops it, once that is known
}

// short operations are stopped at each of their accesses.
const short = 12

func newSample(t *testing.T) *sample {
	t.Helper()
	seed := world.Setting(t, "PROOF_SEED", uint64(time.Now().UnixNano()%1e9))
	s := &sample{full: os.Getenv("PROOF_FULL") != "", r: rand.New(rand.NewPCG(seed, 0)), ways: map[string][]string{}}
	t.Logf("PROOF_FULL=1 stops at all accesses, PROOF_SEED=%d at these", seed)
	return s
}

// way is that of one operation.
func (s *sample) way(t *testing.T, op world.Operation) []string {
	t.Helper()
	if s.ways[op.Name] == nil {
		p := shmtest.Child(t, "way", op.Stage(t, 64), op.Name)
		for s.ways[op.Name] == nil {
			line, ok := p.Line()
			if !ok {
				t.Fatalf("%s ends before its end: %v", op.Name, p.Wait())
			}
			if way, ok := strings.CutPrefix(line, "way "); ok {
				s.ways[op.Name] = strings.Fields(way)
			}
		}
	}
	return s.ways[op.Name]
}

// accesses counts those of all operations.
func (s *sample) accesses() (n int) {
	for _, way := range s.ways {
		n += len(way)
	}
	return n
}

// of are the accesses of one operation: all of a short one, otherwise one of each
// of so many equal parts.
func (s *sample) of(way []string, parts int) (at []int) {
	n := len(way)
	if n <= short {
		parts = n
	}
	for i := range parts {
		from, to := i*n/parts, (i+1)*n/parts
		at = append(at, 1+from+s.r.IntN(to-from))
	}
	return at
}

// run stops the operation at the accesses of the sample, or at all until one is
// not reached any more.
func (k *campaign) run(t *testing.T, s *sample, parts int, stop func(t *testing.T, op world.Operation, where string)) {
	for _, op := range operations() {
		t.Run("op="+op.Name, func(t *testing.T) {
			before := k.stops
			way := s.way(t, op)
			at := s.of(way, parts)
			enough := len(at)
			for range 10 { // the way is shorter when others do some of the work first
				at = append(at, 1+s.r.IntN(len(way)))
			}
			for i := 0; s.full || i < enough || i < len(at) && k.stops == before; i++ {
				n, chosen := i+1, false
				if !s.full {
					n = at[i]
				}
				ok := t.Run(fmt.Sprint("at=", n), func(t *testing.T) {
					chosen, k.point = true, ""
					stop(t, op, fmt.Sprint(n))
				})
				if !ok {
					t.FailNow()
				}
				if s.full && (chosen && k.point == "" || !chosen && n > len(way)) {
					break
				}
			}
			if k.stops > before {
				k.operations++
			} else if partial() == "" {
				t.Error("it was never stopped")
			}
		})
	}
}

// partial is the part of the tests that was asked for, "" if all.
func partial() string { return flag.Lookup("test.run").Value.String() }

// housekeeping are points to which another goroutine of the process comes, or may
// come, than the one that makes the calls, and an operation during which it does.
var housekeeping = map[string]string{
	"watch": "get-waiting", "futex.read": "get-waiting",
	"judge.dead": "watcher", "judge.time": "watcher", "sweep.free": "watcher", "sweep.hint": "watcher", "sweep.post": "watcher",
	"sweep.retire": "watcher", "sweep.settle": "watcher", "sweep.take": "watcher", "sweep.time": "watcher",
}

// points stops at every point at which nothing was stopped yet, in some operation
// that comes by it.
func (k *campaign) points(t *testing.T, s *sample) {
	for _, point := range shm.PointNames() {
		if k.reached[point] > 0 {
			continue
		}
		var ops []string
		if op := housekeeping[point]; op != "" {
			ops = append(ops, op)
		}
		for _, op := range operations() {
			if housekeeping[point] == "" && slices.Contains(s.way(t, op), point) {
				ops = append(ops, op.Name)
			}
		}
		t.Run(point, func(t *testing.T) {
			if len(ops) == 0 {
				t.Fatal("no operation comes by it")
			}
			for range 10 { // another goroutine may be there first, and the operation at its end
				if k.goOn(t, find(ops[s.r.IntN(len(ops))]), point); k.reached[point] > 0 {
					return
				}
			}
			t.Error("nothing was stopped there")
		})
	}
}
