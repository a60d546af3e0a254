//go:build linux && (amd64 || arm64)

package instr

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
)

// single are operations of one call on bare objects; what the call needs is
// prepared before the first instruction. They start where world's operations do:
// jobs 1 and 2 in todo, 3 in picky, "k" in the index and in queue.
var single = map[string]struct {
	spends  uint64 // the number of the job that it may end; 0: none
	prepare func(w *world.World, s *shm.Segment) (run func(ack func(string)))
}{
	"alloc": {0, func(w *world.World, s *shm.Segment) func(func(string)) {
		return func(func(string)) { must(w.Jobs.TryNew()) }
	}},
	"free": {1, func(w *world.World, s *shm.Segment) func(func(string)) {
		c := must(w.Todo.TryGet())
		world.Check(c.SetBlob(&w.Data, &c.Record().Result.Text, []byte("goes with it")))
		return func(ack func(string)) {
			world.Check(c.Free())
			ack("freed 1")
		}
	}},
	"put": {0, func(w *world.World, s *shm.Segment) func(func(string)) {
		c := must(w.Jobs.TryNew())
		c.Record().Number = 10
		return func(ack func(string)) {
			world.Check(w.Todo.TryPut(c))
			ack("posted 10")
		}
	}},
	// A goroutine of the process sleeps in the kernel: the put has to wake it.
	"put-wake": {0, func(w *world.World, s *shm.Segment) func(func(string)) {
		go func() { _, _ = w.Done.Get(context.Background()) }()
		for s.Processes()[s.Slot()].Waiting != "done" {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Millisecond) // from saying so to the sleep; less only saves the wake-up
		c := must(w.Todo.TryGet())
		return func(ack func(string)) {
			world.Check(w.Done.TryPut(c))
			ack("done 1")
		}
	}},
	"get": {0, func(w *world.World, s *shm.Segment) func(func(string)) {
		return func(func(string)) { must(w.Todo.TryGet()) }
	}},
	"release": {0, func(w *world.World, s *shm.Segment) func(func(string)) {
		c := must(w.Todo.TryGet())
		return func(func(string)) { world.Check(c.Release()) }
	}},
	"set-blob": {0, func(w *world.World, s *shm.Segment) func(func(string)) {
		c := must(w.Todo.TryGet())
		world.Check(c.SetBlob(&w.Data, &c.Record().Result.Text, []byte("result")))
		return func(func(string)) {
			world.Check(c.SetBlob(&w.Data, &c.Record().Result.Text, []byte("better")))
		}
	}},
	"bag-put": {0, func(w *world.World, s *shm.Segment) func(func(string)) {
		c := must(w.Picky.TryGet(nil))
		return func(func(string)) { world.Check(w.Urgent.Put(c)) }
	}},
	"bag-get": {0, func(w *world.World, s *shm.Segment) func(func(string)) {
		return func(func(string)) { must(w.Picky.TryGet(nil)) }
	}},
	"bag-move": {0, func(w *world.World, s *shm.Segment) func(func(string)) {
		c := must(w.Picky.TryGet(nil))
		r := c.Ref()
		world.Check(w.Picky.Put(c))
		return func(func(string)) { world.Check(w.Picky.Move(r, &w.Urgent)) }
	}},
	"insert": {0, func(w *world.World, s *shm.Segment) func(func(string)) {
		c := must(w.Named.TryNew())
		c.Record().Key, c.Record().Number = world.KeyOf("new"), 11
		return func(ack func(string)) {
			_, ok, err := w.ByName.Insert(c, &w.Queue)
			world.Check(err)
			if ok {
				ack("launched")
			}
		}
	}},
	"delete": {4, func(w *world.World, s *shm.Segment) func(func(string)) {
		c := must(w.Queue.TryGet())
		r := c.Ref()
		world.Check(c.Settle())
		return func(ack func(string)) {
			world.Check(must(w.Named.Retire(r)).Free())
			ack("retired")
		}
	}},
	"acquire": {0, func(w *world.World, s *shm.Segment) func(func(string)) {
		return func(func(string)) { must(w.Slots.TryAcquire()) }
	}},
	"release-permit": {0, func(w *world.World, s *shm.Segment) func(func(string)) {
		p := must(w.Slots.TryAcquire())
		return func(func(string)) { world.Check(p.Release()) }
	}},
	"lock": {0, func(w *world.World, s *shm.Segment) func(func(string)) {
		return func(func(string)) { must(w.Lock.TryLock()) }
	}},
	"unlock": {0, func(w *world.World, s *shm.Segment) func(func(string)) {
		p := must(w.Lock.TryLock())
		return func(func(string)) { world.Check(p.Release()) }
	}},
}

func must[T any](v T, err error) T {
	world.Check(err)
	return v
}

// whole are operations of the tree that world has only as a part of others.
var whole = map[string]func(m *objects.SharedMemory) (run func()){
	"tree-link": func(m *objects.SharedMemory) func() {
		c := must(m.Users.Claim(context.Background(), nil, objects.Step1))
		accounts, now := make([]objects.Account, 6), time.Now()
		return func() { world.Check(c.LinkFound(context.Background(), accounts, []string{"image"}, now)) }
	},
	"tree-fail": func(m *objects.SharedMemory) func() {
		c := must(m.Users.Claim(context.Background(), nil, objects.Step1))
		return func() { world.Check(c.Fail(context.Background(), objects.ProcessingError)) }
	},
}

// passes names what an operation has to come through, if not just anything of shm.
var passes = map[string]string{"put-wake": "futexWakeAll"}

// left are operations of world that have no two equal runs: close waits for
// goroutines, whose threads are stopped here; link-and-fail reads the directory of
// all segments. They are killed at every access in proof/kill.
var left = []string{"close", "tree-link-and-fail"}

func operations() (list []world.Operation) {
	bare := world.Find("put")
	for _, name := range slices.Sorted(maps.Keys(single)) {
		op := single[name]
		list = append(list, world.Operation{
			Name: name, Stage: bare.Stage,
			Attach: func(segment string) func(func(string)) {
				w := &world.World{}
				return op.prepare(w, must(shm.Attach(segment, w, nil)))
			},
			Audit: func(t testing.TB, segment string, acks map[string]bool) {
				placed(t, segment, op.spends)
				bare.Audit(t, segment, acks)
			},
		})
	}
	tree := world.Find("tree-launch")
	for _, name := range slices.Sorted(maps.Keys(whole)) {
		list = append(list, world.Operation{
			Name: name, Stage: tree.Stage, Audit: tree.Audit,
			Attach: func(segment string) func(func(string)) {
				run := whole[name](must(objects.Open(segment, &objects.Options{Attach: true})))
				return func(func(string)) { run() }
			},
		})
	}
	for _, op := range world.Operations() {
		if !slices.Contains(left, op.Name) {
			op.Name = "world-" + op.Name
			list = append(list, op)
		}
	}
	return list
}

func find(name string) world.Operation {
	for _, op := range append(operations(), torn...) {
		if op.Name == name {
			return op
		}
	}
	panic("no operation " + name)
}

// placed demands, once the dead are swept, that everything of the start that the
// operation does not end is in its queue, and that nothing is there twice. A
// record that lies in the index and in no queue would be a launch that was lost.
func placed(t testing.TB, segment string, spent uint64) {
	w := &world.World{}
	s, err := shm.Attach(segment, w, nil)
	world.Must(t, err)
	defer s.Close()
	_, err = s.Sweep(t.Context())
	world.Must(t, err)
	seen := map[uint64]int{}
	for _, a := range []*shm.Arena[world.Job]{&w.Jobs, &w.Named} {
		for r, st := range a.All() {
			var j world.Job
			if _, err := a.Load(r, &j); err != nil {
				t.Errorf("record %v is %v: %v", r, st.State(), err)
				continue
			}
			if st.State() != shm.Posted && (j.Number != spent || st.State() != shm.Settled) {
				t.Errorf("job %d is %v", j.Number, st.State())
			}
			seen[j.Number]++
		}
	}
	for n := uint64(1); n <= 4; n++ {
		if seen[n] != 1 && (n != spent || seen[n] > 1) {
			t.Errorf("job %d is there %d times", n, seen[n])
		}
	}
}
