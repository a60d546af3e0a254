//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/examples/pictures/internal/gallery"
	"github.com/aotf/sharedmem/shm"
)

// The tests run this test binary as the program, and the program runs it as its
// workers.
const asProgram = "PICTURES_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program starts the example in a temporary folder of its own.
func program(t *testing.T, args ...string) (cmd *exec.Cmd, out, errs *bytes.Buffer, tmp string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tmp = t.TempDir()
	cmd = exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "TMPDIR="+tmp)
	out, errs = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, errs
	return cmd, out, errs, tmp
}

// findings runs the example and returns its report, without times.
func findings(t *testing.T, args ...string) report {
	t.Helper()
	cmd, out, errs, tmp := program(t, append([]string{"--json"}, args...)...)
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s%s", err, out, errs)
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if errs.Len() > 0 {
		t.Errorf("stderr: %s", errs)
	}
	if r.Found != r.Queries || r.Found+r.Wrong+r.Missed != r.Queries || len(r.Results) != r.Queries {
		t.Errorf("%+v", r)
	}
	for i := range r.Results {
		r.Results[i].MS = 0
	}
	nothingLeft(t, cmd.Process.Pid, tmp)
	return r
}

func nothingLeft(t *testing.T, pid int, tmp string) {
	t.Helper()
	left, _ := filepath.Glob(filepath.Join(tmp, "*"))
	if _, err := os.Stat(fmt.Sprintf("%s/%s%d", shm.DefaultDir, runPrefix, pid)); err == nil || len(left) > 0 {
		t.Errorf("left behind: the segment (%v), %v", err, left)
	}
}

// The same findings with kills as without; the live segment is never corrupt.
func TestPictures_Kills(t *testing.T) {
	calm := findings(t, "--queries", "16")
	if calm.Processes < 5 || calm.Killed != 0 {
		t.Errorf("%+v", calm)
	}
	ctx, cancel := context.WithCancel(t.Context())
	verified := make(chan int)
	go func() { verified <- verifyLive(t, ctx) }()
	wild := findings(t, "--queries", "16", "--kill", "10")
	cancel()
	if n := <-verified; n == 0 {
		t.Error("the live segment was never verified")
	}
	if wild.Killed != 10 || wild.Interrupted < 5 || wild.Processes < 15 || wild.Redelivered == 0 {
		t.Errorf("killed %d, interrupted %d, processes %d, redelivered %d", wild.Killed, wild.Interrupted, wild.Processes, wild.Redelivered)
	}
	if !reflect.DeepEqual(calm.Results, wild.Results) {
		t.Errorf("findings differ:\n%+v\n%+v", calm.Results, wild.Results)
	}
	t.Logf("killed %d, interrupted %d, redelivered %d, recovery p99 %.1f ms", wild.Killed, wild.Interrupted, wild.Redelivered, wild.RecoveryP99)
}

// A worker that somebody else kills is replaced, and the findings are right.
func TestPictures_KilledByAnOperator(t *testing.T) {
	cmd, out, errs, tmp := program(t, "--json", "--queries", "4")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("%s%d", runPrefix, cmd.Process.Pid)
	victim := 0
	for ; victim == 0; time.Sleep(time.Millisecond) {
		im, err := shm.Inspect(name, nil)
		if err != nil {
			continue // not made yet
		}
		for rec := range im.Records("threads") { // made after the worker has said that it is attached
			for _, v := range rec.Values {
				if pid, ok := v.Value.(int64); ok && v.Name == "Process" && int(pid) != cmd.Process.Pid {
					victim = int(pid)
				}
			}
		}
		if err := im.Close(); err != nil {
			t.Error(err)
		}
	}
	p, _ := os.FindProcess(victim)
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s%s", err, out, errs)
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Found != 4 || r.Killed != 0 {
		t.Errorf("%v: %+v", err, r)
	}
	nothingLeft(t, cmd.Process.Pid, tmp)
}

// verifyLive looks at whatever run is under way and returns how often.
func verifyLive(t *testing.T, ctx context.Context) (n int) {
	for ctx.Err() == nil {
		names, _ := shm.List(nil)
		for _, name := range names {
			if !strings.HasPrefix(name, runPrefix) {
				continue
			}
			im, err := shm.Inspect(name, nil)
			if err != nil {
				continue // it ended meanwhile
			}
			found, err := im.Verify()
			for _, f := range found {
				if err == nil && f.Severity == shm.Corrupt {
					t.Errorf("live segment: %s", f)
				}
			}
			_ = im.Close()
			n++
		}
		time.Sleep(5 * time.Millisecond)
	}
	return n
}

// ownTree is a small tree as a user might have: two accounts, a file that is no
// picture, the same picture twice.
func ownTree(t *testing.T) string {
	t.Helper()
	drawn, own := t.TempDir(), t.TempDir()
	if _, err := gallery.Draw(drawn, 7, nil); err != nil {
		t.Fatal(err)
	}
	accounts, err := gallery.Accounts(drawn)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range accounts[:2] {
		pictures, err := a.Pictures()
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(own, fmt.Sprint("artist ", i))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, p := range pictures[:6] {
			b, err := os.ReadFile(p.Path)
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, p.Name), b, 0o644)
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, "copy of a picture with a rather long name, "+p.Name), b, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "broken.png"), []byte("no picture"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return own
}

func TestPictures_OwnTree(t *testing.T) {
	dir := ownTree(t)
	calm := findings(t, "--queries", "9", "--seed", "3", dir)
	wild := findings(t, "--queries", "9", "--seed", "3", "--kill", "10", dir)
	if !reflect.DeepEqual(calm.Results, wild.Results) {
		t.Errorf("findings differ:\n%+v\n%+v", calm.Results, wild.Results)
	}
	if wild.Killed != 10 || wild.Interrupted < 5 {
		t.Errorf("killed %d, interrupted %d", wild.Killed, wild.Interrupted)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never happened: ", what)
		}
	}
}

// workersOf are the live worker processes of a segment's run.
func workersOf(segment string) (pids []string) {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range all {
		b, _ := os.ReadFile(p)
		if args := strings.Split(string(b), "\x00"); len(args) > 3 && args[1] == workerWord && args[3] == segment {
			pids = append(pids, filepath.Base(filepath.Dir(p)))
		}
	}
	return pids
}

// When the front is killed, its workers end, and the next run cleans up.
func TestPictures_FrontKilled(t *testing.T) {
	dir := ownTree(t)
	cmd, _, _, tmp := program(t, "--queries", "200", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	segment := fmt.Sprint(runPrefix, cmd.Process.Pid)
	until(t, "five workers", func() bool { return len(workersOf(segment)) == 5 })
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	until(t, "the workers' end", func() bool { return len(workersOf(segment)) == 0 })
	if _, err := os.Stat(filepath.Join(tmp, segment)); err != nil {
		t.Fatal("the run's folder is gone already: the test tests nothing")
	}
	next, out, errs, _ := program(t, "--queries", "2", dir)
	next.Env = append(next.Env, "TMPDIR="+tmp)
	if err := next.Run(); err != nil {
		t.Fatalf("%v: %s%s", err, out, errs)
	}
	nothingLeft(t, cmd.Process.Pid, tmp)
}

func TestPictures_Interrupted(t *testing.T) {
	cmd, _, errs, tmp := program(t, "--queries", "200", ownTree(t))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	segment := fmt.Sprint(runPrefix, cmd.Process.Pid)
	until(t, "five workers", func() bool { return len(workersOf(segment)) == 5 })
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if n := len(workersOf(segment)); n != 0 {
		t.Errorf("%d workers left", n)
	}
	nothingLeft(t, cmd.Process.Pid, tmp)
}

func TestPictures_BadArguments(t *testing.T) {
	empty := t.TempDir()
	for _, args := range [][]string{{"--queries", "0"}, {"--frobnicate"}, {"a", "b"}, {"/no/such/folder"}, {empty}} {
		cmd, out, errs, tmp := program(t, args...)
		_ = cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code == 0 || errs.Len() == 0 || out.Len() > 0 {
			t.Errorf("%q: exit code %d, stdout %q, stderr %q", args, code, out, errs)
		}
		nothingLeft(t, cmd.Process.Pid, tmp)
	}
	if _, err := os.Stat(empty); err != nil {
		t.Error("the user's folder was removed")
	}
}
