package primitives

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// cpuPerOp reports the processor time of this thread per operation, beside the
// time on the clock: on a machine with other work the clock measures that too.
func cpuPerOp(b *testing.B, run func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := threadTime()
	run()
	b.ReportMetric(float64(threadTime()-before)/float64(b.N), "cpu-ns/op")
}

func threadTime() int64 {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_THREAD, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}
