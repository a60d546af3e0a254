package instr

import "golang.org/x/sys/unix"

// pc is the address of the next instruction.
func (c *tracee) pc() (uintptr, error) {
	const generalRegisters = 1 // NT_PRSTATUS
	var r unix.PtraceRegsArm64
	err := unix.PtraceGetRegSetArm64(c.pid, generalRegisters, &r)
	return uintptr(r.Pc), err
}
