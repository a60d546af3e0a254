//go:build crashpoint

package world

import (
	"fmt"
	"os"
	"testing"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// half-done SEGMENT: stand still in the middle of many operations, and die.
	shmtest.Register("half-done", func(args []string) {
		w := &World{}
		_, err := shm.Attach(args[0], w, nil)
		Check(err)
		for _, x := range halfDone {
			there := make(chan bool)
			shm.AtPoint(x.point, func() {
				close(there)
				select {}
			})
			go x.do(w)
			<-there
		}
		fmt.Println("end")
		p, _ := os.FindProcess(os.Getpid())
		_ = p.Kill() // no Close, no goodbye
		select {}
	})
}

// Roomy are capacities with room for what LeaveHalfDone leaves.
var Roomy = map[string]int{"jobs": 24, "named": 24}

// LeaveHalfDone lets a process die in a segment of Stage, in the middle of so many
// operations that there is one of every state that a sweep finds. It returns what
// is to become of them.
func LeaveHalfDone(t testing.TB, segment string) (acks map[string]bool) {
	t.Helper()
	p := shmtest.Child(t, "half-done", segment)
	p.Want("end")
	_ = p.Wait()
	acks = map[string]bool{}
	for _, x := range halfDone {
		acks[x.ack] = true
	}
	return acks
}

// halfDone are operations and where they stop, which together leave one of every
// state that a sweep finds.
var halfDone = []struct {
	point string
	do    func(w *World)
	ack   string // what is to become of it
}{
	{"ring.fill", func(w *World) { _ = w.Todo.TryPut(newJob(w, 20)) }, "is 20 todo"},
	{"bag.bit", func(w *World) { _ = w.Picky.Put(newJob(w, 21)) }, "is 21 picky"},
	{"index.fill", func(w *World) { _, _, _ = w.ByName.Insert(newNamed(w, "a", 22), &w.Queue) }, "is 22 queue"},
	{"settle", func(w *World) { _, _, _ = w.ByName.Insert(newNamed(w, "b", 23), nil) }, "is 23 settled"},
	{"index.insert", func(w *World) { _, _, _ = w.ByName.Insert(newNamed(w, "c", 24), nil) }, ""},
	{"index.empty", func(w *World) {
		r, _, _ := w.ByName.Lookup(KeyOf("s"))
		c, err := w.Named.Retire(r)
		Check(err)
		_ = c.Free()
	}, "is 5 free"},
	{"blob.holder", func(w *World) { blobs(w, 1) }, ""},
	{"blob.settle", func(w *World) { blobs(w, 1) }, ""},
	{"blob.free", func(w *World) { blobs(w, 2) }, ""},
	// Named by a record that outlives its maker: the sweep settles it.
	{"blob.settle", func(w *World) {
		c, err := w.Done.TryGet()
		Check(err)
		_ = c.SetBlob(&w.Data, &c.Record().Data, []byte("new"))
	}, "is 6 done"},
	{"free.bit", func(w *World) {
		c, err := w.Todo.TryGet()
		Check(err)
		_ = c.Free()
	}, "is 1 free"},
	{"ring.head.move", func(w *World) { _, _ = w.Todo.TryGet() }, "is 2 todo"},
	{"bag.move", func(w *World) {
		c, err := w.Picky.TryGet(nil)
		Check(err)
		r := c.Ref()
		Check(w.Picky.Put(c))
		_ = w.Picky.Move(r, &w.Urgent)
	}, "is 3 picky"},
	{"free", func(w *World) { _ = newJob(w, 25).Free() }, ""},
	{"user.word", func(w *World) { // held by its process
		c, err := newJob(w, 26).Hold()
		Check(err)
		c.Record().Flags.Load()
	}, ""},
	{"user.word", func(w *World) { // in the index, and held
		c, _, _, err := w.ByName.InsertHeld(newNamed(w, "held", 27))
		Check(err)
		c.Record().Flags.Load()
	}, ""},
	{"user.word", func(w *World) { // permits
		_, err := w.Slots.TryAcquire()
		Check(err)
		_, err = w.Lock.TryLock()
		Check(err)
		w.Root.Load()
	}, ""},
	{"ring.head.move", func(w *World) { _, _ = w.Queue.TryGet() }, "is 4 queue"},
}

func blobs(w *World, n int) {
	c := newJob(w, 30)
	for range n {
		_ = c.SetBlob(&w.Data, &c.Record().Data, []byte("new"))
	}
}
