//go:build linux && (amd64 || arm64)

package shm

// ForbidWaitV makes the process do without futex_waitv, as a seccomp filter or an
// old kernel would, until the returned function is called.
func ForbidWaitV() (undo func()) {
	noWaitV.Store(true)
	return func() { noWaitV.Store(false) }
}

// WakeCalls is how many wake-ups this opening has asked the kernel for.
func (s *Segment) WakeCalls() int64 { return s.c.sleeper.(*futexSleeper).wakes.Load() }

// WokenUps is how often something of this opening was woken up to look: a sleeper,
// the thread of the crowd, the timer of the death watch.
func (s *Segment) WokenUps() int64 { return s.c.sleeper.(*futexSleeper).woken.Load() }
