//go:build linux && (amd64 || arm64)

package storm

import (
	"golang.org/x/sys/unix"

	"github.com/aotf/sharedmem/proof/world"
)

// clock is the time since boot as the kernel says it, so that what two processes
// did can be put in order.
func clock() int64 {
	var ts unix.Timespec
	world.Check(unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts))
	return ts.Nano()
}
