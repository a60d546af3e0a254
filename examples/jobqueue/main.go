// Jobqueue is a queue of jobs in shared memory, with a producer and any number
// of workers that may be killed at any instant: each job is done, none is lost.
//
//	go run ./examples/jobqueue work                # in as many terminals as you like
//	go run ./examples/jobqueue produce --jobs 100
//
// It is meant to be copied: replace job, and what do does with one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/aotf/sharedmem/shm"
)

// A job lies in shared memory as it is: fixed-size fields, no pointers. The tags
// say how shmtool shows them; phase=1 are the fields that the worker adds.
type job struct {
	Number uint64
	Name   [32]byte `shm:"text"`
	Made   int64    `shm:"time"`
	Result uint64   `shm:"phase=1"`
}

// queue declares what the segment holds. Producer and workers run the same
// Define; a program with another one is refused, with the name of the field.
type queue struct {
	jobs shm.Arena[job]
	todo shm.Ring[job] // made by the producer, claimed by workers
	done shm.Ring[job] // the results
}

func (q *queue) Define(l *shm.Layout) {
	q.jobs.Define(l, "jobs", 1000) // the most that can be under way: then New waits
	q.todo.Define(l, "todo", &q.jobs)
	q.done.Phase = 1 // here Result can be read too
	q.done.Define(l, "done", &q.jobs)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, shm.ErrStopped) {
		fmt.Fprintln(os.Stderr, "jobqueue:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: jobqueue produce|work [flags]")
	}
	flags := flag.NewFlagSet("jobqueue", flag.ExitOnError)
	name := flags.String("name", "jobqueue", "of the segment")
	jobs := flags.Int("jobs", 20, "produce: how many, and then wait for their results")
	slow := flags.Duration("slow", 100*time.Millisecond, "work: how long a job takes")
	_ = flags.Parse(args[1:]) // it exits

	q := &queue{}
	seg, err := shm.Open(*name, q, nil) // attaches, or creates the segment when there is none
	if err != nil {
		return err
	}
	defer seg.Close() // gives back what we have claimed
	switch args[0] {
	case "produce":
		return q.produce(ctx, *jobs)
	case "work":
		return q.work(ctx, *slow)
	}
	return fmt.Errorf("unknown command %q: want produce or work", args[0])
}

// produce posts jobs and collects their results. Killed between New and Put, the
// job never was; after Put it is in the queue.
func (q *queue) produce(ctx context.Context, n int) error {
	for i := range n {
		c, err := q.jobs.New(ctx)
		if err != nil {
			return err
		}
		r := c.Record() // ours alone until Put: written in place
		r.Number, r.Made = uint64(i+1), time.Now().UnixNano()
		if err := shm.PutText(r.Name[:], fmt.Sprintf("job-%d", i+1)); err != nil {
			return err
		}
		if err := q.todo.Put(ctx, c); err != nil {
			return err
		}
	}
	for range n {
		c, err := q.done.Get(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%s = %d\n", shm.Text(c.Record().Name[:]), c.Record().Result)
		if err := c.Free(); err != nil {
			return err
		}
	}
	return nil
}

// work does jobs until it is told to end. Killed anywhere in the loop, the job is
// back in todo as soon as another process sees the death; so a job may be begun
// twice, and what it does outside of the segment must bear that. Only the Put of
// one of them counts: the claim of the dead is void.
func (q *queue) work(ctx context.Context, slow time.Duration) error {
	for {
		c, err := q.todo.Get(ctx) // waits; costs nothing meanwhile
		if err != nil {
			return err
		}
		r := c.Record()
		if c.Attempt() > 1 {
			fmt.Printf("%s again: its worker died\n", shm.Text(r.Name[:]))
		}
		time.Sleep(slow) // the work
		r.Result = r.Number * r.Number
		// One CAS makes the result public and spends the claim.
		if err := q.done.Put(ctx, c); err != nil {
			return err
		}
	}
}
