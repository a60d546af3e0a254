//go:build linux && (amd64 || arm64)

package instr

import (
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func TestMain(m *testing.M) { shmtest.Main(m) }

func init() {
	runtime.LockOSThread() // the child's function runs on its main thread
	// step SEGMENT WARM OPERATION: one run on a copy of the segment, so that
	// nothing in the other is done for the first time in the process.
	shmtest.Register("step", func(args []string) {
		op := find(args[2])
		warm, run := op.Attach(args[1]), op.Attach(args[0])
		warm(func(string) { _, _ = syscall.Write(1, nil) })
		between(func() { run(say) })
	})
}

func say(line string) {
	_, err := syscall.Write(1, []byte(line+"\n"))
	world.Check(err)
}

// between marks the beginning and the end of what is stepped through.
func between(run func()) {
	pid := uintptr(os.Getpid())
	runtime.Gosched() // a request to do so from before is not obeyed in the middle
	_, _, _ = syscall.RawSyscall(syscall.SYS_TGKILL, pid, pid, uintptr(syscall.SIGSTOP))
	run()
	_, _, _ = syscall.RawSyscall(syscall.SYS_TGKILL, pid, pid, uintptr(syscall.SIGSTOP))
}
