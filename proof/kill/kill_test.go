//go:build crashpoint

// Package kill kills every operation at every access to a shared word.
//
//	go test -tags crashpoint ./proof/kill                the gate's run
//	PROOF_FULL=1 go test -tags crashpoint -timeout 0 ./proof/kill    all pairs
package kill

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func TestMain(m *testing.M) { shmtest.Main(m) }

// TestKill is all campaigns, and then the ledger of what they have reached.
func TestKill(t *testing.T) {
	t.Run("alone", testAlone)
	t.Run("survivors", testSurvivors)
	t.Run("recoverer", testRecoverer)
	t.Run("pairs", testPairs)
	t.Run("crowd", testCrowd)
	t.Run("hinted", testHinted)
	t.Run("lines", testLines)
	ledger.check(t)
}

// mostAccesses is more than any child makes: where a run ends that -run keeps from
// noticing that the child survives.
const mostAccesses = 100_000

// full is whether everything is to be tried that can be, instead of a sample.
var full = os.Getenv("PROOF_FULL") != ""

var background = context.Background()

// A stage is a segment in the state an operation starts from, kept as bytes: each
// run gets a copy, with the same seed, so that runs can be compared.
type stage []byte

func newStage(t *testing.T, op world.Operation, processes int) stage {
	t.Helper()
	return take(t, op.Stage(t, processes))
}

// take keeps a segment that nobody is attached to.
func take(t *testing.T, segment string) stage {
	t.Helper()
	b, err := os.ReadFile(path(segment))
	if os.IsNotExist(err) {
		return nil // the operation makes it
	}
	world.Must(t, err)
	return b
}

// fresh makes a segment of the test's own from it.
func (s stage) fresh(t *testing.T) (segment string) {
	t.Helper()
	segment = shmtest.Name(t)
	if s != nil {
		world.Must(t, os.WriteFile(path(segment), s, 0o600))
	}
	return segment
}

func path(segment string) string {
	if dir := os.Getenv("SHM_DIR"); dir != "" {
		return filepath.Join(dir, segment)
	}
	return filepath.Join(shm.DefaultDir, segment)
}

// An alone campaign kills each operation at each of its accesses, with nobody
// else at work, so that every run takes the same way: a run that was killed
// elsewhere than the first one, undisturbed, passed there is done again. That is
// how no access is left out.
func testAlone(t *testing.T) {
	for _, op := range world.Operations() {
		t.Run(op.Name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, op, 8)
			way, steady := trace(t, op, s)
			for range 4 { // of a machine that was busy just then, and let the housekeeper in
				if at := killAlong(t, op, s, way, steady); at == 0 {
					ledger.operation(op.Name, way, steady)
					return
				}
				way, steady = trace(t, op, s)
			}
			t.Fatalf("no run goes the way that two runs before went: %v", way)
		})
	}
}

// killAlong kills the operation at each access of its way, and behind it. It
// returns 0, or the access that twenty runs in a row did not come to.
func killAlong(t *testing.T, op world.Operation, s stage, way []string, steady bool) int {
	t.Helper()
	if len(way) == 0 {
		t.Fatal("no access: the operation is not instrumented")
	}
	for n := 1; n <= len(way)+1; n++ {
		for try := 1; ; try++ {
			d, ran := once(t, op, s, n)
			if !ran || !steady || n <= len(way) && d.point == way[n-1] || n > len(way) && d.survived {
				break
			}
			if try == 20 {
				return n
			}
		}
	}
	return 0
}

// once kills a copy of the stage at the n-th access of the operation, and audits.
// It did not run when -run is for another access.
func once(t *testing.T, op world.Operation, s stage, n int) (d death, ran bool) {
	ok := t.Run(fmt.Sprint("at=", n), func(t *testing.T) {
		ran = true
		segment := s.fresh(t)
		d = watch(t, "operation", segment, op.Name, fmt.Sprint(n))
		op.Audit(t, segment, d.acks)
		if t.Failed() {
			t.Logf("killed at access %d: %s", n, d.point)
		}
	})
	if !ok {
		t.Fatal("stopped at the first failure")
	}
	return d, ran
}

// trace runs the operation until two runs took the same way, and returns it. What
// wakes goroutines of the process itself has no one way: steady is false then.
func trace(t *testing.T, op world.Operation, s stage) (way []string, steady bool) {
	t.Helper()
	for range 10 {
		segment := s.fresh(t)
		d := watch(t, "trace", segment, op.Name)
		if !d.survived {
			t.Fatalf("the operation does not end: %v", d.acks)
		}
		if slices.Equal(way, d.way) && way != nil {
			return way, true
		}
		way = d.way
	}
	return way, false
}

// A death is what became of a child.
type death struct {
	point    string          // where it was killed
	survived bool            // it was not
	acks     map[string]bool // what it said
	way      []string        // of a trace: the points of all accesses
}

// watch runs a child to its end.
func watch(t *testing.T, child string, args ...string) death {
	t.Helper()
	return read(t, shmtest.Child(t, child, args...))
}

// read reads what a child says until its end. It may be killed, or come to its
// end; a child that ends otherwise has met what no death of another explains.
func read(t *testing.T, p *shmtest.Process) death {
	t.Helper()
	return readStops(t, p, func() {})
}

// readStops is read for a child that stands still at times, and what is to happen then.
func readStops(t *testing.T, p *shmtest.Process, stands func()) (d death) {
	t.Helper()
	d.acks = map[string]bool{}
	for {
		line, ok := p.Line()
		if !ok {
			// A thread that runs on until the signal reaches it may still have
			// said "end": the exit status decides.
			err := p.Wait()
			d.survived = err == nil && d.acks["end"]
			if !d.survived && (err == nil || err.Error() != "signal: killed") {
				t.Errorf("the child failed, and was not killed: %v\n%v", err, slices.Sorted(maps.Keys(d.acks)))
			}
			if !d.survived && d.point == "" {
				d.point = "nowhere"
			}
			return d
		}
		var at int
		var lines string
		if k, _ := fmt.Sscanf(line, "crash point %d: %s %s", &at, &d.point, &lines); k == 3 {
			ledger.kill(d.point, strings.Split(lines, ","))
			stands()
			continue
		}
		if line == "begin" || line == "half-way" {
			stands()
			continue
		}
		if way, ok := strings.CutPrefix(line, "trace "); ok {
			d.way = strings.Fields(way)
			continue
		}
		d.acks[line] = true
	}
}
