package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func TestMain(m *testing.M) { shmtest.Main(m) }

var kills = flag.Int("kills", 30, "how many workers are killed")

func init() {
	shmtest.Register("work", func(args []string) {
		if err := run(context.Background(), []string{"work", "--name", args[0], "--slow", "1ms"}); err != nil && !errors.Is(err, shm.ErrStopped) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	})
}

// Workers are killed while they work: every job is done, once, and nothing stays.
func TestJobqueue_WorkersKilled(t *testing.T) {
	q := &queue{}
	s := shmtest.New(t, q, nil)
	start := func() *shmtest.Process { return shmtest.Child(t, "work", s.Name()) }
	workers := []*shmtest.Process{start(), start()}
	const jobs = 500
	for i := range jobs {
		c, err := q.jobs.New(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.Record().Number = uint64(i + 1)
		if err := q.todo.Put(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	inHand := func(p *shmtest.Process) bool { // p has claimed a job
		for _, c := range s.Claims() {
			for _, x := range s.Processes() {
				if x.Slot == c.Process && x.PID == p.Cmd.Process.Pid && c.Queue == "todo" {
					return true
				}
			}
		}
		return false
	}
	withJob := 0
	for i := range *kills {
		w := workers[i%2]
		for begun := time.Now(); !inHand(w) && q.todo.Len() > 0 && time.Since(begun) < time.Minute; {
		}
		w.Cmd.Process.Kill()
		if inHand(w) { // maybe swept already: at least these
			withJob++
		}
		w.Kill()
		workers[i%2] = start()
	}
	seen := map[uint64]int{}
	for range jobs {
		c, err := q.done.Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r := c.Record()
		if seen[r.Number]++; r.Result != r.Number*r.Number {
			t.Errorf("job %d: %d", r.Number, r.Result)
		}
		if err := c.Free(); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != jobs {
		t.Errorf("%d of %d jobs were done", len(seen), jobs)
	}
	s.Stop()
	for _, w := range workers {
		if err := w.Wait(); err != nil {
			t.Errorf("a worker: %v", err)
		}
	}
	if _, err := s.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	for r, st := range q.jobs.All() {
		t.Errorf("left over: %v %v", r, st.State())
	}
	shmtest.Verify(t, s)
	t.Logf("%d workers killed, at least %d of them with a job", *kills, withJob)
	if withJob == 0 {
		t.Error("no worker was killed with a job: this test shows nothing")
	}
}
