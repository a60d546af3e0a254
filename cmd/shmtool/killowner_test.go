package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/shm/shmtest"
)

func TestKillOwner(t *testing.T) {
	name := withJob(t)
	child := shmtest.Child(t, "claim", name)
	child.Want("ready")
	must(t, stopProcess(child.Cmd.Process)) // it hangs
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		if out, _ := call(t, 0, "stat", name); strings.Contains(out, "  stopped  ") {
			break
		} else if time.Since(start) > time.Minute {
			t.Fatalf("a stopped process is not shown as stopped:\n%s", out)
		}
	}
	pid := fmt.Sprint(child.Cmd.Process.Pid)
	for _, c := range []struct {
		code int
		args []string
		want string
	}{
		{2, []string{}, "name one process"},
		{2, []string{"--slot", "0", "--pid", pid}, "name one process"},
		{1, []string{"--slot", "7"}, "no process is in slot 7"},
		{1, []string{"--pid", "1"}, "no process 1 is attached"},
		{1, []string{"--record", "1.5.1"}, "no record 1.5.1"},
		{1, []string{"--record", "x"}, "no record reference"},
		{1, []string{"--slot", "0"}, "the answer was not yes"}, // the test's input is empty
	} {
		if _, errs := call(t, c.code, append([]string{"kill-owner", name}, c.args...)...); !strings.Contains(errs, c.want) {
			t.Errorf("%q: %s", c.args, errs)
		}
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"kill-owner", name, "--record", "1.0.1"}, strings.NewReader("y\n"), &out, &errs); code != 0 {
		t.Fatalf("%d %s%s", code, &out, &errs)
	}
	for _, want := range []string{"process " + pid, "stopped", `record 1.0.1 (jobs "first"), owned from todo`, "permit 0 of lock", "Kill it?"} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("the question has no %q:\n%s", want, &errs)
		}
	}
	for _, want := range []string{"has ended", "1 record is back", "1 permit is free"} {
		if !strings.Contains(out.String(), want) || strings.Contains(out.String(), "Kill it?") {
			t.Errorf("no %q, or the question, in\n%s", want, &out)
		}
	}
	_ = child.Wait()
	if !strings.Contains(fmt.Sprint(child.Cmd.ProcessState), "killed") && child.Cmd.ProcessState != nil {
		t.Error(child.Cmd.ProcessState)
	}
	call(t, 0, "verify", name)
	if _, errs := call(t, 1, "kill-owner", name, "--record", "1.0.1"); !strings.Contains(errs, "is posted: no process owns it") {
		t.Error(errs)
	}
	again := shmtest.Child(t, "claim", name)
	again.Want("ready")
	k := decode[killed](t, 0, "kill-owner", name, "--pid", fmt.Sprint(again.Cmd.Process.Pid), "--yes")
	if k.Killed.PID != again.Cmd.Process.Pid || k.Swept.Report.Posted != 1 {
		t.Errorf("%+v", k)
	}
	last := shmtest.Child(t, "claim", name)
	last.Want("ready")
	last.Kill()
	if _, errs := call(t, 1, "kill-owner", name, "--slot", "0", "--yes"); !strings.Contains(errs, "is dead already") {
		t.Error(errs)
	}
}

// A process that has given the record away before the answer comes lives on.
func TestKillOwner_ChangedMeanwhile(t *testing.T) {
	name := withJob(t)
	child := shmtest.Child(t, "claim-briefly", name)
	child.Want("ready")
	var out, errs bytes.Buffer
	answer := readFunc(func(b []byte) (int, error) {
		child.Say("")
		child.Want("freed")
		return copy(b, "y\n"), nil
	})
	if code := run(t.Context(), []string{"kill-owner", name, "--record", "1.0.1", "--json"}, answer, &out, &errs); code != 1 ||
		!strings.Contains(errs.String(), "does not own record 1.0.1 any more") || out.Len() > 0 {
		t.Errorf("exit code %d: %s%s", code, &out, &errs)
	}
	if s := decode[seenProcesses](t, 0, "stat", name); len(s.Processes) != 1 || s.Processes[0].State != "alive" {
		t.Errorf("it was killed: %+v", s)
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(b []byte) (int, error) { return f(b) }
