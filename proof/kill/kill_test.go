//go:build crashpoint

// Package kill kills every operation at every access to a shared word.
package kill

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func TestMain(m *testing.M) { shmtest.Main(m) }

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	world.Check(err)
	return n
}

func init() {
	// op SEGMENT OPERATION N: kill yourself at the N-th access of the operation.
	shmtest.Register("op", func(args []string) {
		run := world.Find(args[1]).Attach(args[0])
		shm.CrashAfter(number(args[2]))
		run(func(line string) { fmt.Println(line) })
		shm.CrashAfter(0)
		fmt.Println("end")
	})
	// attach SEGMENT N: kill yourself at the N-th access of attach and leave.
	shmtest.Register("attach", func(args []string) {
		shm.CrashAfter(number(args[1]))
		s, err := shm.Attach(args[0], &world.World{}, nil)
		world.Check(err)
		world.Check(s.Close())
		shm.CrashAfter(0)
		fmt.Println("end")
	})
	shmtest.Register("create", func(args []string) {
		shm.CrashAfter(number(args[1]))
		_, err := shm.Create(args[0], &world.World{Size: 2}, nil)
		world.Check(err)
		shm.CrashAfter(0)
		fmt.Println("end")
	})
	// mess SEGMENT: leave as much half done as one process can, and die.
	shmtest.Register("mess", func(args []string) {
		world.Mess(args[0])
		fmt.Println("end")
		p, _ := os.FindProcess(os.Getpid())
		_ = p.Kill() // no Close, no goodbye
		select {}
	})
	shmtest.Register("sweep", func(args []string) {
		shm.CrashAfter(number(args[1]))
		s, err := shm.Attach(args[0], &world.World{}, nil)
		world.Check(err)
		_, err = s.Sweep(t0)
		world.Check(err)
		shm.CrashAfter(0)
		fmt.Println("end")
	})
}

// each runs test for n = 1, 2, ... until a child survives.
func each(t *testing.T, run func(t *testing.T, n int) (survived bool)) {
	for n := 1; ; n++ {
		survived := false
		ok := t.Run(fmt.Sprint("at=", n), func(t *testing.T) { survived = run(t, n) })
		if !ok {
			t.Fatal("stopped at the first failure")
		}
		if survived {
			t.Logf("%d points", n-1)
			if n < 10 {
				t.Errorf("only %d points: the operation was not instrumented", n-1)
			}
			return
		}
	}
}

// lines reads the child's output to its end.
func lines(p *shmtest.Process) map[string]bool {
	acks := map[string]bool{}
	for {
		line, ok := p.Line()
		if !ok {
			// A thread that runs on until the signal reaches it may still have
			// said "end": the exit status decides.
			if p.Wait() != nil {
				delete(acks, "end")
			}
			return acks
		}
		acks[line] = true
	}
}

func TestKill_Operations(t *testing.T) {
	for _, op := range world.Operations() {
		t.Run("op="+op.Name, func(t *testing.T) {
			each(t, func(t *testing.T, n int) bool {
				name := op.Stage(t, 64)
				acks := lines(shmtest.Child(t, "op", name, op.Name, fmt.Sprint(n)))
				op.Audit(t, name, acks)
				return acks["end"]
			})
		})
	}
}

var (
	stage = world.Find("put") // where every campaign on the bare objects starts
	t0    = context.Background()
)

func TestKill_Attach(t *testing.T) {
	each(t, func(t *testing.T, n int) bool {
		name := stage.Stage(t, 64)
		acks := lines(shmtest.Child(t, "attach", name, fmt.Sprint(n)))
		stage.Audit(t, name, acks)
		return acks["end"]
	})
}

// Creation is killed at each step: the name leads to nothing, or to a whole
// segment.
func TestKill_Create(t *testing.T) {
	steps := 0
	for n := int64(1); ; n++ {
		name := shmtest.Name(t)
		acks := lines(shmtest.Child(t, "create", name, fmt.Sprint(n)))
		s, err := shm.Open(name, &world.World{Size: 2}, nil)
		world.Must(t, err)
		_, err = s.Sweep(t.Context())
		world.Must(t, err)
		shmtest.Verify(t, s)
		if len(s.Processes()) != 1 {
			t.Fatalf("at=%d: %+v", n, s.Processes())
		}
		world.Must(t, s.Remove())
		steps++
		if acks["end"] {
			break
		}
		// Most accesses of a creation fill bitmaps; every step is tried, the
		// filling in strides.
		if steps > 40 {
			n += 16
		}
	}
	t.Logf("%d kills", steps)
}

// The recoverer dies too, at each of its points. With one slot in the registry
// it takes the dead process's own, and puts back what that left before anything
// else.
func TestKill_Sweeper(t *testing.T) {
	for _, processes := range []int{64, 1} {
		t.Run(fmt.Sprint("processes=", processes), func(t *testing.T) { sweeper(t, processes) })
	}
}

func sweeper(t *testing.T, processes int) {
	each(t, func(t *testing.T, n int) bool {
		name := stage.Stage(t, processes)
		p := shmtest.Child(t, "mess", name)
		p.Want("end")
		_ = p.Wait()
		n = 3*n - 2 // a third of the points, in every run the same
		acks := lines(shmtest.Child(t, "sweep", name, fmt.Sprint(n)))
		stage.Audit(t, name, nil)
		return acks["end"]
	})
}
