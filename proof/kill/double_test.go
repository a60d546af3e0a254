//go:build crashpoint

package kill

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// mess SEGMENT: stand still in the middle of many operations, and die.
	shmtest.Register("mess", func(args []string) {
		w := &world.World{}
		_, err := shm.Attach(args[0], w, nil)
		world.Check(err)
		for _, x := range halfDone {
			there := make(chan bool)
			shm.AtPoint(x.point, func() {
				close(there)
				select {}
			})
			go x.do(w)
			<-there
		}
		say("end")
		dead()
	})
	// recover SEGMENT N: recover what the dead left, and die at the N-th access.
	shmtest.Register("recover", func(args []string) {
		crash(args[1], func() {
			s, err := shm.Attach(args[0], &world.World{}, nil)
			world.Check(err)
			_, err = s.Sweep(background)
			world.Check(err)
		})
	})
	// neighbour SEGMENT N: be there when another process dies, and die at the N-th
	// access from then on. A signal says that it is dead.
	shmtest.Register("neighbour", func(args []string) {
		s, err := shm.Attach(args[0], &world.World{}, nil)
		world.Check(err)
		calm()
		over := make(chan os.Signal, 1)
		signal.Notify(over, syscall.SIGUSR1)
		n, err := strconv.ParseInt(args[1], 10, 64)
		world.Check(err)
		os.Stderr = os.Stdout
		shm.CrashAfter(n)
		say("ready")
		<-over
		for dead := true; dead; time.Sleep(time.Millisecond) {
			dead = false
			for _, p := range s.Processes() {
				dead = dead || !p.Self
			}
		}
		shm.CrashAfter(0)
		say("end")
	})
}

// dead kills the process: no Close, no goodbye.
func dead() {
	p, _ := os.FindProcess(os.Getpid())
	_ = p.Kill()
	select {}
}

// halfDone are operations and where they stop, which together leave one of every
// state that a sweep finds.
var halfDone = []struct {
	point string
	do    func(w *world.World)
	ack   string // what is to become of it
}{
	{"ring.fill", func(w *world.World) { _ = w.Todo.TryPut(job(w, 20)) }, "is 20 todo"},
	{"bag.bit", func(w *world.World) { _ = w.Picky.Put(job(w, 21)) }, "is 21 picky"},
	{"index.fill", func(w *world.World) { _, _, _ = w.ByName.Insert(named(w, "a", 22), &w.Queue) }, "is 22 queue"},
	{"settle", func(w *world.World) { _, _, _ = w.ByName.Insert(named(w, "b", 23), nil) }, "is 23 settled"},
	{"index.insert", func(w *world.World) { _, _, _ = w.ByName.Insert(named(w, "c", 24), nil) }, ""},
	{"index.empty", func(w *world.World) {
		r, _, _ := w.ByName.Lookup(world.KeyOf("s"))
		c, err := w.Named.Retire(r)
		world.Check(err)
		_ = c.Free()
	}, "is 5 free"},
	{"blob.holder", func(w *world.World) { blobs(w, 1) }, ""},
	{"blob.settle", func(w *world.World) { blobs(w, 1) }, ""},
	{"blob.free", func(w *world.World) { blobs(w, 2) }, ""},
	// Named by a record that outlives its maker: the sweep settles it.
	{"blob.settle", func(w *world.World) {
		c, err := w.Done.TryGet()
		world.Check(err)
		_ = c.SetBlob(&w.Data, &c.Record().Data, []byte("new"))
	}, "is 6 done"},
	{"free.bit", func(w *world.World) {
		c, err := w.Todo.TryGet()
		world.Check(err)
		_ = c.Free()
	}, "is 1 free"},
	{"ring.head.move", func(w *world.World) { _, _ = w.Todo.TryGet() }, "is 2 todo"},
	{"bag.move", func(w *world.World) {
		c, err := w.Picky.TryGet(nil)
		world.Check(err)
		r := c.Ref()
		world.Check(w.Picky.Put(c))
		_ = w.Picky.Move(r, &w.Urgent)
	}, "is 3 picky"},
	{"free", func(w *world.World) { _ = job(w, 25).Free() }, ""},
	{"user.word", func(w *world.World) { // held by its process
		c, err := job(w, 26).Hold()
		world.Check(err)
		c.Record().Flags.Load()
	}, ""},
	{"user.word", func(w *world.World) { // in the index, and held
		c, _, _, err := w.ByName.InsertHeld(named(w, "held", 27))
		world.Check(err)
		c.Record().Flags.Load()
	}, ""},
	{"user.word", func(w *world.World) { // permits
		_, err := w.Slots.TryAcquire()
		world.Check(err)
		_, err = w.Lock.TryLock()
		world.Check(err)
		w.Root.Load()
	}, ""},
	{"ring.head.move", func(w *world.World) { _, _ = w.Queue.TryGet() }, "is 4 queue"},
}

func job(w *world.World, n uint64) shm.Claim[world.Job] {
	c, err := w.Jobs.TryNew()
	world.Check(err)
	c.Record().Number = n
	return c
}

func named(w *world.World, key string, n uint64) shm.Claim[world.Job] {
	c, err := w.Named.TryNew()
	world.Check(err)
	c.Record().Key, c.Record().Number = world.KeyOf(key), n
	return c
}

func blobs(w *world.World, n int) {
	c := job(w, 30)
	for range n {
		_ = c.SetBlob(&w.Data, &c.Record().Data, []byte("new"))
	}
}

// messy makes a stage with all of these. With one slot in the registry, the
// recoverer takes the dead one's, and puts back what that left before anything
// else.
func messy(t *testing.T, processes int) (s stage, acks map[string]bool) {
	t.Helper()
	segment := world.Stage(t, processes, map[string]int{"jobs": 24, "named": 24})
	p := shmtest.Child(t, "mess", segment)
	p.Want("end")
	_ = p.Wait()
	acks = map[string]bool{}
	for _, x := range halfDone {
		acks[x.ack] = true
	}
	return take(t, segment), acks
}

// The recoverer dies too, at each of its accesses: one that sweeps, one that
// takes the dead one's slot, and a neighbour that had been there before.
func testRecoverer(t *testing.T) {
	for _, processes := range []int{8, 1} {
		t.Run(fmt.Sprint("processes=", processes), func(t *testing.T) {
			t.Parallel()
			s, acks := messy(t, processes)
			each(t, func(t *testing.T, n int) bool {
				segment := s.fresh(t)
				d := watch(t, "recover", segment, fmt.Sprint(n))
				world.Find("put").Audit(t, segment, acks)
				return second(d)
			})
		})
	}
	t.Run("neighbour", func(t *testing.T) {
		t.Parallel()
		s := take(t, world.Stage(t, 8, map[string]int{"jobs": 24, "named": 24}))
		_, acks := messy(t, 8)
		each(t, func(t *testing.T, n int) bool {
			segment := s.fresh(t)
			p := shmtest.Child(t, "neighbour", segment, fmt.Sprint(n))
			p.Want("ready")
			first := shmtest.Child(t, "mess", segment)
			first.Want("end")
			_ = first.Wait()
			_ = p.Cmd.Process.Signal(syscall.SIGUSR1) // it may be dead too
			d := read(p)
			world.Find("put").Audit(t, segment, acks)
			return second(d)
		})
	})
}

// second counts the death of a recoverer.
func second(d death) (survived bool) {
	if !d.survived {
		ledger.double()
	}
	return d.survived
}

// each runs test for n = 1, 2, ... until a child survives, in as large strides as
// the run is to be short.
func each(t *testing.T, run func(t *testing.T, n int) (survived bool)) {
	t.Helper()
	for n := 1; ; n++ {
		survived := false
		if !t.Run(fmt.Sprint("at=", n), func(t *testing.T) { survived = run(t, n) }) {
			t.Fatal("stopped at the first failure")
		}
		if survived {
			t.Logf("%d kills", n-1)
			if n < 10 {
				t.Errorf("only %d accesses: not instrumented", n-1)
			}
			return
		}
	}
}

// Any operation dies at any of its accesses, and then the recoverer at any of its
// own: all pairs, or a sample.
func testPairs(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("PROOF_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		world.Must(t, err)
		seed = n
	}
	t.Logf("PROOF_SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var ops []world.Operation
	for _, op := range world.Operations() {
		if op.Survive != nil && !strings.HasPrefix(op.Name, "tree-") && op.Name != "stop" && !strings.HasPrefix(op.Name, "re") {
			ops = append(ops, op)
		}
	}
	pair := func(t *testing.T, op world.Operation, s stage, n, m int) (first, then death) {
		segment := s.fresh(t)
		first = watch(t, "operation", segment, op.Name, fmt.Sprint(n))
		then = watch(t, "recover", segment, fmt.Sprint(m))
		op.Audit(t, segment, first.acks)
		if second(then); t.Failed() {
			t.Logf("%s at access %d (%s), the recoverer at %d (%s)", op.Name, n, first.point, m, then.point)
		}
		return first, then
	}
	if !full {
		for range 300 {
			op := ops[rng.IntN(len(ops))]
			t.Run(op.Name, func(t *testing.T) {
				t.Parallel()
				s := newStage(t, op, 8)
				way, _ := trace(t, op, s)
				pair(t, op, s, 1+rng.IntN(len(way)), 1+rng.IntN(400))
			})
		}
		return
	}
	for _, op := range ops {
		t.Run(op.Name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, op, 8)
			for n := 1; !t.Failed(); n++ {
				first := death{}
				for m := 1; !t.Failed(); m++ {
					var then death
					if first, then = pair(t, op, s, n, m); then.survived {
						break
					}
				}
				if first.survived {
					return
				}
			}
		})
	}
}
