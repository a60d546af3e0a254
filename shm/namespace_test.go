//go:build linux && (amd64 || arm64)

package shm_test

import (
	"bufio"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/aotf/sharedmem/shm/shmtest"
)

// A process in another PID namespace is number 1 there and nobody here: no pidfd
// can watch it, and its number says nothing. Its death is found all the same.
func TestKill_OtherPIDNamespace(t *testing.T) {
	f := &farm{}
	s := shmtest.New(t, f, nil)
	must(t, f.Todo.TryPut(newJob(t, f, "", 42)))
	exe, err := os.Executable()
	must(t, err)
	c := exec.Command(exe, s.Name())
	c.Env = append(os.Environ(), "SHMTEST_CHILD=holder")
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}},
	}
	in, err := c.StdinPipe()
	must(t, err)
	defer in.Close()
	out, err := c.StdoutPipe()
	must(t, err)
	if err := c.Start(); err != nil {
		t.Skipf("needs a user and PID namespace: %v", err)
	}
	defer c.Wait()
	defer c.Process.Kill()
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "claimed" {
		t.Fatalf("the child said %q", lines.Text())
	}
	for _, p := range s.Processes() {
		if !p.Self && p.PID != 1 {
			t.Errorf("the child is number %d in its namespace: the test tests nothing", p.PID)
		}
	}
	must(t, c.Process.Kill())
	comesBack(t, f)
	eventually(t, "its slot is free again", func() bool { return len(s.Processes()) == 1 })
	shmtest.Verify(t, s)
}
