//go:build linux && (amd64 || arm64)

package shm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// SHM_STORM=1h makes it longer. A failure names the items that do not add up.
func TestKillStorm(t *testing.T) {
	name := shmtest.Name(t)
	f := &farm{jobs: stormJobs}
	s := create(t, name, f, &shm.Options{Capacity: map[string]int{"data-64": 400, "data-256": 400}})
	defer s.Close()
	l := newLedger()
	var incarnation atomic.Uint64
	var over atomic.Bool
	const n = 5
	var mu sync.Mutex
	current := map[int]*exec.Cmd{}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for !over.Load() {
				c, out, err := startStorm(name, incarnation.Add(1))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				current[i] = c
				mu.Unlock()
				bye := l.read(out)
				if err := c.Wait(); err == nil != bye || err != nil && !killed(err) {
					t.Errorf("a child ended by itself: %v", err)
					return
				}
			}
		})
	}
	rng := rand.New(rand.NewPCG(uint64(os.Getpid()), 3))
	end := time.After(stormTime(t))
	tick := time.NewTicker(7 * time.Millisecond)
	defer tick.Stop()
	for on := true; on && !t.Failed(); {
		select {
		case <-end:
			on = false
		case <-tick.C:
			if rng.IntN(3) == 0 { // sometimes two in one tick, sometimes a pause
				continue
			}
			mu.Lock()
			p := current[rng.IntN(n)]
			mu.Unlock()
			if p != nil && p.Process.Kill() == nil {
				l.killed()
			}
		}
	}
	over.Store(true)
	stopAll := func() {
		mu.Lock()
		defer mu.Unlock()
		for _, p := range current {
			_ = p.Process.Signal(unix.SIGTERM) // it may be dead
		}
	}
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	for { // one may have been started after it was told
		stopAll()
		select {
		case <-ended:
			auditStorm(t, f, s, l)
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// startStorm starts a child without the conveniences of shmtest, which cost a
// megabyte each until the test ends.
func startStorm(name string, incarnation uint64) (*exec.Cmd, io.Reader, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	c := exec.Command(exe, name, fmt.Sprint(incarnation))
	c.Env = append(os.Environ(), "SHMTEST_CHILD=storm")
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	return c, out, c.Start()
}

func killed(err error) bool {
	var e *exec.ExitError
	if !errors.As(err, &e) {
		return false
	}
	ws, ok := e.Sys().(interface{ Signaled() bool })
	return ok && ws.Signaled()
}

func auditStorm(t *testing.T, f *farm, s *shm.Segment, l *ledger) {
	for _, line := range l.bad {
		t.Error("a child: ", line)
	}
	// The watch of this process recovers by itself what the last ones left.
	eventually(t, "only this process is registered", func() bool { return len(s.Processes()) == 1 })
	_, err := s.Sweep(t.Context())
	must(t, err)
	if r, err := s.Sweep(t.Context()); err != nil || r != (shm.Report{}) {
		t.Errorf("a second sweep found work: %+v %v", r, err)
	}
	shmtest.Verify(t, s)
	if f.Slots.Free() != 3 || used(s, "lock") != 0 {
		t.Errorf("%d permits free, %d mutexes held", f.Slots.Free(), used(s, "lock"))
	}
	w := &stormer{f: f, s: s, rng: rand.New(rand.NewPCG(1, 1))}
	jobs := map[uint64]int{}
	for where, get := range map[string]func() (shm.Claim[job], error){"todo": f.Todo.TryGet, "done": f.Done.TryGet,
		"picky":  func() (shm.Claim[job], error) { return f.Picky.TryGet(nil) },
		"urgent": func() (shm.Claim[job], error) { return f.Urgent.TryGet(nil) }} {
		for {
			c, err := get()
			if errors.Is(err, shm.ErrEmpty) {
				break
			}
			must(t, err)
			w.checkJob(c, where)
			jobs[c.Record().Number]++
			must(t, c.Free())
		}
	}
	l.balance(t, "put", "free", jobs)
	names := map[uint64]int{}
	for {
		c, err := f.Queue.TryGet()
		if errors.Is(err, shm.ErrEmpty) {
			break
		}
		must(t, err)
		must(t, c.Settle())
	}
	for r := range f.Named.All() {
		var j job
		_, err := f.Named.Load(r, &j)
		must(t, err)
		if got, ok, err := f.ByName.Lookup(j.Key); err != nil || !ok || got != r {
			t.Errorf("%s leads to %v, %v, not to %v", shm.Text(j.Key.Name[:]), got, err, r)
		}
		names[j.Number]++
		c, err := f.Named.Retire(r)
		must(t, err)
		must(t, c.Free())
	}
	l.balance(t, "launch", "retire", names)
	for _, o := range []string{"jobs", "named", "data-64", "data-256"} {
		if n := used(s, o); n != 0 {
			t.Errorf("%s: %d records lost", o, n)
		}
	}
	sum, low := f.Count.Sum()[0], uint64(len(l.sure["put"]))
	if sum < low || sum > low+uint64(len(l.maybe["put"])) {
		t.Errorf("counted %d, of %d sure and %d unknown", sum, low, len(l.maybe["put"]))
	}
	t.Logf("%d kills; jobs: %d put, %d freed, %d left, %d and %d unknown; names: %d launched, %d retired, %d left", l.kills,
		len(l.sure["put"]), len(l.sure["free"]), len(jobs), len(l.maybe["put"]), len(l.maybe["free"]),
		len(l.sure["launch"]), len(l.sure["retire"]), len(names))
	if len(l.sure["free"]) == 0 || len(l.sure["retire"]) == 0 || l.kills == 0 {
		t.Error("nothing happened: the storm tests nothing")
	}
	shmtest.Verify(t, s)
}

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
