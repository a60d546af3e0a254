package shm

import (
	"time"

	"golang.org/x/sys/unix"
)

// Now is the time since boot, the same in every process of the host.
func Now() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // cannot fail: the clock exists since Linux 2.6.39
	return time.Duration(ts.Nano())
}
