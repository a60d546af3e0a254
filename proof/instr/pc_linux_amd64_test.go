package instr

import "golang.org/x/sys/unix"

// pc is the address of the next instruction.
func (c *tracee) pc() (uintptr, error) {
	var r unix.PtraceRegs
	err := unix.PtraceGetRegs(c.pid, &r)
	return uintptr(r.Rip), err
}
