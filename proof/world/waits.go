package world

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/aotf/sharedmem/shm"
)

// briefly calls what would block, and gives up after a moment. It sleeps there in
// the kernel like anybody who waits.
func briefly(f func(ctx context.Context) error) {
	c, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	if err := f(c); !errors.Is(err, context.DeadlineExceeded) {
		Check(err)
	}
}

var waitActs = []act{
	{name: "get-waiting", ready: func(w *World) func(func(string)) {
		return func(func(string)) {
			briefly(func(ctx context.Context) error {
				_, err := w.Urgent.Get(ctx, nil)
				return err
			})
		}
	}},
	// The put comes between the announcement and the sleep, from the waiter itself:
	// so every step of waking and of being woken is in one goroutine.
	{name: "get-woken", ready: func(w *World) func(func(string)) {
		job := newJob(w, 10)
		return func(ack func(string)) {
			looks := 0
			ack(may(10, "urgent"))
			Check(w.Change.Wait(ctx, func() (bool, error) {
				if looks++; looks == announced {
					return false, w.Urgent.Put(job)
				}
				_, err := w.Urgent.TryGet(nil)
				return err == nil || looks > announced, nil
			}))
			ack(is(10, "urgent"))
		}
	}},
	{name: "ring-get-waiting", ready: func(w *World) func(func(string)) {
		some(w.Done.TryGet) // nobody else puts there
		return func(func(string)) {
			briefly(func(ctx context.Context) error {
				_, err := w.Done.Get(ctx)
				return err
			})
		}
	}},
	{name: "put-waiting", more: crowdTodo, relieve: passHead, ready: func(w *World) func(func(string)) {
		c := newJob(w, 10)
		return func(ack func(string)) {
			ack(may(10, "todo"))
			briefly(func(ctx context.Context) error { return w.Todo.Put(ctx, c) })
		}
	}},
	{name: "new-waiting", ready: func(w *World) func(func(string)) {
		for _, err := w.Jobs.TryNew(); !errors.Is(err, shm.ErrFull); _, err = w.Jobs.TryNew() {
			Check(err)
		}
		return func(func(string)) {
			briefly(func(ctx context.Context) error {
				_, err := w.Jobs.New(ctx)
				return err
			})
		}
	}},
	{name: "acquire-waiting", ready: func(w *World) func(func(string)) {
		for range 3 {
			some(w.Slots.TryAcquire)
		}
		return func(func(string)) {
			briefly(func(ctx context.Context) error {
				_, err := w.Slots.Acquire(ctx)
				return err
			})
		}
	}},
	{name: "acquire", ready: func(w *World) func(func(string)) {
		return func(func(string)) { some(w.Slots.TryAcquire) }
	}},
	{name: "release-permit", ready: func(w *World) func(func(string)) {
		p := some(w.Slots.TryAcquire)
		return func(func(string)) { Check(p.Release()) }
	}},
	{name: "lock", ready: func(w *World) func(func(string)) {
		return func(func(string)) {
			_, err := w.Lock.Lock(ctx)
			Check(err)
		}
	}},
	{name: "lock-waiting", ready: func(w *World) func(func(string)) {
		some(w.Lock.TryLock)
		return func(func(string)) {
			briefly(func(ctx context.Context) error {
				_, err := w.Lock.Lock(ctx)
				return err
			})
		}
	}},
	{name: "unlock", ready: func(w *World) func(func(string)) {
		p := some(w.Lock.TryLock)
		return func(func(string)) { Check(p.Release()) }
	}},
	{name: "count", ready: func(w *World) func(func(string)) {
		return func(ack func(string)) {
			ack("counting")
			w.Count.Add(0, 1)
			ack("counted")
		}
	}},
	{name: "cell", ready: func(w *World) func(func(string)) {
		return func(ack func(string)) {
			ack("swapping")
			w.Root.CompareAndSwap(w.Root.Load(), 7)
			ack("swapped")
		}
	}},
}

// announced is the look that a waiter takes after it has announced itself: the
// first, those of its spinning where there are several processors, this one.
var announced = map[bool]int{false: 2, true: 32}[runtime.NumCPU() > 1]
