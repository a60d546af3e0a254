//go:build linux && (amd64 || arm64)

package instr

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
	"golang.org/x/sys/unix"
)

// A verdict is a testing.TB for one kill: it collects what the audit objects to
// and cleans up when the kill is over, not when the test ends.
type verdict struct {
	testing.TB
	objections []string
	cleanups   []func()
}

// judge runs f on a goroutine and a thread of its own and returns the objections.
// Thread and children stay on one processor: a step is two switches between
// tracer and child, which cost less than half there.
func judge(t testing.TB, cpu int, f func(v testing.TB)) []string {
	v := &verdict{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // to its end, and the thread ends with it
		defer v.cleanup()
		pin(v, cpu)
		f(v)
	}()
	<-done
	return v.objections
}

// pin binds the thread to the n-th of the processors that the test may use.
func pin(t testing.TB, n int) {
	var may, one unix.CPUSet
	world.Must(t, unix.SchedGetaffinity(0, &may))
	for cpu := 0; ; cpu = (cpu + 1) % (len(may) * 64) {
		if may.IsSet(cpu) {
			if n--; n < 0 {
				one.Set(cpu)
				break
			}
		}
	}
	world.Must(t, unix.SchedSetaffinity(0, &one))
}

func (v *verdict) cleanup() {
	for len(v.cleanups) > 0 {
		last := len(v.cleanups) - 1
		f := v.cleanups[last]
		v.cleanups = v.cleanups[:last]
		f()
	}
}

func (v *verdict) Helper()          {}
func (v *verdict) Cleanup(f func()) { v.cleanups = append(v.cleanups, f) }
func (v *verdict) Failed() bool     { return len(v.objections) > 0 }
func (v *verdict) Error(a ...any)   { v.objections = append(v.objections, fmt.Sprintln(a...)) }
func (v *verdict) Errorf(f string, a ...any) {
	v.objections = append(v.objections, fmt.Sprintf(f, a...))
}
func (v *verdict) Fail()                     { v.Error("failed") }
func (v *verdict) FailNow()                  { v.Fail(); runtime.Goexit() }
func (v *verdict) Fatal(a ...any)            { v.Error(a...); runtime.Goexit() }
func (v *verdict) Fatalf(f string, a ...any) { v.Errorf(f, a...); runtime.Goexit() }
