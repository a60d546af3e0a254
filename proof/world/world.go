// Package world holds what all campaigns of this module share: an application
// with one of every object of package shm, the operations to be killed, stopped
// and stepped through, the state they start from, and the audit that follows.
package world

import (
	"context"
	"slices"
	"testing"

	"github.com/aotf/sharedmem/shm"
)

// An Operation is one thing that a process does and dies in. Stage and Audit run
// in the test, Attach in the child.
type Operation struct {
	Name string
	// Stage creates a segment in the state the operation starts from. The
	// segment is removed when the test ends.
	Stage func(t testing.TB, processes int) (segment string)
	// Attach returns what is to be killed. It tells ack what it has finished.
	Attach func(segment string) (run func(ack func(string)))
	// Survive, if not nil, starts the work of another process on the same objects.
	Survive func(t testing.TB, segment string) *Company
	// Audit attaches after the death, sweeps, verifies, and takes everything out:
	// all that was acknowledged is there exactly once, nothing is owned by the
	// dead, nothing has leaked.
	Audit func(t testing.TB, segment string, acks map[string]bool)
}

// Operations are those on the bare objects, those on a segment as a whole, and
// those on AOTF's tree.
func Operations() []Operation {
	return slices.Concat(objectOperations(), lifeOperations(), treeOperations())
}

// Find returns the operation of that name.
func Find(name string) Operation {
	for _, op := range Operations() {
		if op.Name == name {
			return op
		}
	}
	panic("no operation " + name)
}

// Jobs is the capacity of the world's arenas.
const Jobs = 8

// A Job is the record of the world.
type Job struct {
	Key    Key `shm:"key"`
	Number uint64
	Data   shm.Blob
	Flags  shm.Word
	Result Result `shm:"phase=1"`
}

// A Key names a job.
type Key struct{ Name [16]byte }

// A Result is what work on a job publishes.
type Result struct {
	Sum  uint64
	Text shm.Blob
}

// KeyOf returns the key of a name.
func KeyOf(name string) (k Key) {
	Check(shm.PutText(k.Name[:], name))
	return k
}

// A World is an application with one of everything. Size is the capacity of its
// arenas, Jobs if 0.
type World struct {
	Jobs   shm.Arena[Job]
	Named  shm.Arena[Job]
	ByName shm.Index[Job, Key]
	Queue  shm.Ring[Job] // of named jobs
	Todo   shm.Ring[Job]
	Done   shm.Ring[Job] // with results
	Picky  shm.Bag[Job]
	Urgent shm.Bag[Job]
	Change shm.Event
	Data   shm.Blobs
	Slots  shm.Semaphore // of 3
	Lock   shm.Mutex
	Count  shm.Counters
	Root   shm.Cell
	Size   int

	segment string
}

// Define is for shm.
func (w *World) Define(l *shm.Layout) {
	n := w.Size
	if n == 0 {
		n = Jobs
	}
	w.Jobs.Define(l, "jobs", n)
	w.Named.Define(l, "named", n)
	w.ByName.Define(l, "by-name", &w.Named)
	w.Queue.Define(l, "queue", &w.Named)
	w.Change.Define(l, "change")
	w.Todo.Define(l, "todo", &w.Jobs)
	w.Done.Phase = 1
	w.Done.Define(l, "done", &w.Jobs)
	w.Picky.Wake = &w.Change
	w.Picky.Define(l, "picky", &w.Jobs)
	w.Urgent.Wake = &w.Change
	w.Urgent.Define(l, "urgent", &w.Jobs)
	w.Data.Define(l, "data", shm.BlobClass{Size: 64, Count: 64}, shm.BlobClass{Size: 256, Count: 64})
	w.Slots.Define(l, "slots", 3)
	w.Lock.Define(l, "lock")
	w.Count.Define(l, "count", "put", "got")
	w.Root.Setting = true
	w.Root.Define(l, "root")
}

// Check ends a child process whose operation failed for another reason than its
// death.
func Check(err error) {
	if err != nil {
		panic(err)
	}
}

// Must ends a test.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Used returns how many of an object's records, permits or bytes are in use.
func Used(s *shm.Segment, object string) int {
	for _, o := range s.Stats().Objects {
		if o.Name == object {
			return o.Used
		}
	}
	return -1
}

// ctx is for child processes, which have no test to take a context from.
var ctx = context.Background()
