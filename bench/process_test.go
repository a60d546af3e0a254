package bench

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// roles are what this binary can be besides a test: see TestMain.
var roles = map[string]func(args []string) error{}

const roleVar = "BENCH_ROLE"

func TestMain(m *testing.M) {
	role := os.Getenv(roleVar)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := roles[role](os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %s: %v\n", role, err)
		os.Exit(1)
	}
}

// process is a child: a server, or an agent that does what it is told, one line
// a command.
type process struct {
	tb  testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	end func()
}

// self starts this binary again in the given role.
func self(tb testing.TB, role string, args ...string) *process {
	exe, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), roleVar+"="+role)
	return start(tb, cmd)
}

// start starts a command that is killed when the test ends, at the latest.
func start(tb testing.TB, cmd *exec.Cmd) *process {
	p := &process{tb: tb, cmd: cmd}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if p.in, err = cmd.StdinPipe(); err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	p.end = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	tb.Cleanup(p.end)
	return p
}

func (p *process) say(format string, args ...any) {
	if _, err := fmt.Fprintf(p.in, format+"\n", args...); err != nil {
		p.tb.Fatalf("tell %s: %v", p.cmd.Path, err)
	}
}

// hear returns the words of the next line that begins with the given one, which
// must be the next line.
func (p *process) hear(word string) []string {
	line, err := p.out.ReadString('\n')
	words := strings.Fields(line)
	if err != nil || len(words) == 0 || words[0] != word {
		p.tb.Fatalf("%s said %q (%v), want %q", p.cmd.Path, line, err, word)
	}
	return words[1:]
}

// exited reports whether the process has ended, without waiting for it.
func (p *process) exited() bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err != nil || info.Signo != 0
}
