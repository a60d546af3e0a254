//go:build crashpoint

package shm

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
)

// crashAt is the number of the access at which the process kills itself, 0 for
// never; crashSeen counts accesses since CrashAfter.
var crashAt, crashSeen atomic.Int64

// CrashAfter makes the process kill itself with SIGKILL at its n-th access to
// a shared word from now on, and resets the count; 0 disarms. An access that
// writes has a point before and one after it. It exists under the build tag
// crashpoint only.
func CrashAfter(n int64) {
	if dying.Load() {
		select {} // another goroutine has reached the point; the signal is on its way
	}
	crashSeen.Store(0)
	crashAt.Store(n)
}

// CrashPoints returns how many points were passed since CrashAfter.
func CrashPoints() int64 { return crashSeen.Load() }

var (
	counting atomic.Bool
	linesMu  sync.Mutex
	lines    map[uintptr]bool
)

// CountLines runs f and returns how many different cache lines of shared words
// it touched: headers, ring slots, bitmaps, index buckets, copied records. What
// an owner writes into its own record in plain stores is not counted; it does
// not depend on the size of anything.
func CountLines(f func()) int {
	linesMu.Lock()
	lines = map[uintptr]bool{}
	linesMu.Unlock()
	counting.Store(true)
	f()
	counting.Store(false)
	linesMu.Lock()
	defer linesMu.Unlock()
	return len(lines)
}

// dying stops every goroutine of the process at its next access, so that the
// death is where it was ordered, however long the signal takes.
var dying atomic.Bool

func crash(p point, w *uint64) {
	if counting.Load() && w != nil {
		linesMu.Lock()
		lines[lineOf(w)] = true
		linesMu.Unlock()
	}
	n := crashSeen.Add(1)
	if n != crashAt.Load() && !dying.Load() {
		return
	}
	if !dying.Swap(true) {
		fmt.Fprintf(os.Stderr, "crash point %d: %s\n", n, p)
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			_ = self.Kill()
		}
	}
	select {}
}
