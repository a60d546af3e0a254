//go:build crashpoint

package stop

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// mortal ends the process with the test: a stopped one would stay for ever.
func mortal() {
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0)
}

// stopAt makes the process stop at the n-th access of this goroutine, or at the
// point of that name, of whichever.
func stopAt(where string) {
	mortal()
	os.Stderr = os.Stdout // where it says at which point
	if n, err := strconv.ParseInt(where, 10, 64); err == nil {
		shm.StopAfter(n)
	} else {
		shm.StopAtPoint(where)
	}
}

// finished says so, and stays alive until the test has looked at everything.
func finished() {
	shm.AtAccess(0, nil)
	fmt.Println("end")
	bufio.NewScanner(os.Stdin).Scan()
}

func init() {
	// op SEGMENT OPERATION WHERE: stop there in the operation.
	shmtest.Register("op", func(args []string) {
		op, where := find(args[1]), args[2]
		early := housekeeping[where] != ""
		if early {
			stopAt(where)
		}
		run := op.Attach(args[0])
		if !early {
			stopAt(where)
		}
		run(func(line string) { fmt.Println(line) })
		finished()
	})
}

// A stopped child stands at one of its points.
type child struct {
	*shmtest.Process
	t     *testing.T
	point string // "" when it went through without a stop
	acks  map[string]bool
}

// start runs a child until it has stopped or said "end".
func start(t *testing.T, f string, args ...string) *child {
	c := &child{Process: shmtest.Child(t, f, args...), t: t, acks: map[string]bool{}}
	if c.toEnd() {
		return c
	}
	c.waitState("T")
	return c
}

// toEnd reads what the child says until its end, or a stop.
func (c *child) toEnd() (ended bool) {
	c.t.Helper()
	for {
		line, ok := c.Line()
		if !ok {
			c.t.Fatalf("the child ended before it had finished: %v", c.Wait())
		}
		var at int
		var point string
		if k, _ := fmt.Sscanf(line, "stop point %d: %s", &at, &point); k == 2 {
			c.point = point
			return false
		}
		c.acks[line] = true
		if line == "end" {
			return true
		}
	}
}

// waitState waits until the kernel says that every thread of the child is in the
// state.
func (c *child) waitState(state string) {
	c.t.Helper()
	for limit := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Microsecond) {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", c.Cmd.Process.Pid))
		world.Must(c.t, err)
		all := len(files) > 0
		for _, f := range files {
			b, _ := os.ReadFile(f)
			_, rest, _ := strings.Cut(string(b), ") ")
			all = all && strings.HasPrefix(rest, state)
		}
		if all {
			return
		}
		if time.Now().After(limit) {
			c.t.Fatalf("the child does not come into state %s", state)
		}
	}
}

func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	world.Must(c.t, c.Cmd.Process.Signal(s))
}

// slot is the child's place in the registry.
func (c *child) slot(s *shm.Segment) int {
	for _, p := range s.Processes() {
		if p.PID == c.Cmd.Process.Pid {
			return p.Slot
		}
	}
	return -1 // it has not joined yet, or has left
}

// claims are what a registry slot owns.
func claims(s *shm.Segment, slot int) (list []string) {
	for _, c := range s.Claims() {
		if c.Process == slot {
			list = append(list, fmt.Sprintf("%+v", c))
		}
	}
	slices.Sort(list)
	return list
}
