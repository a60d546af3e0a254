package shm

// ForbidWaitV makes the process do without futex_waitv, as a seccomp filter or an
// old kernel would, until the returned function is called.
func ForbidWaitV() (undo func()) {
	noWaitV.Store(true)
	return func() { noWaitV.Store(false) }
}

// WakeCalls is how many wake-ups this opening has asked the kernel for.
func (s *Segment) WakeCalls() int64 { return s.c.sleeper.(*futexSleeper).wakes.Load() }
