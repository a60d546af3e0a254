//go:build linux && (amd64 || arm64)

package instr

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/aotf/sharedmem/shm/shmtest"
	"golang.org/x/sys/unix"
)

func init() {
	shmtest.Register("wait", func([]string) { _, _ = os.Stdin.Read(make([]byte, 1)) })
}

// mayTrace skips the test where a setting of the system forbids to trace a child,
// and fails it where tracing does not work for another reason.
func mayTrace(t *testing.T) {
	t.Helper()
	var err error
	for _, o := range judge(t, 0, func(t testing.TB) {
		p := shmtest.Child(t, "wait")
		err = unix.PtraceSeize(p.Cmd.Process.Pid)
	}) {
		t.Fatal(o)
	}
	switch {
	case err == nil:
		return
	case !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOSYS):
		t.Fatalf("tracing a child does not work: %v", err)
	}
	if scope, e := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope"); e == nil && strings.TrimSpace(string(scope)) > "1" {
		t.Skipf("tracing a child is forbidden: kernel.yama.ptrace_scope is %s", scope)
	}
	status, e := os.ReadFile("/proc/self/status")
	if e == nil && strings.Contains(string(status), "\nSeccomp:\t2\n") {
		t.Skip("tracing a child is forbidden by the container's seccomp filter: allow ptrace, in Docker with --cap-add SYS_PTRACE")
	}
	t.Fatalf("tracing a child is forbidden, and no setting says why: %v", err)
}
