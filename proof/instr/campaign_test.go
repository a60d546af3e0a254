//go:build linux && (amd64 || arm64)

package instr

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// A campaign kills one operation at many instructions. Every child works on a
// copy of one staged segment: the same bytes lead to the same instructions.
type campaign struct {
	op     world.Operation
	staged []byte
	trace  []uintptr // addresses of a run of the operation; 0 outside of the program's text
	before []int     // where an address was the last time; -1: not before
}

// death is one kill.
type death struct {
	strayed    bool // the child stood before another instruction than ordered
	objections []string
}

// record stages the operation and steps through it until two runs are the same.
func record(t testing.TB, op world.Operation) *campaign {
	t.Helper()
	b, err := os.ReadFile(path(op.Stage(t, 4)))
	world.Must(t, err)
	c := &campaign{op: op, staged: b}
	for range 10 {
		before := c.trace
		if o := judge(t, 0, c.follow); len(o) > 0 {
			t.Fatalf("killed at the end of the operation:\n%s", strings.Join(o, "\n"))
		}
		if slices.Equal(inText(before), inText(c.trace)) {
			c.index()
			return c
		}
	}
	t.Fatal("ten runs of the operation, and no two of the same instructions")
	return nil
}

// inText leaves out the kernel's clock, which repeats a reading that an update
// fell into.
func inText(trace []uintptr) []uintptr {
	return slices.DeleteFunc(slices.Clone(trace), func(pc uintptr) bool { return pc == 0 })
}

// follow records the trace of one run, kills the child at its end, and audits.
func (c *campaign) follow(t testing.TB) {
	segment := c.copy(t)
	child := attach(t, segment, c.copy(t), c.op.Name)
	c.trace = nil
	var err error
	for err == nil {
		c.trace = append(c.trace, child.at(t))
		err = child.step()
	}
	if !errors.Is(err, errEnded) {
		t.Fatal(err)
	}
	c.op.Audit(t, segment, child.die())
}

// all are the instructions to be killed after. The first is the last one before
// the code of the libraries: until then an operation only says what it is about
// to do. The last is the one before the system call of the mark.
func (c *campaign) all() (at []int) {
	begun := false
	for k := 1; k <= len(c.trace)-2; k++ {
		begun = begun || within(c.trace[k], libraries...)
		if begun {
			at = append(at, k)
		}
	}
	return at
}

func (c *campaign) index() {
	c.before = make([]int, len(c.trace))
	last := map[uintptr]int{}
	for i, pc := range c.trace {
		c.before[i] = -1
		if at, seen := last[pc]; seen {
			c.before[i] = at
		}
		last[pc] = i
	}
}

// reach is the last place up to k that a child at i can run to: the next time
// that it comes to that address.
func (c *campaign) reach(i, k int) int {
	for ; k > i; k-- {
		if c.trace[k] != 0 && c.before[k] < i {
			return k
		}
	}
	return i
}

// in counts the instructions of functions whose name begins so.
func (c *campaign) in(name string) (n int) {
	for _, pc := range c.trace {
		if within(pc, name) {
			n++
		}
	}
	return n
}

func within(pc uintptr, names ...string) bool {
	return pc != 0 && slices.ContainsFunc(names, func(name string) bool {
		return strings.HasPrefix(runtime.FuncForPC(pc).Name(), name)
	})
}

// kill runs the operation in a new child on the given processor, kills it after
// its k-th instruction, and audits. A child that had to be ended on the way counts as
// one that strayed: who steps through the kernel's clock slower than it is set may
// read it for ever.
func (c *campaign) kill(t testing.TB, cpu, k int) (d death) {
	var child *tracee
	objections := judge(t, cpu, func(t testing.TB) {
		segment := c.copy(t)
		child = attach(t, segment, c.copy(t), c.op.Name)
		i, pc, err := 0, child.at(t), error(nil)
		for err == nil && i < k && pc == c.trace[i] {
			if j := c.reach(i, k); canRun && j > i+2 { // to set a breakpoint takes as long as two steps
				err = child.runTo(c.trace[j])
				i, pc = j, child.at(t)
			} else if err = child.step(); err == nil {
				pc = child.at(t)
				i = c.after(i, pc)
			}
		}
		if err != nil && !errors.Is(err, errEnded) {
			t.Fatal(err)
		}
		d.strayed = err != nil || i != k || pc != c.trace[k]
		acks := child.die()
		acks[before[c.op.Name]] = true
		c.op.Audit(t, segment, acks)
	})
	if child != nil && child.hung.Load() {
		return death{strayed: true}
	}
	d.objections = objections
	return d
}

// after is where in the trace a child is that was at i, took a step, and is at pc.
// In the kernel's clock it may stay longer than the recorded run, or less.
func (c *campaign) after(i int, pc uintptr) int {
	switch {
	case c.trace[i] == 0 && pc == 0 && c.trace[i+1] != 0:
		return i
	case c.trace[i] == 0 && pc != 0:
		for c.trace[i] == 0 {
			i++
		}
		return i
	}
	return i + 1
}

// at is the address of the next instruction, 0 outside of the program's text.
// Child and test are the same program.
func (c *tracee) at(t testing.TB) uintptr {
	pc, err := c.pc()
	world.Must(t, err)
	if runtime.FuncForPC(pc) == nil {
		return 0
	}
	return pc
}

func path(segment string) string {
	return filepath.Join(cmp.Or(os.Getenv("SHM_DIR"), shm.DefaultDir), segment)
}

func (c *campaign) copy(t testing.TB) (segment string) {
	segment = shmtest.Name(t)
	world.Must(t, os.WriteFile(path(segment), c.staged, 0o600))
	return segment
}
