package world

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aotf/sharedmem/shm"
)

// may and is are what a child says of job n: from now on it may be at that place,
// and, from now on it is.
func may(n uint64, place string) string { return fmt.Sprint("may ", n, " ", place) }
func is(n uint64, place string) string  { return fmt.Sprint("is ", n, " ", place) }

var recordActs = []act{
	{name: "alloc", ready: func(w *World) func(func(string)) {
		return func(func(string)) { some(w.Jobs.TryNew) }
	}},
	{name: "alloc-stale", // the bits of taken records say that they are free
		more: func(t testing.TB, w *World) {
			pokeObject(t, w, "jobs", freeAt, func(v uint64) uint64 { return v | (1<<Jobs - 1) })
		},
		ready: func(w *World) func(func(string)) {
			return func(func(string)) { some(w.Jobs.TryNew) }
		}},
	{name: "alloc-full",
		more: func(t testing.TB, w *World) {
			for n := uint64(20); ; n++ {
				c, err := w.Jobs.TryNew()
				if errors.Is(err, shm.ErrFull) {
					return
				}
				Must(t, err)
				c.Record().Number = n
				Must(t, w.Picky.Put(c))
			}
		},
		ready: func(w *World) func(func(string)) {
			return func(ack func(string)) {
				for n := uint64(20); n < 20+Jobs-4; n++ {
					ack(is(n, "picky"))
				}
				if _, err := w.Jobs.TryNew(); !errors.Is(err, shm.ErrFull) {
					Check(err) // a survivor made room
				}
			}
		}},
	{name: "free-new", ready: func(w *World) func(func(string)) {
		c := newJob(w, 10)
		fill(w, c)
		return func(func(string)) { Check(c.Free()) }
	}},
	{name: "free-claimed", ready: func(w *World) func(func(string)) {
		c := some(w.Todo.TryGet)
		return func(ack func(string)) { free(c, ack) }
	}},
	{name: "settle", ready: func(w *World) func(func(string)) {
		c := some(w.Todo.TryGet)
		fill(w, c)
		n := c.Record().Number
		return func(ack func(string)) {
			ack(may(n, "settled"))
			Check(c.Settle())
			ack(is(n, "settled"))
		}
	}},
	{name: "retire", ready: func(w *World) func(func(string)) {
		r := named(w, "s")
		return func(ack func(string)) {
			ack(may(5, "free"))
			_, err := w.Named.Retire(r)
			Check(err)
			ack(is(5, "free"))
		}
	}},
	{name: "delete", ready: func(w *World) func(func(string)) {
		c, err := w.Named.Retire(named(w, "s"))
		Check(err)
		return func(ack func(string)) {
			ack(is(5, "free")) // retired is for good
			Check(c.Free())
		}
	}},
	{name: "hold", ready: func(w *World) func(func(string)) {
		c := newJob(w, 10)
		fill(w, c)
		return func(func(string)) {
			_, err := c.Hold()
			Check(err)
		}
	}},
	{name: "free-held", ready: func(w *World) func(func(string)) {
		c, err := newJob(w, 10).Hold()
		Check(err)
		return func(func(string)) { Check(c.Free()) }
	}},
	{name: "release", ready: func(w *World) func(func(string)) {
		c := some(w.Todo.TryGet)
		fill(w, c)
		return func(func(string)) { Check(c.Release()) }
	}},
	{name: "word", ready: func(w *World) func(func(string)) {
		rec, err := w.Named.Words(named(w, "s"))
		Check(err)
		return func(func(string)) { rec.Flags.Or(2) }
	}},
}

func free(c shm.Claim[Job], ack func(string)) {
	n := c.Record().Number
	ack(may(n, "free"))
	Check(c.Free())
	ack(is(n, "free"))
}
