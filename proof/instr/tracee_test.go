//go:build linux && (amd64 || arm64)

package instr

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aotf/sharedmem/shm/shmtest"
	"golang.org/x/sys/unix"
)

// A tracee is a child that stands just before its operation. All its threads are
// stopped by its own SIGSTOP; only the main thread, which runs the operation, is
// traced and moved. So nothing but the operation happens between two steps, and
// no runtime thread asks the operation's goroutine to make room for another one.
// That changes nothing about the death: SIGKILL ends all threads at once.
type tracee struct {
	*shmtest.Process
	pid   int
	watch *time.Timer
	hung  atomic.Bool // and was killed for it
}

// hang ends a child that does not reach its next instruction: one of its stopped
// threads has what the operation needs.
const hang = 2 * time.Minute

var errEnded = errors.New("the operation has ended")

// attach starts the child and traces it from the mark before its operation. The
// calling goroutine must be locked to its thread until the child is dead.
func attach(t testing.TB, args ...string) *tracee {
	t.Helper()
	p := shmtest.Child(t, "step", args...)
	c := &tracee{Process: p, pid: p.Cmd.Process.Pid}
	c.watch = time.AfterFunc(hang, func() {
		c.hung.Store(true)
		_ = unix.Kill(c.pid, unix.SIGKILL)
	})
	t.Cleanup(func() { c.watch.Stop() }) // before the child is reaped: then its id may be another's
	if s, err := c.wait(unix.WUNTRACED); err != nil || s != unix.SIGSTOP {
		t.Fatalf("the child did not stop before its operation: %v %v", s, err)
	}
	if err := unix.PtraceSeize(c.pid); err != nil {
		t.Fatalf("trace the child: %v", err)
	}
	if s, err := c.wait(0); err != nil || s != unix.SIGSTOP {
		t.Fatalf("the traced child is not at the mark: %v %v", s, err)
	}
	if err := unix.PtraceSetOptions(c.pid, unix.PTRACE_O_EXITKILL); err != nil {
		t.Fatal(err)
	}
	return c
}

// wait returns the signal that stopped the main thread.
func (c *tracee) wait(options int) (unix.Signal, error) {
	for {
		var s unix.WaitStatus
		_, err := unix.Wait4(c.pid, &s, options|unix.WALL, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, fmt.Errorf("wait: %w", err)
		case !s.Stopped():
			return 0, fmt.Errorf("the child has ended: %#x", uint32(s))
		default:
			return s.StopSignal(), nil
		}
	}
}

// step lets the child retire one instruction. errEnded: it met the mark behind
// its operation.
func (c *tracee) step() error {
	if err := unix.PtraceSingleStep(c.pid); err != nil {
		return fmt.Errorf("step: %w", err)
	}
	s, err := c.wait(0)
	switch {
	case err != nil:
		return err
	case s == unix.SIGSTOP:
		return errEnded
	case s != unix.SIGTRAP:
		return fmt.Errorf("in a step the child got %v", s)
	}
	return nil
}

// die kills the child where it stands and returns what it had acknowledged.
func (c *tracee) die() (acks map[string]bool) {
	c.watch.Stop()
	c.Kill()
	acks = map[string]bool{}
	for {
		line, ok := c.Line()
		if !ok {
			return acks
		}
		acks[line] = true
	}
}
