package world

import (
	"errors"
	"testing"

	"github.com/aotf/sharedmem/shm"
)

func putting(w *World) func(ack func(string)) {
	c := newJob(w, 10)
	return func(ack func(string)) {
		ack(may(10, "todo"))
		Check(w.Todo.TryPut(c))
		ack(is(10, "todo"))
	}
}

var queueActs = []act{
	{name: "put", ready: putting},
	{name: "put-all", ready: func(w *World) func(func(string)) {
		cs := []shm.Claim[Job]{newJob(w, 10), newJob(w, 11)}
		return func(ack func(string)) {
			ack(may(10, "todo"))
			ack(may(11, "todo"))
			_, err := w.Todo.TryPutAll(cs)
			Check(err)
			ack(is(10, "todo"))
			ack(is(11, "todo"))
		}
	}},
	{name: "put-on", ready: func(w *World) func(func(string)) {
		c := some(w.Todo.TryGet)
		fill(w, c)
		n := c.Record().Number
		return func(ack func(string)) {
			ack(may(n, "done"))
			Check(w.Done.TryPut(c))
			ack(is(n, "done"))
		}
	}},
	{name: "put-full", more: crowdTodo, relieve: passHead, ready: func(w *World) func(func(string)) {
		c := newJob(w, 10)
		return func(ack func(string)) {
			ack(may(10, "todo"))
			if err := w.Todo.TryPut(c); !errors.Is(err, shm.ErrFull) {
				Check(err) // a survivor passed the head
			}
		}
	}},
	{name: "put-behind", // the tail lags: its poster died before he moved it
		more: func(t testing.TB, w *World) { lag(t, w, "todo", tailAt) }, ready: putting},
	{name: "put-over", // the head lags by a lap: job 1 was claimed there by one who died before he moved it
		more: func(t testing.TB, w *World) {
			crowdTodo(t, w)
			c := some(w.Todo.TryGet)
			fill(w, c)
			Must(t, c.Settle())
			lag(t, w, "todo", headAt)
		},
		ready: func(w *World) func(func(string)) {
			do := putting(w)
			return func(ack func(string)) {
				ack(is(1, "settled"))
				do(ack)
			}
		}},
	{name: "release-full", more: crowdTodo, relieve: passHead, ready: func(w *World) func(func(string)) {
		r := job(w, 2)
		c := some(func() (shm.Claim[Job], error) { return w.Todo.Take(r) })
		return func(func(string)) { Check(c.Release()) }
	}},
	{name: "get", ready: func(w *World) func(func(string)) {
		return func(func(string)) { some(w.Todo.TryGet) }
	}},
	{name: "get-all", ready: func(w *World) func(func(string)) {
		return func(func(string)) {
			if _, err := w.Todo.TryGetAll(make([]shm.Claim[Job], 2)); !errors.Is(err, shm.ErrEmpty) {
				Check(err)
			}
		}
	}},
	{name: "get-past", // the head leads to a record that has moved on
		more: func(t testing.TB, w *World) { again(t, w, 1) },
		ready: func(w *World) func(func(string)) {
			return func(func(string)) { some(w.Todo.TryGet) }
		}},
	{name: "take", ready: func(w *World) func(func(string)) {
		r := job(w, 2)
		return func(func(string)) {
			some(func() (shm.Claim[Job], error) { return w.Todo.Take(r) })
		}
	}},
}

// again takes a job out of the middle and posts it behind the others.
func again(t testing.TB, w *World, n uint64) {
	c, err := w.Todo.Take(job(w, n))
	Must(t, err)
	Must(t, w.Todo.TryPut(c))
}

// crowdTodo posts job 2 until every slot is taken: job 1 stands at the head, and
// the others lead to nothing any more, but for the last.
func crowdTodo(t testing.TB, w *World) {
	for range Jobs - 2 {
		again(t, w, 2)
	}
}

// passHead makes room in a ring that is full of slots that lead to nothing.
func passHead(t testing.TB, w *World) {
	if c, err := w.Todo.Take(job(w, 1)); err == nil {
		Must(t, w.Todo.TryPut(c))
	}
}

var bagActs = []act{
	{name: "bag-put", ready: func(w *World) func(func(string)) {
		c := newJob(w, 10)
		return func(ack func(string)) {
			ack(may(10, "picky"))
			Check(w.Picky.Put(c))
			ack(is(10, "picky"))
		}
	}},
	{name: "bag-get", ready: func(w *World) func(func(string)) {
		return func(func(string)) {
			some(func() (shm.Claim[Job], error) { return w.Picky.TryGet(nil) })
		}
	}},
	{name: "bag-match", ready: func(w *World) func(func(string)) {
		match := func(_ shm.Ref[Job], j *Job) bool { return j.Number == 3 }
		return func(func(string)) {
			some(func() (shm.Claim[Job], error) { return w.Picky.TryGet(match) })
		}
	}},
	{name: "bag-take", ready: func(w *World) func(func(string)) {
		r := job(w, 3)
		return func(func(string)) {
			some(func() (shm.Claim[Job], error) { return w.Picky.Take(r) })
		}
	}},
	{name: "bag-move", ready: func(w *World) func(func(string)) {
		r := job(w, 3)
		return func(ack func(string)) {
			ack(may(3, "urgent"))
			some(func() (struct{}, error) { return struct{}{}, w.Picky.Move(r, &w.Urgent) })
			ack(is(3, "urgent"))
		}
	}},
}
