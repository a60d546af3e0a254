//go:build linux && (amd64 || arm64)

// Package linear records what several processes call and get, and has a checker
// look for an order of the calls in which each object answers as it should.
package linear

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func TestMain(m *testing.M) { shmtest.Main(m) }

const (
	clients = 4
	windows = 150 // of each object
	leave   = 0xff
)

// A subject is one kind of object.
type subject struct {
	name  string
	ops   int // of one process in one window, about
	parts uint64
	call  func(c *client)
	drain func(c *client) // the parent's: looks at what is left, and takes it out
	part  func(e entry) (uint64, bool)
	check func(part uint64, relaxed bool) porcupine.Model
}

var subjects = []subject{
	{"ring", 16, 1, (*client).ring, (*client).drainRing, func(entry) (uint64, bool) { return 0, true }, ringModel.porcupine},
	{"index", 16, keys, (*client).index, (*client).drainIndex, func(e entry) (uint64, bool) {
		if e.op == opRetire || e.op == opEnd {
			return e.in >> keyShift, true
		}
		return e.in, true
	}, indexModel.porcupine},
	{"semaphore", 16, 1, (*client).semaphore, (*client).drainSemaphore, func(entry) (uint64, bool) { return 0, true }, semaphoreModel.porcupine},
	{"users", 14, urls, (*client).users, (*client).drainUsers, func(e entry) (uint64, bool) {
		if e.op == opClaim {
			return e.out - 1, e.out != no
		}
		return e.in, true
	}, userModel.porcupine},
}

// windowWord is what tells the clients what to do next.
func windowWord(number, subject uint64) uint64 { return number<<8 | subject }

func init() {
	// client SEGMENT TREE TAPE NUMBER SEED
	shmtest.Register("client", func(args []string) {
		n, err := strconv.Atoi(args[3])
		world.Check(err)
		seed, err := strconv.ParseUint(args[4], 10, 64)
		world.Check(err)
		y := &yard{}
		s, err := shm.Attach(args[0], y, nil)
		world.Check(err)
		m, err := objects.Open(args[1], &objects.Options{Attach: true})
		world.Check(err)
		t := openTape(args[2])
		last := y.Window.Load()
		done := func() { y.Done[n].CompareAndSwap(y.Done[n].Load(), last) }
		for done(); ; done() {
			for spins := 0; y.Window.Load() == last; spins++ {
				if runtime.Gosched(); spins > 2000 {
					time.Sleep(100 * time.Microsecond)
				}
			}
			last = y.Window.Load()
			if last&0xff == leave {
				break
			}
			about := subjects[last&0xff]
			c := &client{recorder: t.recorder(n), y: y, m: m, rng: rand.New(rand.NewPCG(seed, last)),
				window: last >> 8, id: uint64(n) * 50}
			for c.n < about.ops && !c.full() {
				about.call(c)
			}
		}
		world.Check(s.Close())
		world.Check(m.Close())
	})
}

type tally struct{ histories, operations, open, relaxed int }

func TestLinearizable(t *testing.T) {
	seed := world.Setting(t, "PROOF_SEED", uint64(os.Getpid()))
	killEvery := int(world.Setting(t, "PROOF_KILLEVERY", 4)) // windows; 0: nobody is killed
	t.Logf("PROOF_SEED=%d repeats the choices, not the times", seed)
	for i, about := range subjects {
		t.Run(about.name, func(t *testing.T) {
			h := newHerd(t, seed)
			var sum tally
			for w := range windows {
				h.window(uint64(i), killEvery > 0 && w%killEvery == killEvery-1, &sum)
				if t.Failed() {
					t.Logf("in window %d of %d", w+1, windows)
					return
				}
			}
			t.Logf("%d histories, %d operations, %d open; %d explained only by answers that are not of one instant", sum.histories, sum.operations, sum.open, sum.relaxed)
			if stepping && killEvery > 0 && sum.open < windows/killEvery/4 || sum.operations < 10*windows {
				t.Error("too little was recorded")
			}
			if sum.relaxed > windows/10 {
				t.Error("who is refused is refused without cause: more than a machine's pauses explain")
			}
			h.end()
		})
	}
}

// A herd is the parent of the clients.
type herd struct {
	t        *testing.T
	y        *yard
	s        *shm.Segment
	m        *objects.SharedMemory
	tape     tape
	path     string
	seed     uint64
	started  uint64
	number   uint64
	children [clients]*shmtest.Process
	rng      *rand.Rand
}

func newHerd(t *testing.T, seed uint64) *herd {
	h := &herd{t: t, y: &yard{}, seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), path: filepath.Join(t.TempDir(), "tape")}
	h.s = shmtest.New(t, h.y, nil)
	m, err := objects.Create(shmtest.Name(t), &objects.Options{Capacity: map[string]int{"users": 256, "scans": 8, "legs": 8, "tweets": 8}})
	world.Must(t, err)
	t.Cleanup(func() { _ = m.Close() })
	h.m, h.tape = m, openTape(h.path)
	h.number = 1
	h.show(windowWord(h.number, leave-1)) // a window without work
	for i := range clients {
		h.start(i)
	}
	h.ready()
	return h
}

func (h *herd) start(i int) {
	h.started++
	h.children[i] = shmtest.Child(h.t, "client", h.s.Name(), h.m.Segment().Name(), h.path, fmt.Sprint(i), fmt.Sprint(h.seed+h.started))
}

// ready waits until all clients have done what the window says.
func (h *herd) ready() {
	want := h.y.Window.Load()
	for i := range h.y.Done {
		h.until(fmt.Sprintf("client %d finishes window %#x", i, want), func() bool { return h.y.Done[i].Load() == want })
	}
}

func (h *herd) until(what string, ok func() bool) {
	h.t.Helper()
	for limit := time.Now().Add(20 * time.Second); !ok(); time.Sleep(50 * time.Microsecond) {
		if time.Now().After(limit) {
			h.t.Fatal("never: ", what)
		}
	}
}

// show starts a window; the clients see it at once.
func (h *herd) show(word uint64) {
	if !h.y.Window.CompareAndSwap(h.y.Window.Load(), word) {
		h.t.Fatal("somebody else has started a window")
	}
}

func (h *herd) window(subject uint64, kill bool, sum *tally) {
	h.tape.clear()
	h.number++
	h.show(windowWord(h.number, subject))
	about := subjects[subject]
	victim, killed := -1, int64(0)
	if kill {
		victim = h.rng.IntN(clients)
		p := h.children[victim]
		calls := h.rng.IntN(about.ops)
		for from := now(); len(h.tape.entries(victim)) <= calls && now()-from < 20e6; {
			runtime.Gosched()
		}
		killed = now()
		p.Kill()
		h.y.Done[victim].CompareAndSwap(h.y.Done[victim].Load(), h.y.Window.Load())
	}
	h.ready()
	if kill {
		h.settle()
	}
	swept := now()
	c := &client{recorder: &recorder{part: make([]byte, 4*partSize)}, y: h.y, m: h.m, rng: h.rng, window: h.number}
	about.drain(c)
	h.judge(about, victim, killed, swept, c.entries(), sum)
	if kill {
		h.y.Done[victim].CompareAndSwap(h.y.Done[victim].Load(), 0)
		h.start(victim)
		h.ready()
	}
}

// settle waits until what a dead client had is back, all of it.
func (h *herd) settle() {
	for _, s := range []*shm.Segment{h.s, h.m.Segment()} {
		h.until("the sweep ends", func() bool {
			_, err := s.Sweep(h.t.Context())
			world.Must(h.t, err)
			for _, p := range s.Processes() {
				if p.State == "dead" {
					return false
				}
			}
			for _, c := range s.Claims() {
				if c.Object != "process-records" {
					return false
				}
			}
			return true
		})
	}
	h.until("every post is in its slot", func() bool {
		for range h.s.Verify() {
			return false
		}
		return true
	})
}

func (h *herd) end() {
	h.show(windowWord(h.number+1, leave))
	for i, p := range h.children {
		if err := p.Wait(); err != nil {
			h.t.Errorf("client %d: %v", i, err)
		}
	}
	shmtest.Verify(h.t, h.s)
	shmtest.Verify(h.t, h.m.Segment())
}
