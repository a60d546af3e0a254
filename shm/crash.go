//go:build crashpoint

package shm

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// hook is what is to happen at some access. It happens once, on the goroutine
// that accesses, before it goes on.
type hook struct {
	at   int64  // the number of the access, or 0
	name string // the point's name, or ""
	run  func(point string)
	line string // the access is at this line of the library, or "": at any
	on   string // the goroutine whose accesses count, or "": any
}

var (
	armed atomic.Pointer[hook]
	seen  atomic.Int64 // accesses since the last call of arm
)

func arm(h *hook) {
	if dying.Load() {
		select {} // another goroutine has reached the point; the signal is on its way
	}
	seen.Store(0)
	armed.Store(h)
}

// AtAccess makes f run at the n-th access to a shared word from now on, with the
// name of its point; 0 disarms. An access that writes has a point before and
// one after it. f runs once, on the goroutine that accesses; what f accesses
// itself runs nothing. It exists under the build tag crashpoint only.
func AtAccess(n int64, f func(point string)) {
	if n == 0 {
		arm(nil)
		return
	}
	arm(&hook{at: n, run: f})
}

// AtOwnAccess is AtAccess for the calling goroutine: what the housekeeping of an
// opening accesses meanwhile does not count.
func AtOwnAccess(n int64, f func(point string)) { arm(&hook{at: n, run: f, on: goroutine()}) }

// AtPoint is AtAccess for the next access whose point has the name.
func AtPoint(name string, f func()) { arm(&hook{name: name, run: func(string) { f() }}) }

// AtOwnPoint is AtPoint for the calling goroutine.
func AtOwnPoint(name string, f func()) {
	arm(&hook{name: name, run: func(string) { f() }, on: goroutine()})
}

// goroutine names the running goroutine.
func goroutine() string {
	var b [64]byte
	name, _, _ := bytes.Cut(b[:runtime.Stack(b[:], false)], []byte("["))
	return string(name)
}

// CrashAfter makes the process kill itself with SIGKILL at its n-th access to
// a shared word from now on, of whichever goroutine: none goes on. 0 disarms. It
// says so on standard error.
func CrashAfter(n int64) { AtAccess(n, die) }

// CrashAtLine is CrashAfter for the next access at a line of this package, as Here
// names it, or below a call there.
func CrashAtLine(line string) { arm(&hook{line: line, run: die}) }

// StopAfter makes the process stop itself with SIGSTOP at the n-th access of the
// calling goroutine from now on: others may run on for a moment, so it must be
// this one that stands where it says. It says so on standard error. After a
// SIGCONT it goes on.
func StopAfter(n int64) { AtOwnAccess(n, stop) }

// Later makes it d later for this process: what is to be old becomes so.
func Later(d time.Duration) { ahead.Store(int64(d)) }

var ahead atomic.Int64

func later() time.Duration { return time.Duration(ahead.Load()) }

// Here tells, for a hook, at which lines of this package its access is: the
// innermost first, as "ring.go:12,lane.go:34".
func Here() string {
	pc := make([]uintptr, 32)
	frames := runtime.CallersFrames(pc[:runtime.Callers(1, pc)])
	var lines []string
	for f, more := frames.Next(); more && len(lines) < 6; f, more = frames.Next() {
		file := filepath.Base(f.File)
		if file != "crash.go" && file != "word_crashpoint.go" && strings.HasPrefix(f.Function, "github.com/aotf/sharedmem/shm.") {
			lines = append(lines, fmt.Sprint(file, ":", f.Line))
		}
	}
	return strings.Join(lines, ",")
}

// StopAtPoint is StopAfter for the next access whose point has the name, of
// whichever goroutine.
func StopAtPoint(name string) { arm(&hook{name: name, run: stop}) }

// PointNames returns the names of all points of all protocols: the ledger of
// what a campaign has to reach.
func PointNames() []string { return append([]string(nil), pointNames[:]...) }

// dying stops every goroutine of the process at its next access, so that the
// death is where it was ordered, however long the signal takes.
var dying atomic.Bool

func die(p string) {
	if !dying.Swap(true) {
		fmt.Fprintf(os.Stderr, "crash point %d: %s %s\n", seen.Load(), p, Here())
		if self, err := os.FindProcess(os.Getpid()); err == nil {
			_ = self.Kill()
		}
	}
	select {}
}

func stop(p string) {
	runtime.LockOSThread() // the signal is for this thread: it stops before its next instruction
	fmt.Fprintf(os.Stderr, "stop point %d: %s\n", seen.Load(), p)
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP)
	runtime.UnlockOSThread()
}

func crash(p point, w *uint64) {
	if counting.Load() && w != nil {
		linesMu.Lock()
		lines[lineOf(w)] = true
		linesMu.Unlock()
	}
	if dying.Load() {
		select {}
	}
	h := armed.Load()
	if h != nil && h.on != "" && h.on != goroutine() {
		return
	}
	n := seen.Add(1)
	// Not n == h.at: another goroutine may have counted while the hook was armed.
	if h == nil || h.at > n || h.at == 0 && h.line == "" && h.name != p.String() ||
		h.line != "" && !strings.Contains(","+Here()+",", ","+h.line+",") || !armed.CompareAndSwap(h, nil) {
		return
	}
	h.run(p.String())
}

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
