//go:build linux && (amd64 || arm64)

package instr

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aotf/sharedmem/proof/world"
)

const (
	workers = 2  // children that are stepped at the same time
	again   = 20 // children tried for one instruction until one meets it
	told    = 5  // violations of an operation that are printed in full
)

const (
	shmPath     = "github.com/aotf/sharedmem/shm."
	objectsPath = "github.com/aotf/sharedmem/objects."
)

var libraries = []string{shmPath, objectsPath}

var full = os.Getenv("PROOF_FULL") != ""

// children sets up what makes two children run the same instructions.
func children(t *testing.T) {
	t.Helper()
	t.Setenv("GOMAXPROCS", "1")
	t.Setenv("GOGC", "off")
	t.Setenv("GODEBUG", "asyncpreemptoff=1")
	mayTrace(t)
}

// A tally is the result of one campaign.
type tally struct {
	instructions, kills, strayed, violations int

	missed []int // the instructions before which no child could be met
	torn   []int // the instructions after which a kill was a violation
	first  []string
}

// run kills at all the given instructions.
func (c *campaign) run(t testing.TB, at []int) (sum tally) {
	var mu sync.Mutex
	var next atomic.Int64
	var wg sync.WaitGroup
	started, said := time.Now(), time.Now()
	for cpu := range workers {
		wg.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(at) {
					return
				}
				k := at[n]
				for try := 1; try <= again; try++ {
					d := c.kill(t, cpu, k)
					mu.Lock()
					sum.add(c, k, d)
					// How long the child is in the kernel's clock cannot be ordered.
					done := !d.strayed || c.trace[k] == 0
					if !done && try == again {
						sum.missed = append(sum.missed, k)
					}
					if time.Since(said) > 10*time.Second {
						said = time.Now()
						left := time.Since(started) / time.Duration(n+1) * time.Duration(len(at)-n-1)
						t.Logf("%s: %d of %d, %d violations, %v to go", c.op.Name, n+1, len(at), sum.violations, left.Round(time.Second))
					}
					mu.Unlock()
					if done {
						break
					}
				}
			}
		})
	}
	wg.Wait()
	return sum
}

func (sum *tally) add(c *campaign, k int, d death) {
	sum.kills++
	if d.strayed {
		sum.strayed++
	}
	if len(d.objections) == 0 {
		return
	}
	sum.violations++
	sum.torn = append(sum.torn, k)
	if len(sum.first) < told {
		sum.first = append(sum.first, fmt.Sprintf("killed after instruction %d of %d, before %s:\n\t%s",
			k, len(c.trace)-2, place(c.trace[k]), strings.Join(d.objections, "\n\t")))
	}
}

// place names an instruction by function and line.
func place(pc uintptr) string {
	f := runtime.FuncForPC(pc)
	if f == nil {
		return "the kernel's clock"
	}
	file, line := f.FileLine(pc)
	return fmt.Sprintf("%s (%s:%d)", f.Name(), file, line)
}

// spread takes one out of each of as many equal parts.
func spread(r *rand.Rand, all []int, parts int) (some []int) {
	if parts >= len(all) {
		return all
	}
	for i := range parts {
		from, to := i*len(all)/parts, (i+1)*len(all)/parts
		some = append(some, all[from+r.IntN(to-from)])
	}
	return some
}

func TestInstructions(t *testing.T) {
	children(t)
	seed := world.Setting(t, "PROOF_SEED", rand.Uint64N(1e9))
	sample := int(world.Setting(t, "PROOF_SAMPLE", 12)) // kills of each operation, unless all are asked for
	if full {
		t.Log("every instruction of every operation")
	} else {
		t.Logf("a sample: PROOF_SEED=%d repeats it, PROOF_SAMPLE=n takes n instructions of each operation, PROOF_FULL=1 with -timeout 0 takes every instruction", seed)
	}
	var table strings.Builder
	var sum tally
	count := 0
	for i, op := range operations() {
		t.Run("op="+op.Name, func(t *testing.T) {
			started := time.Now()
			c := record(t, op)
			recorded := time.Since(started)
			inShm := c.in(shmPath)
			if through := shmPath + passes[op.Name]; c.in(through) == 0 {
				t.Fatalf("%d instructions, none of them in %s: this is not the operation", len(c.trace), through)
			}
			at := c.all()
			if !full {
				at = spread(rand.New(rand.NewPCG(seed, uint64(i))), at, sample)
			}
			o := c.run(t, at)
			o.instructions = len(c.all())
			for _, v := range o.first {
				t.Error(v)
			}
			if o.violations > told {
				t.Errorf("%d more violations", o.violations-told)
			}
			// What could not be met in so many children is not proven. Between two
			// instructions of the runtime or of fmt, which formats a number of fewer digits
			// another way, nothing that is shared changes.
			for _, k := range o.missed {
				const missed = "in %d runs no child was met after instruction %d, before %s"
				if within(c.trace[k], libraries...) || within(c.trace[k-1], libraries...) {
					t.Errorf(missed, again, k, place(c.trace[k]))
				} else {
					t.Logf(missed, again, k, place(c.trace[k]))
				}
			}
			fmt.Fprintf(&table, "%-26s %12d %8d %8d %10d %10d %9.1f\n", op.Name, o.instructions, inShm, o.kills, o.strayed, o.violations, time.Since(started).Seconds())
			t.Logf("%d instructions, %d kills, %d of them elsewhere, %d violations; recorded in %v, killed in %v", o.instructions, o.kills,
				o.strayed, o.violations, recorded.Round(time.Millisecond), (time.Since(started) - recorded).Round(time.Millisecond))
			count++
			sum.instructions += o.instructions
			sum.kills += o.kills
			sum.strayed += o.strayed
			sum.violations += o.violations
		})
	}
	t.Logf("\n%-26s %12s %8s %8s %10s %10s %9s\n%s%d operations, %d instructions, %d kills (%d of them elsewhere), %d violations",
		"operation", "instructions", "in shm", "kills", "elsewhere", "violations", "seconds", table.String(), count, sum.instructions, sum.kills, sum.strayed, sum.violations)
}
