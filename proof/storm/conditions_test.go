//go:build linux && (amd64 || arm64)

package storm

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// conditions are what the machine gave to the storm and to others. A process that
// was killed waits for a processor to die on: figures say little without them.
type conditions struct {
	started time.Time
	load    string
	busy    time.Duration // of all processors, since boot
	ours    time.Duration // this process, and its children that have ended
}

func look() conditions {
	return conditions{time.Now(), loadAverage(), busy(), ours()}
}

// since says what was between an earlier look and now.
func (was conditions) since() string {
	now := look()
	took := now.started.Sub(was.started)
	mine := (now.ours - was.ours).Seconds() / took.Seconds()
	all := (now.busy - was.busy).Seconds() / took.Seconds()
	return fmt.Sprintf("%d cores, of which the storm used %.1f and others %.1f; load average before %s, after %s; %v",
		runtime.NumCPU(), mine, max(0, all-mine), was.load, now.load, took.Round(time.Second))
}

func loadAverage() string {
	b, _ := os.ReadFile("/proc/loadavg")
	s, _, _ := strings.Cut(string(b), " ")
	return s
}

func ours() (sum time.Duration) {
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		_ = syscall.Getrusage(who, &u)
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}

// busy is the processors' time that was neither idle nor waiting, in units of
// 10 ms as the kernel shows it.
func busy() (sum time.Duration) {
	b, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(b), "\n")
	for i, f := range strings.Fields(line) {
		if n, err := strconv.ParseInt(f, 10, 64); err == nil && i != 4 && i != 5 && i <= 8 {
			sum += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return sum
}
