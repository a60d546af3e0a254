package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// own NAME: own a record and a permit, and wait to be killed.
	shmtest.Register("own", func(args []string) {
		a := &shop{}
		_, err := shm.Attach(args[0], a, nil)
		if err == nil {
			_, err = a.Jobs.TryNew()
		}
		if err == nil {
			_, err = a.Lock.TryLock()
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("ready")
		_, _ = a.Todo.Get(context.Background()) // nothing is ever put
	})
}

type verdictOf struct {
	Findings       []struct{ Severity, Object, What string }
	Verdict, Error string
}

func TestVerify_Sound(t *testing.T) {
	a, name := openShop(t)
	a.fill(t)
	if out, _ := call(t, 0, "verify", name); out != "OK\n" {
		t.Error(out)
	}
	v := decode[verdictOf](t, 0, "verify", filepath.Join(segments(), name))
	if v.Verdict != "sound" || v.Findings == nil || len(v.Findings) != 0 {
		t.Errorf("%+v", v)
	}
}

func TestVerify_Repairable(t *testing.T) {
	name := closedShop(t)
	child := shmtest.Child(t, "own", name)
	child.Want("ready")
	call(t, 0, "verify", name)
	child.Kill()
	out, _ := call(t, 1, "verify", name)
	if !strings.Contains(out, "repairable: lock: permit 0") || !strings.Contains(out, "findings: ") {
		t.Error(out)
	}
	if v := decode[verdictOf](t, 1, "verify", name); v.Verdict != "repairable" || len(v.Findings) < 2 {
		t.Errorf("%+v", v)
	}
	out, _ = call(t, 0, "dump", name)
	if !strings.Contains(out, ", slot 0, DEAD)") || !strings.Contains(out, "processes: 0 attached, 1 dead and not swept") {
		t.Error(out)
	}
	if out, _ = call(t, 0, "ls"); !strings.Contains(out, "0 (1 dead)") {
		t.Error(out)
	}
	call(t, 0, "reset", name) // the dead are in nobody's way
	call(t, 0, "verify", name)
}

func TestVerify_Corrupt(t *testing.T) {
	name := closedShop(t)
	poke(t, name, 256, 9) // the segment's state
	out, _ := call(t, 2, "verify", name)
	if !strings.Contains(out, "corrupt: header: state 9") || !strings.Contains(out, "1 finding: 0 repairable, 1 corrupt") {
		t.Error(out)
	}
	if v := decode[verdictOf](t, 2, "verify", name); v.Verdict != "corrupt" || v.Findings[0].Severity != "corrupt" {
		t.Errorf("%+v", v)
	}
	if out, _ = call(t, 0, "stat", name); !strings.Contains(out, "unknown") {
		t.Error(out)
	}
}

func TestVerify_Unreadable(t *testing.T) {
	file := garbage(t)
	v := decode[verdictOf](t, 3, "verify", file)
	if v.Verdict != "unreadable" || !strings.Contains(v.Error, "not a segment") || v.Findings == nil {
		t.Errorf("%+v", v)
	}
	for _, args := range [][]string{{"verify", file}, {"verify", "shmtest-none"}, {"verify"}, {"verify", "--bad", "x"},
		{"--bad", "verify", "x"}, {"verify", "a", "b"}} {
		if out, errs := call(t, 3, args...); out != "" || !strings.HasPrefix(errs, "shmtool: ") {
			t.Errorf("%q: %q %q", args, out, errs)
		}
	}
}

func TestStat_Processes(t *testing.T) {
	name := closedShop(t)
	child := shmtest.Child(t, "own", name)
	child.Want("ready")
	for { // until one of its goroutines is seen waiting
		s := decode[seenProcesses](t, 0, "stat", name)
		if len(s.Processes) != 1 || s.Processes[0].PID != child.Cmd.Process.Pid {
			t.Fatalf("%+v", s)
		}
		if s.Processes[0].Waiting != "" {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

type seenProcesses struct{ Processes []shm.Process }

func TestReset_InUse(t *testing.T) {
	a, name := openShop(t)
	a.fill(t)
	_, errs := call(t, 1, "reset", name)
	if !strings.Contains(errs, fmt.Sprintf("in use by process %d", os.Getpid())) || !strings.Contains(errs, "--force") {
		t.Error(errs)
	}
	if a.Todo.Len() != 2 {
		t.Error("a refused reset did something")
	}
}

func TestReset_Forced(t *testing.T) {
	a := &shop{}
	s := shmtest.New(t, a, nil)
	a.fill(t)
	out, _ := call(t, 0, "reset", "--force", s.Name())
	if !strings.HasPrefix(out, "reset "+segments()) || !strings.Contains(out, fmt.Sprintf("process %d", os.Getpid())) {
		t.Error(out)
	}
	if <-s.Done(); !errors.Is(s.Err(), shm.ErrRetired) {
		t.Errorf("the attached see %v", s.Err())
	}
	b := &shop{}
	fresh, err := shm.Attach(s.Name(), b, nil)
	must(t, err)
	if n := b.Todo.Len(); n != 0 {
		t.Errorf("%d jobs after the reset", n)
	}
	must(t, fresh.Close())
	d := decode[struct {
		Done     string
		Forced   bool
		Attached []shm.Process
	}](t, 0, "reset", s.Name())
	if d.Done != "reset" || d.Forced || d.Attached == nil || len(d.Attached) != 0 {
		t.Errorf("%+v", d)
	}
}

func TestRm(t *testing.T) {
	a := &shop{}
	s := shmtest.New(t, a, &shm.Options{Mode: 0o660})
	path := filepath.Join(segments(), s.Name())
	_, errs := call(t, 1, "rm", path)
	if !strings.Contains(errs, fmt.Sprintf("in use by process %d", os.Getpid())) || !strings.Contains(errs, "--force") {
		t.Error(errs)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	if out, _ := call(t, 0, "rm", path, "--force"); !strings.HasPrefix(out, "removed "+path) {
		t.Error(out)
	}
	if <-s.Done(); !errors.Is(s.Err(), shm.ErrRetired) {
		t.Errorf("the attached see %v", s.Err())
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
	call(t, 1, "rm", path)
	name := closedShop(t)
	call(t, 0, "rm", name)
}

func TestRm_NoSegment(t *testing.T) {
	file := garbage(t)
	small := filepath.Join(filepath.Dir(file), "small")
	must(t, os.WriteFile(small, []byte("precious"), 0o600))
	for _, path := range []string{file, small} {
		call(t, 1, "rm", path, "--force")
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}
