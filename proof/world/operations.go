package world

import (
	"maps"
	"slices"

	"github.com/aotf/sharedmem/shm"
)

// running are the operations on bare objects. Each starts on a segment with two
// jobs in todo (1, 2), one in picky (3) and one in queue ("k").
var running = map[string]func(w *World, s *shm.Segment, ack func(string)){
	"put": func(w *World, s *shm.Segment, ack func(string)) {
		c, err := w.Jobs.TryNew()
		Check(err)
		c.Record().Number = 10
		Check(w.Todo.TryPut(c))
		ack("posted 10")
	},
	"get-free": func(w *World, s *shm.Segment, ack func(string)) {
		c, err := w.Todo.TryGet()
		Check(err)
		Check(c.Free())
		ack("freed 1")
	},
	"drain": func(w *World, s *shm.Segment, ack func(string)) {
		ack("draining")
		for range 2 {
			c, err := w.Todo.TryGet()
			Check(err)
			Check(c.Free())
		}
		ack("freed 1")
	},
	"get-put": func(w *World, s *shm.Segment, ack func(string)) {
		c, err := w.Todo.TryGet()
		Check(err)
		c.Record().Result.Sum = 1
		Check(c.SetBlob(&w.Data, &c.Record().Result.Text, []byte("result")))
		Check(c.SetBlob(&w.Data, &c.Record().Result.Text, []byte("better")))
		Check(w.Done.TryPut(c))
		ack("done 1")
	},
	"get-release": func(w *World, s *shm.Segment, ack func(string)) {
		c, err := w.Todo.TryGet()
		Check(err)
		Check(c.Release())
	},
	"bag": func(w *World, s *shm.Segment, ack func(string)) {
		c, err := w.Picky.TryGet(func(_ shm.Ref[Job], j *Job) bool { return j.Number == 3 })
		Check(err)
		r := c.Ref()
		Check(w.Picky.Put(c))
		Check(w.Picky.Move(r, &w.Urgent))
		c, err = w.Urgent.Take(r)
		Check(err)
		Check(w.Picky.Put(c))
	},
	"launch": func(w *World, s *shm.Segment, ack func(string)) {
		c, err := w.Named.TryNew()
		Check(err)
		c.Record().Key = KeyOf("new")
		Check(c.SetBlob(&w.Data, &c.Record().Data, []byte("payload")))
		_, ok, err := w.ByName.Insert(c, &w.Queue)
		Check(err)
		if ok {
			ack("launched")
		}
	},
	"launch-existing": func(w *World, s *shm.Segment, ack func(string)) {
		c, err := w.Named.TryNew()
		Check(err)
		c.Record().Key = KeyOf("k")
		_, ok, err := w.ByName.Insert(c, &w.Queue)
		Check(err)
		if ok {
			panic("two records of one key")
		}
	},
	"settle-retire": func(w *World, s *shm.Segment, ack func(string)) {
		c, err := w.Queue.TryGet()
		Check(err)
		r := c.Ref()
		Check(c.SetBlob(&w.Data, &c.Record().Data, []byte("payload")))
		Check(c.Settle())
		c, err = w.Named.Retire(r)
		Check(err)
		Check(c.Free())
		ack("retired")
	},
	"hold": func(w *World, s *shm.Segment, ack func(string)) {
		c, err := w.Named.TryNew()
		Check(err)
		c.Record().Key = KeyOf("held")
		held, _, _, err := w.ByName.InsertHeld(c)
		Check(err)
		Check(held.Free())
	},
	"semaphore": func(w *World, s *shm.Segment, ack func(string)) {
		p, err := w.Slots.TryAcquire()
		Check(err)
		Check(p.Release())
		p, err = w.Lock.TryLock()
		Check(err)
		Check(p.Release())
	},
	"close": func(w *World, s *shm.Segment, ack func(string)) {
		_, err := w.Todo.TryGet()
		Check(err)
		_, err = w.Slots.TryAcquire()
		Check(err)
		_ = s.Close()
	},
}

func shmOperations() (list []Operation) {
	for _, name := range slices.Sorted(maps.Keys(running)) {
		list = append(list, Operation{
			Name: name, Stage: stage, Audit: audit,
			Attach: func(segment string) func(ack func(string)) {
				w := &World{}
				s, err := shm.Attach(segment, w, nil)
				Check(err)
				return func(ack func(string)) { running[name](w, s, ack) }
			},
		})
	}
	return list
}

// Mess leaves as much half done as one process can.
func Mess(segment string) {
	w := &World{}
	_, err := shm.Attach(segment, w, nil)
	Check(err)
	c, err := w.Todo.TryGet()
	Check(err)
	Check(c.SetBlob(&w.Data, &c.Record().Result.Text, []byte("half")))
	_, err = w.Picky.TryGet(nil)
	Check(err)
	c, err = w.Jobs.TryNew()
	Check(err)
	Check(c.SetBlob(&w.Data, &c.Record().Data, []byte("new")))
	c, err = w.Jobs.TryNew()
	Check(err)
	_, err = c.Hold()
	Check(err)
	_, err = w.Slots.TryAcquire()
	Check(err)
	_, err = w.Lock.TryLock()
	Check(err)
	c, err = w.Named.TryNew()
	Check(err)
	c.Record().Key = KeyOf("held")
	_, _, _, err = w.ByName.InsertHeld(c)
	Check(err)
	c, err = w.Queue.TryGet()
	Check(err)
	r := c.Ref()
	Check(c.Settle())
	_, err = w.Named.Retire(r)
	Check(err)
}
