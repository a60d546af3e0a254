//go:build linux && (amd64 || arm64)

package shm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
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

// withAndWithoutWaitV runs a test on both ways to sleep in the kernel.
func withAndWithoutWaitV(t *testing.T, test func(t *testing.T)) {
	t.Run("waitv=true", test)
	t.Run("waitv=false", func(t *testing.T) {
		defer shm.ForbidWaitV()()
		test(t)
	})
}

// A put asks the kernel for a wake-up only when somebody sleeps.
func TestWait_WakesOnlySleepers(t *testing.T) {
	withAndWithoutWaitV(t, func(t *testing.T) {
		f := &farm{}
		s := shmtest.New(t, f, nil)
		cycle := func() {
			must(t, f.Todo.TryPut(newJob(t, f, "", 1)))
			c, err := f.Todo.TryGet()
			must(t, err)
			must(t, c.Free())
		}
		before := s.WakeCalls()
		for range 1000 {
			cycle()
		}
		if n := s.WakeCalls() - before; n != 0 {
			t.Errorf("%d wake-ups with nobody asleep", n)
		}
		for i := range 20 {
			got := make(chan error)
			go func() {
				c, err := f.Done.Get(t.Context())
				if err == nil {
					err = c.Free()
				}
				got <- err
			}()
			eventually(t, "the getter sleeps", func() bool { return waitsFor(s, "done") })
			before := s.WakeCalls()
			must(t, f.Done.TryPut(newJob(t, f, "", 1)))
			if n := s.WakeCalls() - before; n != 1 {
				t.Errorf("put %d: %d wake-ups for one sleeper", i, n)
			}
			must(t, <-got)
			// He has left no sign behind that somebody sleeps.
			must(t, f.Done.TryPut(newJob(t, f, "", 1)))
			if n := s.WakeCalls() - before; n != 1 {
				t.Errorf("put %d: %d wake-ups after the sleeper has gone", i, n-1)
			}
			c, err := f.Done.TryGet()
			must(t, err)
			must(t, c.Free())
		}
	})
}

// allSlots leaves no permit to those who are to wait for one.
func allSlots(t *testing.T, f *farm) {
	for range 3 {
		_, err := f.Slots.TryAcquire()
		must(t, err)
	}
}

func waitsFor(s *shm.Segment, object string) bool {
	for _, p := range s.Processes() {
		if p.Waiting == object {
			return true
		}
	}
	return false
}

// Ten thousand blocked goroutines cost a handful of threads, and each wakes when
// it is its turn. Without futex_waitv up to 32 sleep themselves.
func TestWait_Crowd(t *testing.T) {
	const ofGo = 10 // threads that Go itself starts when many have work at once
	most := 4 + runtime.GOMAXPROCS(0) + ofGo
	withAndWithoutWaitV(t, func(t *testing.T) {
		testCrowd(t, most)
		most = 4 + 32 + ofGo
	})
}

func testCrowd(t *testing.T, most int) {
	const each = 2000
	f := &farm{}
	s := shmtest.New(t, f, nil)
	var permits []shm.Permit
	for range 3 {
		p, err := f.Slots.TryAcquire()
		must(t, err)
		permits = append(permits, p)
	}
	lock, err := f.Lock.TryLock()
	must(t, err)
	permits = append(permits, lock)
	threads := count(t, "/proc/self/task/*")
	ctx, cancel := context.WithCancel(t.Context())
	var all, cancelled sync.WaitGroup
	var started atomic.Int32
	free := func(get func(context.Context) (shm.Claim[job], error)) func(context.Context) error {
		return func(ctx context.Context) error {
			c, err := get(ctx)
			if err == nil {
				err = c.Free()
			}
			return err
		}
	}
	release := func(get func(context.Context) (shm.Permit, error)) func(context.Context) error {
		return func(ctx context.Context) error {
			p, err := get(ctx)
			if err == nil {
				err = p.Release()
			}
			return err
		}
	}
	any := func(ctx context.Context) (shm.Claim[job], error) { return f.Picky.Get(ctx, nil) }
	for _, wait := range []func(context.Context) error{
		free(f.Todo.Get), free(f.Done.Get), release(f.Slots.Acquire), release(f.Lock.Lock),
	} {
		for range each {
			all.Go(func() {
				started.Add(1)
				if err := wait(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
	for range each {
		cancelled.Go(func() {
			started.Add(1)
			if err := free(any)(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
		})
	}
	eventually(t, "all goroutines have started", func() bool { return started.Load() == 5*each })
	for range 100 { // while the last of them look for the first time, and then sleep
		if n := count(t, "/proc/self/task/*") - threads; n > most {
			t.Fatalf("%d threads more for %d blocked goroutines", n, 5*each)
		}
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	cancelled.Wait()
	for range each {
		for _, put := range []func(context.Context, shm.Claim[job]) error{f.Todo.Put, f.Done.Put} {
			c, err := f.Jobs.New(t.Context())
			must(t, err)
			must(t, put(t.Context(), c))
		}
	}
	for _, p := range permits {
		must(t, p.Release())
	}
	all.Wait()
	shmtest.Verify(t, s)
}

func count(t *testing.T, pattern string) int {
	t.Helper()
	all, err := filepath.Glob(pattern)
	must(t, err)
	return len(all)
}

// unslept fails when many calls were woken by the slice's end and not by what was to wake
// them: each would have taken most of a second. Those here take a millisecond.
func unslept(t *testing.T, calls int, took time.Duration) {
	t.Helper()
	if took > time.Duration(calls)*time.Second/4 {
		t.Errorf("%d calls took %v to wake: nobody woke them before the slice was over", calls, took)
	}
}

// A cancelled call ends at once, not at the end of its slice.
func TestWait_Cancel(t *testing.T) {
	withAndWithoutWaitV(t, func(t *testing.T) {
		f := &farm{}
		s := shmtest.New(t, f, nil)
		const rounds = 40
		var took time.Duration
		defer func() { unslept(t, rounds, took) }()
		for range rounds {
			ctx, cancel := context.WithCancel(t.Context())
			got := make(chan error)
			go func() { _, err := f.Todo.Get(ctx); got <- err }()
			eventually(t, "the getter sleeps", func() bool { return waitsFor(s, "todo") })
			began := time.Now()
			cancel()
			if err := <-got; !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			took += time.Since(began)
			eventually(t, "it is gone", func() bool { return !waitsFor(s, "todo") })
		}
	})
}

// A worker waits with one context again and again: its end is seen by the sleep
// that is under way then, and by no sleep with another context.
func TestWait_CancelAfterMany(t *testing.T) {
	withAndWithoutWaitV(t, func(t *testing.T) {
		f := &farm{}
		s := shmtest.New(t, f, nil)
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			got := make(chan error)
			go func() {
				for {
					c, err := f.Todo.Get(ctx)
					if err == nil {
						err = c.Free()
					}
					got <- err
					if err != nil {
						return
					}
				}
			}()
			for range 5 {
				eventually(t, "the worker sleeps", func() bool { return waitsFor(s, "todo") })
				must(t, f.Todo.TryPut(newJob(t, f, "", 1)))
				must(t, <-got)
			}
			eventually(t, "the worker sleeps", func() bool { return waitsFor(s, "todo") })
			cancel()
			if err := <-got; !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			other := make(chan error)
			go func() {
				c, err := f.Todo.Get(t.Context())
				if err == nil {
					err = c.Free()
				}
				other <- err
			}()
			eventually(t, "the other sleeps", func() bool { return waitsFor(s, "todo") })
			must(t, f.Todo.TryPut(newJob(t, f, "", 1)))
			must(t, <-other)
		}
	})
}

// A wake-up that a process cannot use, because it is stopped and then killed, is not
// lost: the next process has it too, at once.
func TestWait_WokenProcessDies(t *testing.T) {
	f := &farm{}
	s := shmtest.New(t, f, nil)
	const rounds = 20
	var took time.Duration
	for range rounds {
		first := shmtest.Child(t, "getter", s.Name())
		eventually(t, "it waits", func() bool {
			p := s.Processes()
			return len(p) == 2 && p[1].Waiting == "todo" && state(t, p[1].PID) == "S"
		})
		got := make(chan error)
		go func() {
			c, err := f.Todo.Get(t.Context())
			if err == nil {
				err = c.Free()
			}
			got <- err
		}()
		eventually(t, "we wait too", func() bool { return waitsFor(s, "todo") })
		must(t, first.Cmd.Process.Signal(unix.SIGSTOP))
		eventually(t, "the first has stopped", func() bool { return state(t, first.Cmd.Process.Pid) == "T" })
		c := newJob(t, f, "", 1)
		began := time.Now()
		must(t, f.Todo.TryPut(c))
		must(t, <-got)
		took += time.Since(began)
		first.Kill()
		eventually(t, "it is swept", func() bool { return len(s.Processes()) == 1 })
	}
	unslept(t, rounds, took)
}

func init() {
	// getter NAME: wait for a job.
	shmtest.Register("getter", func(args []string) {
		f := &farm{}
		_, err := shm.Attach(args[0], f, nil)
		check1(err)
		_, err = f.Todo.Get(tctx)
		check1(err)
	})
}

func init() {
	// sleeper NAME: block ten goroutines, on as many objects as there are; then tell,
	// each time it is asked, how often it was woken up, how often its threads were
	// switched to, and the processor time it has used.
	shmtest.Register("sleeper", func(args []string) {
		f := &farm{}
		s, err := shm.Attach(args[0], f, nil)
		check1(err)
		for i := range 10 {
			go func() {
				switch i % 5 {
				case 0:
					_, err = f.Todo.Get(tctx)
				case 1:
					_, err = f.Done.Get(tctx)
				case 2:
					_, err = f.Slots.Acquire(tctx)
				case 3:
					_, err = f.Queue.Get(tctx)
				case 4:
					_, err = f.Picky.Get(tctx, nil)
				}
				panic(err)
			}()
		}
		line := stdin()
		for {
			line()
			fmt.Println(s.WokenUps(), switches(), cpuTime())
		}
	})
}

// switches is how often the threads of this process were switched to after they
// had slept. Go's own threads are among them, its monitor too, which looks after
// whatever runs, and the more often the longer that takes.
func switches() (all int) {
	tasks, _ := filepath.Glob("/proc/self/task/*")
	for _, task := range tasks {
		b, _ := os.ReadFile(task + "/status")
		_, rest, _ := strings.Cut(string(b), "\nvoluntary_ctxt_switches:")
		v, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
		n, _ := strconv.Atoi(v)
		all += n
	}
	return all
}

// cpuTime is what the process has used, in clock ticks of 10 ms.
func cpuTime() int {
	b, _ := os.ReadFile("/proc/self/stat")
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return user + system
}

// Blocked processes sleep: ten of them with ten goroutines each are woken up a few
// times a second at most, the death watch included. What Go and the machine make of
// that, some 25 switches and 0.05 % of a processor, is shown, and must only not be
// another order of magnitude.
func TestWait_Idle(t *testing.T) {
	f := &farm{}
	s := shmtest.New(t, f, nil)
	allSlots(t, f)
	const n = 10
	var all10 []*shmtest.Process
	for range n {
		all10 = append(all10, shmtest.Child(t, "sleeper", s.Name()))
	}
	eventually(t, "all are attached", func() bool { return len(s.Processes()) == n+1 })
	time.Sleep(2500 * time.Millisecond) // through two slices: now they are idle
	look := func() (sum [3]float64) {
		for _, p := range all10 {
			p.Say("look")
			line, _ := p.Line()
			var v [3]float64
			_, err := fmt.Sscan(line, &v[0], &v[1], &v[2])
			must(t, err)
			for i := range v {
				sum[i] += v[i]
			}
		}
		return sum
	}
	began := time.Now()
	before := look()
	time.Sleep(5 * time.Second)
	after := look()
	all := n * time.Since(began).Seconds() // on a busy machine a sleep is longer
	per := func(i int) float64 { return (after[i] - before[i]) / all }
	t.Logf("per second and process: woken up %.1f times, %.1f switches to its threads, %.2f %% of a CPU", per(0), per(1), per(2))
	if per(0) > 5 || per(1) > 250 || per(2) > 1 {
		t.Error("want to be woken up 5 times at most, 250 switches, and 1 %")
	}
}

// What waits in the background does not hide what the process waits for.
func TestWait_Background(t *testing.T) {
	f := &farm{}
	f.Change.Background = true
	s := shmtest.New(t, f, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		_, _ = f.Todo.Get(ctx)
	})
	eventually(t, "the getter sleeps", func() bool { return waitsFor(s, "todo") })
	all.Go(func() { _, _ = f.Picky.Get(ctx, nil) })
	for range 20 {
		if !waitsFor(s, "todo") {
			t.Error("the background is shown")
			break
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	all.Wait()
}
