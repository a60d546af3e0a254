//go:build linux && (amd64 || arm64)

package shm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// holder NAME: claim one job, start a process that stays, and free the job when told.
	shmtest.Register("holder", func(args []string) {
		line := stdin()
		f := &farm{}
		s, err := shm.Attach(args[0], f, nil)
		check1(err)
		c, err := f.Todo.TryGet()
		check1(err)
		if len(args) > 1 {
			exe, err := os.Executable()
			check1(err)
			idle := exec.Command(exe)
			idle.Env = append(os.Environ(), "SHMTEST_CHILD=idle")
			idle.Stdin = os.Stdin // ends with the test's end of the pipe
			check1(idle.Start())
			fmt.Println(idle.Process.Pid)
		}
		fmt.Println("claimed")
		line()
		check1(c.Free())
		fmt.Println("freed")
		check1(s.Close())
	})
	shmtest.Register("locker", func(args []string) {
		f := &farm{}
		_, err := shm.Attach(args[0], f, nil)
		check1(err)
		_, err = f.Lock.TryLock()
		check1(err)
		fmt.Println("locked")
		stdin()()
	})
	shmtest.Register("idle", func([]string) { stdin()() })
}

// held makes a segment whose only job is claimed by a child.
func held(t *testing.T, args ...string) (*farm, *shm.Segment, *shmtest.Process) {
	t.Helper()
	f := &farm{}
	s := shmtest.New(t, f, nil)
	must(t, f.Todo.TryPut(newJob(t, f, "", 42)))
	return f, s, shmtest.Child(t, "holder", append([]string{s.Name()}, args...)...)
}

// comesBack waits, blocked, until the death watch has brought the job back.
func comesBack(t *testing.T, f *farm) {
	t.Helper()
	c, err := f.Todo.Get(limit(t))
	must(t, err)
	if c.Attempt() != 2 || c.Record().Number != 42 {
		t.Fatalf("attempt %d of job %d", c.Attempt(), c.Record().Number)
	}
	must(t, c.Free())
}

func TestKill_ComesBack(t *testing.T) {
	f, s, p := held(t)
	p.Want("claimed")
	p.Kill()
	comesBack(t, f)
	eventually(t, "its slot is free again", func() bool { return len(s.Processes()) == 1 })
	shmtest.Verify(t, s)
}

// The next holder of a dead holder's permit is told, until one has released it.
func TestKill_Mutex(t *testing.T) {
	f := &farm{}
	s := shmtest.New(t, f, nil)
	p := shmtest.Child(t, "locker", s.Name())
	p.Want("locked")
	p.Kill()
	for _, want := range []bool{true, false} {
		lock, err := f.Lock.Lock(limit(t))
		must(t, err)
		if lock.Recovered() != want {
			t.Fatalf("recovered %v, want %v", lock.Recovered(), want)
		}
		must(t, lock.Release())
	}
	shmtest.Verify(t, s)
}

// A killed process that nobody has waited for is as dead as any other.
func TestKill_Zombie(t *testing.T) {
	f, _, p := held(t)
	p.Want("claimed")
	must(t, p.Cmd.Process.Kill()) // and no Wait
	comesBack(t, f)
	if st := state(t, p.Cmd.Process.Pid); st != "Z" {
		t.Fatalf("the child is in state %s, wanted a zombie", st)
	}
}

// What a dead process has started does not keep it alive.
func TestKill_ChildOfTheHolder(t *testing.T) {
	f, _, p := held(t, "child")
	line, _ := p.Line()
	pid, err := strconv.Atoi(line)
	must(t, err)
	p.Want("claimed")
	must(t, p.Cmd.Process.Kill())
	comesBack(t, f)
	if st := state(t, pid); st == "Z" || st == "" {
		t.Fatal("the holder's child has ended: nothing was tested")
	}
	p.Kill() // closes the pipe that the holder's child reads
	eventually(t, "the holder's child ends", func() bool { st := state(t, pid); return st == "Z" || st == "" })
}

// A stopped process is never robbed.
func TestStopped_KeepsItsClaim(t *testing.T) {
	f, s, p := held(t)
	p.Want("claimed")
	must(t, p.Cmd.Process.Signal(unix.SIGSTOP))
	eventually(t, "the child stops", func() bool { return state(t, p.Cmd.Process.Pid) == "T" })
	for range 5 {
		r, err := s.Sweep(t.Context())
		must(t, err)
		if r != (shm.Report{}) {
			t.Fatalf("swept the stopped: %+v", r)
		}
		shmtest.Verify(t, s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 1200*time.Millisecond) // once round the safety net
	defer cancel()
	if _, err := f.Todo.Get(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the claim of a stopped process: %v", err)
	}
	must(t, p.Cmd.Process.Signal(unix.SIGCONT))
	p.Say("go on")
	p.Want("freed")
	must(t, p.Wait())
	if n := used(s, "jobs"); n != 0 {
		t.Fatalf("%d records used", n)
	}
	shmtest.Verify(t, s)
}

// state is the letter that the kernel gives a process, "" when there is none.
func state(t testing.TB, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:1]
}
