//go:build linux && (amd64 || arm64)

package shm_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
		}
	})
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
// it is its turn.
func TestWait_Crowd(t *testing.T) {
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
		if n := count(t, "/proc/self/task/*") - threads; n > 4+runtime.GOMAXPROCS(0) {
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

// A cancelled call ends at once, not at the end of its slice: many in a row
// would take minutes.
func TestWait_Cancel(t *testing.T) {
	withAndWithoutWaitV(t, func(t *testing.T) {
		f := &farm{}
		s := shmtest.New(t, f, nil)
		for range 200 {
			ctx, cancel := context.WithCancel(t.Context())
			got := make(chan error)
			go func() { _, err := f.Todo.Get(ctx); got <- err }()
			eventually(t, "the getter sleeps", func() bool { return waitsFor(s, "todo") })
			cancel()
			if err := <-got; !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			eventually(t, "it is gone", func() bool { return !waitsFor(s, "todo") })
		}
	})
}

func init() {
	// sleeper NAME: block ten goroutines, on as many objects as there are; then say
	// how often the process was switched to in so many seconds, per second.
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
			all, monitor := switches()
			fmt.Println(all, monitor, cpuTime())
			_ = s
		}
	})
}

// switches is how often the threads of this process were switched to after they
// had slept, and how often that was Go's own monitor thread, which is the first
// that the runtime starts and polls while anything runs: on a loaded machine that
// takes longer, and it polls more.
func switches() (all, monitor int) {
	tasks, _ := filepath.Glob("/proc/self/task/*")
	slices.SortFunc(tasks, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	for i, task := range tasks {
		b, _ := os.ReadFile(task + "/status")
		_, rest, _ := strings.Cut(string(b), "\nvoluntary_ctxt_switches:")
		v, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
		n, _ := strconv.Atoi(v)
		all += n
		if i == 1 {
			monitor = n
		}
	}
	return all, monitor
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

// Blocked processes sleep: ten of them with ten goroutines each wake a few times a
// second at most, the death watch included.
func TestWait_Idle(t *testing.T) {
	f := &farm{}
	s := shmtest.New(t, f, nil)
	for range 3 {
		_, err := f.Slots.TryAcquire()
		must(t, err)
	}
	const n = 10
	var all10 []*shmtest.Process
	for range n {
		all10 = append(all10, shmtest.Child(t, "sleeper", s.Name()))
	}
	eventually(t, "all are attached", func() bool { return len(s.Processes()) == n+1 })
	time.Sleep(2500 * time.Millisecond) // through two slices: now they are idle
	look := func() (all, monitor, ticks int) {
		for _, p := range all10 {
			p.Say("look")
			line, _ := p.Line()
			var a, b, c int
			_, err := fmt.Sscan(line, &a, &b, &c)
			must(t, err)
			all, monitor, ticks = all+a, monitor+b, ticks+c
		}
		return all, monitor, ticks
	}
	began := time.Now()
	a0, m0, c0 := look()
	time.Sleep(5 * time.Second)
	a1, m1, c1 := look()
	all := n * time.Since(began).Seconds() // on a busy machine a sleep is longer
	ours := float64(a1-a0-(m1-m0)) / all
	t.Logf("per second and process: %.1f wake-ups, and %.1f of Go's monitor thread; %.2f %% of a CPU",
		ours, float64(m1-m0)/all, float64(c1-c0)/all)
	if ours > 5 {
		t.Errorf("%.1f wake-ups per second and process, want 5 at most", ours)
	}
}
