// Package shmtest helps to test programs whose processes share a segment:
// segments of a test's own, child processes made from the test binary, SIGKILL,
// and a check that nothing is left broken.
package shmtest

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aotf/sharedmem/shm"
)

var segments atomic.Uint32

// Name returns a segment name of the test's own and removes the segment, if
// one of that name exists, when the test ends.
func Name(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("shmtest-%d-%d", os.Getpid(), segments.Add(1))
	t.Cleanup(func() {
		err := shm.Remove(name, nil, true)
		if errors.Is(err, shm.ErrNotSegment) { // what the test put there instead
			err = os.RemoveAll(filepath.Join(cmp.Or(os.Getenv("SHM_DIR"), shm.DefaultDir), name))
		}
		if err != nil && !errors.Is(err, shm.ErrNotExist) && !errors.Is(err, shm.ErrUnsupported) {
			t.Errorf("remove segment: %v", err)
		}
	})
	return name
}

// New creates a segment for the test, closes it and removes it when the test
// ends. Where shared segments are not supported, the test is skipped.
func New(t testing.TB, app shm.Definer, o *shm.Options) *shm.Segment {
	t.Helper()
	s, err := shm.Create(Name(t), app, o)
	if err != nil {
		if errors.Is(err, shm.ErrUnsupported) {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Verify fails the test for every finding of the segment.
func Verify(t testing.TB, s *shm.Segment) {
	t.Helper()
	for f := range s.Verify() {
		t.Errorf("verify: %s", f)
	}
}

const childVar = "SHMTEST_CHILD"

var children = map[string]func(args []string){}

// Register names a function that a child process can run. Call it in init.
func Register(name string, f func(args []string)) { children[name] = f }

// Main is to be called by TestMain: in a child process it runs the child's
// function and exits, in the test process it runs the tests.
func Main(m *testing.M) {
	if name := os.Getenv(childVar); name != "" {
		f := children[name]
		if f == nil {
			fmt.Fprintf(os.Stderr, "shmtest: no child function %q is registered\n", name)
			os.Exit(2)
		}
		f(os.Args[1:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A Process is a child process made from the test binary.
type Process struct {
	t     testing.TB
	Cmd   *exec.Cmd
	lines chan string
	stdin io.WriteCloser
	once  sync.Once
	err   error
}

// Child starts a child process that runs the registered function. It is killed
// when the test ends. Its standard error goes to the test's.
func Child(t testing.TB, name string, args ...string) *Process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe, args...)
	c.Env = append(os.Environ(), childVar+"="+name)
	c.Stderr = os.Stderr
	p := &Process{t: t, Cmd: c, lines: make(chan string, 1<<16)}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.stdin, err = c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() { p.Kill() })
	return p
}

// Line returns the child's next line of standard output; ok is false when it has
// ended. It fails the test when none comes within a minute.
func (p *Process) Line() (line string, ok bool) {
	p.t.Helper()
	select {
	case line, ok = <-p.lines:
	case <-time.After(time.Minute):
		p.t.Fatal("shmtest: the child says nothing")
	}
	return line, ok
}

// Want fails the test unless the child's next line is the given one.
func (p *Process) Want(line string) {
	p.t.Helper()
	if got, ok := p.Line(); !ok || got != line {
		p.t.Fatalf("child said %q (%v), want %q", got, ok, line)
	}
}

// Say writes a line to the child's standard input.
func (p *Process) Say(line string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.stdin, line); err != nil {
		p.t.Fatal(err)
	}
}

// Kill sends SIGKILL and waits for the end.
func (p *Process) Kill() {
	_ = p.Cmd.Process.Kill()
	_ = p.Wait()
}

// Wait waits for the child's end and returns an *exec.ExitError unless it
// succeeded.
// Lines it wrote before stay readable.
func (p *Process) Wait() error {
	p.once.Do(func() {
		_ = p.stdin.Close()
		state, err := p.Cmd.Process.Wait()
		if err == nil && !state.Success() {
			err = &exec.ExitError{ProcessState: state}
		}
		p.err = err
	})
	return p.err
}
