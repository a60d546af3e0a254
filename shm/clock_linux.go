package shm

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Asking for the time since boot is a system call; the monotonic clock, which
// stands still while the machine sleeps, is not. So their difference is asked for
// once a second.
var (
	started      = time.Now()
	bootOffset   atomic.Int64 // time since boot at started
	bootAskAgain atomic.Int64 // when on the monotonic clock, since started
)

const askBoot = time.Second

// Now is the time since boot, the same in every process of the host. When the
// machine has slept, it is behind by that for a second at most.
func Now() time.Duration {
	since := time.Since(started)
	if int64(since) >= bootAskAgain.Load() {
		var ts unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // cannot fail: the clock exists since Linux 2.6.39
		bootOffset.Store(ts.Nano() - int64(since))
		bootAskAgain.Store(int64(since + askBoot))
	}
	return since + time.Duration(bootOffset.Load())
}
