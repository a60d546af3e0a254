//go:build linux && (amd64 || arm64)

package hostile

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// A process damages the segment while others work on it: flips words, punches
// holes, and, where only what is guarded runs, truncates and restores the file.
// Nobody crashes or hangs, and errors are typed. The segment may be ruined by
// that; a new one takes its place.

// punchHole gives a part of the file back to the system: it reads as zeroes.
const punchHole = 2 | 1 // FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE

// mutate damages the segment until told to stop. Its own file, never mapped
// here: a truncation is to hurt the others only.
func mutate(name string, seed uint64, truncate bool, stop <-chan struct{}) (done map[string]int) {
	whole, err := os.ReadFile(pathOf(name))
	world.Check(err)
	m := newImage(whole)
	rng := rand.New(rand.NewPCG(seed, 3))
	f, err := os.OpenFile(pathOf(name), os.O_RDWR, 0)
	world.Check(err)
	defer f.Close()
	done = map[string]int{}
	for {
		select {
		case <-stop:
			return done
		case <-time.After(time.Duration(rng.IntN(300)) * time.Microsecond):
		}
		switch n := rng.IntN(100); {
		case n < 2:
			at := (1 + rng.IntN(len(whole)/4096-1)) * 4096 // the header page stays, or nobody gets further
			world.Check(syscall.Fallocate(int(f.Fd()), punchHole, int64(at), 4096*int64(1+rng.IntN(3))))
			done["holes"]++
		case n < 4 && truncate:
			world.Check(f.Truncate(int64(rng.IntN(len(whole)))))
			time.Sleep(time.Duration(rng.IntN(2000)) * time.Microsecond)
			done["truncations"]++
			fallthrough
		case n < 8: // whole again, or soon nobody gets past the first check
			_, err := f.WriteAt(whole, 0)
			world.Check(err)
			done["restored"]++
		default:
			// What is now, not what was: the words change under us.
			now, err := os.ReadFile(pathOf(name))
			if err != nil || len(now) != len(whole) {
				continue
			}
			live := *m
			live.b = now
			for e := live.randomEdits(rng); len(e) >= editSize; e = e[editSize:] {
				k, at := m.aim(e)
				rare := areaKinds[k] == "description" || at < pageWords && at != stateWord
				if !rare || at >= textAt && rng.IntN(50) == 0 {
					_, err := f.WriteAt(e[4:12], int64(at)*8)
					world.Check(err)
					done["words"]++
				}
			}
		}
	}
}

// untilTold is open until a line comes from the test.
func untilTold() context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		bufio.NewScanner(os.Stdin).Scan()
		cancel()
	}()
	return ctx
}

// rounds repeats f, each within its budget of time and of memory for a file of that
// size, until told, and says how often.
func rounds(what, name string, f func(ctx context.Context, c *checker)) {
	size := sizeOf(name)
	told := untilTold()
	fmt.Println("ready")
	var c checker
	n := 0
	for ; told.Err() == nil && c.bad == nil; n++ {
		c.hole = digHole(size)
		world.Check(bounded(what, size, func() { f(told, &c) }))
		c.hole.fill()
	}
	if c.bad != nil {
		fmt.Println("bad", c.bad)
	}
	b, _ := json.Marshal(c.seen)
	fmt.Printf("end %d rounds, %d of %d mappings between guard pages %s\n", n, c.guarded, c.opened, b)
}

func init() {
	shmtest.Register("mutator", func(args []string) {
		told := untilTold()
		fmt.Println("ready")
		b, _ := json.Marshal(mutate(args[0], 1, args[1] == "truncate", told.Done()))
		fmt.Printf("end %s\n", b)
	})
	// Tools and what else is guarded: also while the file is cut off.
	shmtest.Register("tool", func(args []string) {
		rounds("tool", args[0], func(_ context.Context, c *checker) {
			c.dump(args[0])
			c.verify(args[0])
			_, err := shm.List(nil)
			c.ok("list", err)
		})
	})
	shmtest.Register("guarded", func(args []string) {
		rounds("guarded", args[0], func(told context.Context, c *checker) {
			w := &world.World{}
			s, err := shm.Attach(args[0], w, nil)
			if !c.ok("attach", err) {
				return
			}
			c.open(args[0])
			for range 5 {
				_, err = s.Sweep(told)
				c.ok("sweep", err)
				_, _, _ = s.Stats(), s.Claims(), s.Processes()
				for range s.Verify() {
					break
				}
				ctx, cancel := context.WithTimeout(told, 2*time.Millisecond)
				c.ok("wait", w.Change.Wait(ctx, func() (bool, error) { return false, nil }))
				cancel()
				c.ok("err", s.Err())
			}
			c.ok("close", s.Close())
		})
	})
	// Workers use the fast paths; a truncation may end them by SIGBUS.
	shmtest.Register("worker", func(args []string) {
		rounds("worker", args[0], func(told context.Context, c *checker) {
			w := &world.World{}
			s, err := shm.Attach(args[0], w, nil)
			if !c.ok("attach", err) {
				return
			}
			c.open(args[0])
			for range 20 {
				c.useWorld(w)
				for _, get := range []func(context.Context) (shm.Claim[world.Job], error){w.Todo.Get, w.Done.Get, w.Jobs.New, w.Queue.Get,
					func(ctx context.Context) (shm.Claim[world.Job], error) { return w.Picky.Get(ctx, nil) }} {
					c.ok("blocking get", brief(func(ctx context.Context) error {
						j, err := get(ctx)
						if err != nil {
							return err
						}
						return errors.Join(j.WaitBlob(ctx, &w.Data, &j.Record().Result.Text, []byte("text")), j.Free())
					}))
				}
				c.ok("lock", brief(func(ctx context.Context) error {
					p, err := w.Lock.Lock(ctx)
					if err != nil {
						return err
					}
					return p.Release()
				}))
			}
			c.ok("close", s.Close())
		})
	})
	// A worker that is misled into an allocation for each object of a large number.
	shmtest.Register("misled", func(args []string) {
		rounds("misled", args[0], func(context.Context, *checker) { sink = make([]byte, 2*freeBytes+timesBytes*sizeOf(args[0])) })
	})
	shmtest.Register("tree-worker", func(args []string) {
		rounds("tree worker", args[0], func(_ context.Context, c *checker) {
			m, err := objects.Open(args[0], &objects.Options{Attach: true})
			if !c.ok("attach", err) {
				return
			}
			c.open(args[0])
			for range 10 {
				c.useTree(m)
			}
			c.swept(m.Segment())
			c.ok("close", m.Close())
		})
	})
}

// report reads a child's lines to its end.
func report(t *testing.T, who string, p *shmtest.Process) {
	t.Helper()
	ended := false
	for line, ok := p.Line(); ok; line, ok = p.Line() {
		word, rest, _ := strings.Cut(line, " ")
		if word == "end" {
			ended = true
			t.Logf("%s: %s", who, rest)
			if strings.HasPrefix(rest, "0 ") {
				t.Errorf("%s did nothing", who)
			}
		} else {
			t.Errorf("%s: %s", who, rest)
		}
	}
	if err := p.Wait(); err != nil || !ended {
		t.Errorf("%s died: %v", who, err)
	}
}

// sizeOf is the size of a segment's file.
func sizeOf(name string) int {
	st, err := os.Stat(pathOf(name))
	world.Check(err)
	return int(st.Size())
}

// A round that allocates more than its budget ends the run.
func TestLive_Memory(t *testing.T) {
	p := shmtest.Child(t, "misled", world.Find("put").Stage(t, 8))
	p.Want("ready")
	for _, ok := p.Line(); ok; _, ok = p.Line() { // to its end, which nobody asks for
	}
	if err := p.Wait(); err == nil {
		t.Error("not noticed")
	}
}

func TestLive(t *testing.T) {
	for what, c := range map[string]struct {
		base, mutator string
		children      []string
	}{
		"tools":   {"world", "truncate", []string{"tool", "tool", "guarded", "guarded"}},
		"workers": {"world", "", []string{"worker", "worker", "worker", "tool"}},
		"tree":    {"tree", "", []string{"tree-worker", "tree-worker", "tool"}},
	} {
		t.Run(what, func(t *testing.T) {
			long := 4 * time.Second
			if full {
				long = 2 * time.Minute
			}
			which := "put"
			if c.base == "tree" {
				which = "tree-launch"
			}
			name := world.Find(which).Stage(t, 8)
			t.Cleanup(func() { _ = os.Remove(pathOf(name)) })
			mess := shmtest.Child(t, "mess", c.base, name)
			mess.Want("done")
			mess.Kill()
			var ps []*shmtest.Process
			for _, child := range c.children {
				p := shmtest.Child(t, child, name)
				p.Want("ready")
				ps = append(ps, p)
			}
			mutator := shmtest.Child(t, "mutator", name, c.mutator)
			mutator.Want("ready")
			time.Sleep(long)
			for k, p := range ps {
				p.Say("stop")
				report(t, c.children[k], p)
			}
			mutator.Say("stop")
			report(t, "mutator", mutator)
			recreate(t, c.base, name)
		})
	}
}

// recreate brings back a sound segment whatever is in the file: a reset when its
// description can be read, else a removal and a new one.
func recreate(t *testing.T, which, name string) {
	t.Helper()
	err := shm.Reset(name, nil, true)
	t.Logf("reset: %v", err)
	if err != nil {
		if !errors.Is(err, shm.ErrCorrupt) && !errors.Is(err, shm.ErrVersion) {
			t.Error(err)
		}
		world.Must(t, shm.Remove(name, nil, true))
		if which == "tree" {
			m, err := objects.Create(name, nil)
			world.Must(t, err)
			world.Must(t, m.Close())
		} else {
			s, err := shm.Create(name, &world.World{}, nil)
			world.Must(t, err)
			world.Must(t, s.Close())
		}
	}
	if which == "tree" {
		m, err := objects.Open(name, &objects.Options{Attach: true})
		world.Must(t, err)
		defer m.Remove()
		shmtest.Verify(t, m.Segment())
		_, created, err := m.Users.Launch(ctx, objects.Query{URL: "after"})
		if err != nil || !created {
			t.Error(created, err)
		}
		return
	}
	w := &world.World{}
	s, err := shm.Attach(name, w, nil)
	world.Must(t, err)
	defer s.Remove()
	shmtest.Verify(t, s)
	if n := world.Used(s, "jobs"); n != 0 {
		t.Errorf("%d jobs in a new segment", n)
	}
	j, err := w.Jobs.TryNew()
	world.Must(t, err)
	world.Must(t, w.Todo.TryPut(j))
	j, err = w.Todo.TryGet()
	world.Must(t, err)
	world.Must(t, j.Free())
}
