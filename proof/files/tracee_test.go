//go:build linux && (amd64 || arm64)

package files

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm/shmtest"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { shmtest.Main(m) }

func init() {
	runtime.LockOSThread() // the child's function runs on its main thread, which is traced
	// files OPERATION SEGMENT FILE: run the operation, and stop behind it.
	shmtest.Register("files", func(args []string) {
		op := find(args[0])
		say("ready")
		for b := make([]byte, 1); !bytes.Equal(b, []byte("\n")); {
			if _, err := syscall.Read(0, b); err != nil && err != syscall.EINTR {
				panic(err)
			}
		}
		op.run(args[1], args[2])
		pid := uintptr(os.Getpid())
		_, _, _ = syscall.RawSyscall(syscall.SYS_TGKILL, pid, pid, uintptr(syscall.SIGSTOP))
	})
}

func say(line string) {
	_, err := syscall.Write(1, []byte(line+"\n"))
	world.Check(err)
}

// systemCall is the stop before or after a system call, with PTRACE_O_TRACESYSGOOD.
const systemCall = syscall.SIGTRAP | 0x80

// killAt starts a child and kills it at the k-th stop before or after a system call
// of its main thread. It returns what the child had said, and whether the operation
// had ended before that.
func killAt(t *testing.T, k int, args ...string) (acks map[string]bool, ended bool) {
	t.Helper()
	runtime.LockOSThread() // a tracer is a thread
	defer runtime.UnlockOSThread()
	p := shmtest.Child(t, "files", args...)
	defer p.Kill()
	p.Want("ready")
	pid := p.Cmd.Process.Pid
	world.Must(t, unix.PtraceSeize(pid))
	world.Must(t, unix.PtraceInterrupt(pid))
	_, err := stopped(pid)
	world.Must(t, err)
	world.Must(t, unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_EXITKILL))
	p.Say("go")
	for at, pass := 0, syscall.Signal(0); at < k && !ended; {
		world.Must(t, unix.PtraceSyscall(pid, int(pass)))
		s, err := stopped(pid)
		if err != nil {
			t.Fatalf("it failed: %v", err)
		}
		switch pass = 0; s {
		case systemCall:
			at++
		case syscall.SIGSTOP:
			ended = true
		default: // the runtime asks its thread for something
			pass = s
		}
	}
	p.Kill()
	acks = map[string]bool{}
	for {
		line, ok := p.Line()
		if !ok {
			return acks, ended
		}
		acks[line] = true
	}
}

func stopped(pid int) (syscall.Signal, error) {
	for {
		var s unix.WaitStatus
		_, err := unix.Wait4(pid, &s, unix.WALL, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case !s.Stopped():
			return 0, fmt.Errorf("the child has ended: %#x", uint32(s))
		default:
			return s.StopSignal(), nil
		}
	}
}

// mayTrace skips the test where a setting of the system forbids to trace a child.
func mayTrace(t *testing.T) {
	t.Helper()
	p := shmtest.Child(t, "files", "create", "", "")
	p.Want("ready")
	err := unix.PtraceSeize(p.Cmd.Process.Pid)
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOSYS) {
		world.Must(t, err)
		return
	}
	status, _ := os.ReadFile("/proc/self/status")
	scope, _ := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	if strings.TrimSpace(string(scope)) > "1" || strings.Contains(string(status), "\nSeccomp:\t2\n") {
		t.Skipf("tracing a child is forbidden: %v", err)
	}
	t.Fatalf("tracing a child is forbidden, and no setting says why: %v", err)
}
