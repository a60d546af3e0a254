package instr

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const canRun = true

// Offsets of the debug registers in the kernel's struct user.
const (
	debugAddress = 848       // DR0
	debugControl = 848 + 7*8 // DR7
)

// runTo lets the child run until the next instruction is the one at pc, for the
// first time. errEnded: it met the mark behind its operation before.
func (c *tracee) runTo(pc uintptr) error {
	if err := c.poke(debugAddress, pc); err != nil {
		return err
	}
	if err := c.poke(debugControl, 1); err != nil { // DR0, on execution
		return err
	}
	if err := unix.PtraceCont(c.pid, 0); err != nil {
		return fmt.Errorf("run to %#x: %w", pc, err)
	}
	s, err := c.wait(0)
	switch {
	case err != nil:
		return err
	case s == unix.SIGSTOP:
		return errEnded
	case s != unix.SIGTRAP:
		return fmt.Errorf("on the way to %#x: the child got %v", pc, s)
	}
	return c.poke(debugControl, 0)
}

func (c *tracee) poke(offset, value uintptr) error {
	_, _, err := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_POKEUSR, uintptr(c.pid), offset, value, 0, 0)
	if err != 0 {
		return fmt.Errorf("set a debug register: %w", err)
	}
	return nil
}
