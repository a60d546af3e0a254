package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// A lineReader collects what a command writes while it runs.
type lineReader struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *lineReader) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *lineReader) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

// want waits until the text is there.
func (r *lineReader) want(t *testing.T, text string) {
	t.Helper()
	for start := time.Now(); !strings.Contains(r.String(), text); time.Sleep(time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatalf("no %q in\n%s", text, r)
		}
	}
}

// begin runs the tool beside the test.
func begin(ctx context.Context, in io.Reader, out io.Writer, args ...string) (code chan int, errs *lineReader) {
	code, errs = make(chan int, 1), &lineReader{}
	go func() { code <- run(ctx, args, in, out, errs) }()
	return code, errs
}

func ended(t *testing.T, code chan int, want int) {
	t.Helper()
	select {
	case got := <-code:
		if got != want {
			t.Errorf("exit code %d, want %d", got, want)
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
}

func TestWatch(t *testing.T) {
	a := &shop{}
	s := shmtest.New(t, a, nil)
	out := &lineReader{}
	code, _ := begin(t.Context(), nil, out, "watch", s.Name(), "--every", "10ms")
	out.want(t, "watching ")
	a.launch(t, "first", nil)
	out.want(t, `posted   jobs 1.0.1, "first", todo`)
	child := shmtest.Child(t, "claim", s.Name())
	child.Want("ready")
	out.want(t, fmt.Sprintf("joined   process %d", child.Cmd.Process.Pid))
	out.want(t, `claimed  jobs 1.0.1, "first", todo -> claimed, by process `+fmt.Sprint(child.Cmd.Process.Pid))
	child.Kill() // we are attached: the dead is swept at once
	out.want(t, "died     process "+fmt.Sprint(child.Cmd.Process.Pid))
	out.want(t, "swept    process "+fmt.Sprint(child.Cmd.Process.Pid))
	out.want(t, `returned jobs 1.0.1, "first", claimed from todo -> todo`)
	c, err := a.Todo.TryGet()
	must(t, err)
	must(t, a.Later.Put(c))
	out.want(t, "-> later")
	for i := range 15 {
		a.launch(t, fmt.Sprint("more-", i), nil)
	}
	out.want(t, "full     jobs: 16 of 16")
	for range 3 {
		c, err := a.Todo.TryGet()
		must(t, err)
		must(t, c.Free())
	}
	out.want(t, "room     jobs: 13 of 16")
	out.want(t, "freed    jobs 1.")
	s.Stop()
	out.want(t, "stopped")
	call(t, 0, "rm", "--force", s.Name())
	ended(t, code, exitGone)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, " gone ") {
		t.Errorf("the last line is %q", last)
	}
}

// A process that comes and dies between two looks is told of, and a living one is not
// taken for the dead one whose slot it has.
func TestWatch_Unseen(t *testing.T) {
	var out strings.Builder
	w := &watcher{t: &tool{out: bufio.NewWriter(&out)}, slots: map[int]shm.Process{}, deaths: map[int]shm.Death{}}
	dead := map[int]shm.Death{2: {Slot: 2, Gen: 1, Noticed: 5000, Swept: 9000}, 3: {Slot: 3, Gen: 1, Noticed: 5000}}
	w.processes(map[int]shm.Process{3: {Slot: 3, Gen: 2, PID: 77, Name: "next", State: "alive"}}, dead)
	w.processes(map[int]shm.Process{3: {Slot: 3, Gen: 2, PID: 77, Name: "next", State: "alive"}}, dead)
	must(t, w.t.out.Flush())
	for _, want := range []string{"died     a process in slot 2", "swept    a process in slot 2, 4µs after", "died     a process in slot 3", "joined   process 77 (next) in slot 3"} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("not once %q in\n%s", want, out.String())
		}
	}
	if n := strings.Count(out.String(), "\n"); n != 4 {
		t.Errorf("%d lines, want 4:\n%s", n, out.String())
	}
}

func TestWatch_JSON(t *testing.T) {
	a, name := openShop(t)
	out := &lineReader{}
	ctx, cancel := context.WithCancel(t.Context())
	code, _ := begin(ctx, nil, out, "watch", name, "--every", "10ms", "--json", "--redact", "--object", "todo")
	out.want(t, "watching")
	a.launch(t, "secret", nil)
	out.want(t, `"posted"`)
	cancel()
	ended(t, code, 0)
	for line := range strings.Lines(out.String()) {
		var c change
		must(t, json.Unmarshal([]byte(line), &c))
		if c.Time == "" || c.Event == "" {
			t.Errorf("%+v", c)
		}
	}
	if strings.Contains(out.String(), "secret") || !strings.Contains(out.String(), "(text of 6 bytes)") {
		t.Error(out)
	}
}

// SIGINT ends it in good order.
func TestWatch_Interrupted(t *testing.T) {
	_, name := openShop(t)
	out := &lineReader{}
	code, _ := begin(t.Context(), nil, out, "watch", name, "--every", "10ms")
	out.want(t, "watching")
	time.Sleep(0)
	self, err := os.FindProcess(os.Getpid())
	must(t, err)
	// The handler is there before the first line is flushed.
	must(t, self.Signal(syscall.SIGINT))
	ended(t, code, 0)
}

func TestWatch_Truncated(t *testing.T) {
	name := closedShop(t)
	out := &lineReader{}
	code, _ := begin(t.Context(), nil, out, "watch", name, "--every", "10ms")
	out.want(t, "watching")
	must(t, os.Truncate(segments()+"/"+name, 0))
	ended(t, code, exitGone)
	out.want(t, "truncated")
	must(t, os.Remove(segments()+"/"+name))
}

func TestTop_Plain(t *testing.T) {
	a, name := openShop(t)
	a.fill(t)
	t.Setenv("TERM", "dumb")
	out, _ := call(t, 0, "top", name, "--count", "2", "--every", "20ms", "--order", "use")
	if strings.Count(out, "OBJECT ") != 2 || strings.Contains(out, "\x1b") || !strings.Contains(out, "IN/S") {
		t.Error(out)
	}
	if strings.Index(out, "\nslots") > strings.Index(out, "\ntodo") {
		t.Errorf("not by use:\n%s", out)
	}
	call(t, 2, "top", name, "--every", "1ns")
	call(t, 2, "top", name, "--order", "size")
	call(t, 1, "top", "shmtest-none")
}

// Rates are of what moved between two looks.
func TestTop_Rates(t *testing.T) {
	a, name := openShop(t)
	v := &topView{t: &tool{}, every: time.Second, order: "segment", p: place{name, segments(), name, segments() + "/" + name}}
	var err error
	v.m, err = v.p.inspect()
	must(t, err)
	defer v.close()
	p, err := a.Lock.TryLock()
	must(t, err)
	v.look()
	before := v.at
	for i := range 5 {
		a.launch(t, fmt.Sprint(i), nil)
	}
	c, err := a.Todo.TryGet()
	must(t, err)
	must(t, c.Free())
	s := v.look()
	took := v.at.Sub(before)
	todo, err := find(s.Objects, "todo")
	must(t, err)
	if got := *todo.In * took.Seconds(); got < 4.99 || got > 5.01 {
		t.Errorf("%v posted", got)
	}
	if got := *todo.Out * took.Seconds(); got < 0.99 || got > 1.01 {
		t.Errorf("%v taken", got)
	}
	lock, err := find(s.Objects, "lock")
	must(t, err)
	if lock.Permits[0].Seen != took {
		t.Errorf("held for %v, seen for %v", lock.Permits[0].Seen, took)
	}
	must(t, p.Release())
}

// The segment goes, and another of its name comes: top goes on.
func TestTop_Vanishes(t *testing.T) {
	name := closedShop(t)
	out := &lineReader{}
	code, _ := begin(t.Context(), nil, out, "top", name, "--every", "10ms")
	out.want(t, "OBJECT")
	must(t, shm.Remove(name, nil, false))
	out.want(t, "the segment is gone: ")
	a := &shop{}
	s, err := shm.Create(name, a, nil)
	must(t, err)
	out.want(t, fmt.Sprint(os.Getpid()))
	must(t, s.Remove())
	n := strings.Count(out.String(), "is gone: ")
	for start := time.Now(); strings.Count(out.String(), "is gone: ") == n && time.Since(start) < time.Minute; {
		time.Sleep(time.Millisecond)
	}
	self, err := os.FindProcess(os.Getpid())
	must(t, err)
	must(t, self.Signal(syscall.SIGTERM))
	ended(t, code, exitGone)
}
