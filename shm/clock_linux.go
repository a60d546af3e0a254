package shm

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Asking for the time since boot is a system call; the monotonic clock, which
// stands still while the machine sleeps, is not. So what is between them is asked
// for once a second, and changed only when the machine has slept.
var (
	started      = time.Now()
	bootOffset   atomic.Int64 // time since boot at started
	bootAskAgain atomic.Int64 // when on the monotonic clock, since started
)

const (
	askBoot   = time.Second
	bootSlept = time.Millisecond // a difference larger than the error of a measurement
)

// Now is the time since boot, the same in every process of the host to within a
// few microseconds. When the machine has slept, it is behind by that for a second
// at most.
func Now() time.Duration {
	since := time.Since(started)
	if int64(since) >= bootAskAgain.Load() {
		at := measureBoot()
		if old := bootOffset.Load(); old == 0 || max(at-old, old-at) > int64(bootSlept) {
			bootOffset.CompareAndSwap(old, at)
		}
		bootAskAgain.Store(int64(since + askBoot))
	}
	return since + time.Duration(bootOffset.Load()) + later()
}

// measureBoot reads one clock between two looks at the other, until nothing has
// come in between, or has each time.
func measureBoot() (offset int64) {
	least := time.Duration(1 << 62)
	for range 10 {
		var ts unix.Timespec
		before := time.Since(started)
		_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // cannot fail: the clock exists since Linux 2.6.39
		took := time.Since(started) - before
		if took < least {
			least, offset = took, ts.Nano()-int64(before+took/2)
		}
		if took < 2*time.Microsecond {
			break
		}
	}
	return offset
}
