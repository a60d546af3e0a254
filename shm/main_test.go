package shm_test

import (
	"context"
	"testing"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func TestMain(m *testing.M) { shmtest.Main(m) }

// job is the record of the tests' own application.
type job struct {
	Key    jobKey `shm:"key"`
	Number uint64
	Data   shm.Blob
	Flags  shm.Word
	Result jobResult `shm:"phase=1"`
}

type jobKey struct{ Name [16]byte }

type jobResult struct {
	Sum  uint64
	Text shm.Blob
}

func key(name string) (k jobKey) {
	if err := shm.PutText(k.Name[:], name); err != nil {
		panic(err)
	}
	return k
}

// farm is an application with one of everything.
type farm struct {
	Jobs   shm.Arena[job]
	Named  shm.Arena[job]
	ByName shm.Index[job, jobKey]
	Queue  shm.Ring[job]
	Todo   shm.Ring[job]
	Done   shm.Ring[job]
	Picky  shm.Bag[job]
	Urgent shm.Bag[job]
	Change shm.Event
	Data   shm.Blobs
	Slots  shm.Semaphore
	Lock   shm.Mutex
	Count  shm.Counters
	Root   shm.Cell
	jobs   int
}

func (f *farm) Define(l *shm.Layout) {
	n := f.jobs
	if n == 0 {
		n = 64
	}
	f.Jobs.Define(l, "jobs", n)
	f.Named.Define(l, "named", n)
	f.ByName.Define(l, "by-name", &f.Named)
	f.Queue.Define(l, "queue", &f.Named)
	f.Change.Define(l, "change")
	f.Todo.Define(l, "todo", &f.Jobs)
	f.Done.Phase = 1
	f.Done.Define(l, "done", &f.Jobs)
	f.Picky.Wake = &f.Change
	f.Picky.Define(l, "picky", &f.Jobs)
	f.Urgent.Wake = &f.Change
	f.Urgent.Define(l, "urgent", &f.Jobs)
	f.Data.Define(l, "data", shm.BlobClass{Size: 64, Count: 64}, shm.BlobClass{Size: 256, Count: 64})
	f.Slots.Define(l, "slots", 3)
	f.Lock.Define(l, "lock")
	f.Count.Define(l, "count", "put", "got")
	f.Root.Define(l, "root")
}

// modes runs a test on a private and on a shared segment.
func modes(t *testing.T, jobs int, test func(t *testing.T, f *farm, s *shm.Segment)) {
	t.Run("mode=private", func(t *testing.T) {
		f := &farm{jobs: jobs}
		s, err := shm.Private(f, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		test(t, f, s)
	})
	t.Run("mode=shared", func(t *testing.T) {
		f := &farm{jobs: jobs}
		s := shmtest.New(t, f, nil)
		test(t, f, s)
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tctx is for child processes, which have no test to take a context from.
var tctx = context.Background()
