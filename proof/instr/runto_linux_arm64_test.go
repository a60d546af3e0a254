package instr

// canRun is false: every instruction is stepped.
const canRun = false

func (c *tracee) runTo(uintptr) error { panic("not on arm64") }
