//go:build linux && (amd64 || arm64)

package instr

import (
	"context"
	"slices"
	"time"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
)

// putWake is a put to a ring where a goroutine of the process sleeps in the
// kernel: the put has to wake it. The sleeper itself is held, like all others.
var putWake = world.Operation{
	Name: "put-wake", Stage: world.Find("put-on").Stage, Audit: world.Find("put-on").Audit,
	Attach: func(segment string) func(func(string)) {
		w := &world.World{}
		s := must(shm.Attach(segment, w, nil))
		must(w.Done.Take(staged(w, 6)))
		go func() { _, _ = w.Done.Get(context.Background()) }()
		for s.Processes()[s.Slot()].Waiting != "done" {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Millisecond) // from saying so to the sleep
		c := must(w.Todo.Take(staged(w, 1)))
		c.Record().Result.Sum = 1
		world.Check(c.SetBlob(&w.Data, &c.Record().Result.Text, []byte("result")))
		return func(ack func(string)) {
			ack("may 1 done")
			world.Check(w.Done.TryPut(c))
			ack("is 1 done")
		}
	},
}

func staged(w *world.World, number uint64) shm.Ref[world.Job] {
	for r := range w.Jobs.All() {
		var j world.Job
		if _, err := w.Jobs.Load(r, &j); err == nil && j.Number == number {
			return r
		}
	}
	panic("not staged")
}

func must[T any](v T, err error) T {
	world.Check(err)
	return v
}

// passes names what an operation has to come through, if not just anything of shm.
var passes = map[string]string{"put-wake": "futexWakeAll"}

// before is what was done before the first instruction, and is said only in the
// operation: a kill before it is said must not make it a surprise.
var before = map[string]string{"delete": "is 5 free"}

// left are the operations of world that are left out. Most do not come to their
// end while the other threads are stopped, since they sleep, wait for another
// goroutine, or leave work to one; create has no segment to start from; verify
// and tree-shed never run the same way twice, the latter because it reads the
// directory of all segments. proof/kill kills them at every access.
var left = []string{
	"create", "attach", "restart", "inspect", "verify", "leave", "leave-open", "remove-own", "remove", "remove-force",
	"reset", "reset-force", "blob-wait", "get-waiting", "get-woken", "lock-waiting", "tree-attach", "tree-leave",
	"tree-leave-open", "tree-claim-waiting", "tree-stacks", "tree-shed", "open", "open-new", "open-retired", "setting", "reset-chosen", "stop-segment",
	"ring-get-waiting", "put-waiting", "new-waiting", "acquire-waiting",
}

func operations() (list []world.Operation) {
	for _, op := range world.Operations() {
		if !slices.Contains(left, op.Name) {
			list = append(list, op)
		}
	}
	return append(list, putWake)
}

func find(name string) world.Operation {
	for _, op := range append(operations(), torn...) {
		if op.Name == name {
			return op
		}
	}
	panic("no operation " + name)
}
