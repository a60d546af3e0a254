//go:build linux && (amd64 || arm64)

package shm_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

const hostileJobs = 3

// hostileImage is a valid segment of a process that died in the middle of
// everything: records in all states, permits taken, keys in the index.
func hostileImage(t testing.TB) *image {
	t.Helper()
	name := shmtest.Name(t)
	f := &farm{jobs: hostileJobs}
	s := create(t, name, f, &shm.Options{Capacity: map[string]int{"processes": 4, "jobs": 8}})
	for i := range 3 {
		must(t, f.Todo.TryPut(newJob(t, f, "", uint64(i))))
	}
	c, err := f.Todo.TryGet()
	must(t, err)
	must(t, c.SetBlob(&f.Data, &c.Record().Result.Text, []byte("half")))
	c, err = f.Todo.TryGet()
	must(t, err)
	must(t, c.SetBlob(&f.Data, &c.Record().Result.Text, []byte(strings.Repeat("x", 100))))
	must(t, f.Done.TryPut(c))
	must(t, f.Picky.Put(newJob(t, f, "p", 5)))
	_, err = newJob(t, f, "", 6).Hold()
	must(t, err)
	newJob(t, f, "", 7)
	_, _, err = f.ByName.Insert(newNamed(t, f, "k", 4), &f.Queue)
	must(t, err)
	r, _, err := f.ByName.Insert(newNamed(t, f, "gone", 4), nil)
	must(t, err)
	_, err = f.Named.Retire(r)
	must(t, err)
	_, _, err = f.ByName.Insert(newNamed(t, f, "settled", 4), nil)
	must(t, err)
	_, err = f.Slots.TryAcquire()
	must(t, err)
	_, err = f.Lock.TryLock()
	must(t, err)
	f.Count.Add(0, 3)
	b, err := os.ReadFile(pathOf(name)) // alive by its word, dead by the lock
	must(t, err)
	_ = s.Close()
	return &image{t, b}
}

var typedErrors = []error{shm.ErrNotSegment, shm.ErrVersion, shm.ErrCorrupt, shm.ErrLayout, shm.ErrBoot, shm.ErrRetired,
	shm.ErrStopped, shm.ErrFull, shm.ErrEmpty, shm.ErrGone, shm.ErrStale, shm.ErrTooLarge, shm.ErrBusy, shm.ErrNotIndexed}

// exercise uses a segment of any content in every way and returns the first
// error that is not a typed one.
func exercise(name string) (err error) {
	typed := func(what string, e error) bool {
		for _, ok := range typedErrors {
			if e == nil || errors.Is(e, ok) {
				return e == nil
			}
		}
		if err == nil {
			err = fmt.Errorf("%s: %w", what, e)
		}
		return false
	}
	if m, e := shm.Inspect(name, nil); typed("inspect", e) {
		_, e := m.Verify()
		typed("verify", e)
		_, e = m.Stats()
		typed("stats", e)
		_, e = m.Processes()
		typed("processes", e)
		for _, o := range m.Objects() {
			for _, e := range m.Records(o.Name) {
				typed("records", e)
			}
			_, e = m.Counters(o.Name)
			typed("counters", e)
		}
		typed("close", m.Close())
	}
	f := &farm{jobs: hostileJobs}
	s, e := shm.Attach(name, f, nil)
	if !typed("attach", e) {
		return err
	}
	for range 2 {
		_, e = s.Sweep(context.Background())
		typed("sweep", e)
	}
	for range s.Verify() {
	}
	_ = s.Stats()
	for _, get := range []func() (shm.Claim[job], error){f.Todo.TryGet, f.Done.TryGet, f.Queue.TryGet, f.Jobs.TryNew, f.Named.TryNew,
		func() (shm.Claim[job], error) { return f.Picky.TryGet(nil) }, func() (shm.Claim[job], error) { return f.Urgent.TryGet(nil) }} {
		c, e := get()
		if !typed("get", e) {
			continue
		}
		_, e = f.Data.Append(nil, c.Record().Data)
		typed("blob", e)
		typed("set blob", c.SetBlob(&f.Data, &c.Record().Data, []byte("data")))
		if e := f.Todo.TryPut(c); !typed("put", e) {
			typed("free", c.Free())
		}
	}
	var j job
	for r := range f.Jobs.All() {
		if _, e := f.Jobs.Load(r, &j); typed("load", e) {
			_, e = f.Data.Append(nil, j.Data)
			typed("append", e)
		}
	}
	for _, k := range []string{"k", "gone", "settled", "new"} {
		_, _, e := f.ByName.Lookup(key(k))
		typed("lookup", e)
		if c, e := f.Named.TryNew(); typed("new", e) {
			c.Record().Key = key(k)
			_, _, e = f.ByName.Insert(c, &f.Queue)
			typed("insert", e)
		}
	}
	for r := range f.Named.All() {
		if c, e := f.Named.Retire(r); typed("retire", e) {
			typed("free retired", c.Free())
		}
	}
	p, e := f.Slots.TryAcquire()
	if typed("acquire", e) {
		typed("release", p.Release())
	}
	typed("close", s.Close())
	return err
}

// mutate changes a few words, or bytes of the description with its hash.
func (m *image) mutate(rng *rand.Rand) {
	words := len(m.b) / 8
	objects := int(m.word(wordTextAt)+m.word(wordTextLen)) / 8
	if rng.IntN(5) == 0 {
		b := []byte(string(m.text()))
		for range 1 + rng.IntN(3) {
			i := rng.IntN(len(b))
			for range 200 { // a digit, or the end of a name, says most
				if b[i] >= '0' && b[i] <= '9' {
					break
				}
				i = rng.IntN(len(b))
			}
			b[i] = "0123456789-,e{}[]\"xk"[rng.IntN(20)]
		}
		m.describe(string(b))
	}
	for range 1 + rng.IntN(30) {
		var i int
		switch rng.IntN(8) {
		case 0: // header page and registry
			i = 32 + rng.IntN(512+4*32-32)
		case 1:
			i = rng.IntN(words)
		default:
			i = objects + rng.IntN(words-objects)
			for range 50 { // words in use, mostly
				if m.word(i) != 0 {
					break
				}
				i = objects + rng.IntN(words-objects)
			}
		}
		switch v := m.word(i); rng.IntN(6) {
		case 0:
			m.set(i, v^1<<rng.IntN(64))
		case 1:
			m.set(i, rng.Uint64())
		case 2:
			m.set(i, rng.Uint64N(100))
		case 3:
			m.set(i, ^uint64(0))
		case 4:
			m.set(i, m.word(rng.IntN(words)))
		case 5: // a header or an entry with one part of it changed
			shift := []int{0, 16, 24, 34, 42, 44, 53, 54, 60}[rng.IntN(9)]
			m.set(i, v&^(63<<shift)|rng.Uint64N(64)<<shift)
		}
	}
}

func init() {
	// hostile BASE NAME FROM TO: try the mutations of these seeds on copies.
	shmtest.Register("hostile", func(args []string) {
		base, err := os.ReadFile(args[0])
		check1(err)
		from, _ := strconv.Atoi(args[2])
		to, _ := strconv.Atoi(args[3])
		seeds := make(chan int)
		var wg sync.WaitGroup
		for w := range 24 { // most of the time is verify's, which sleeps
			wg.Go(func() {
				name := fmt.Sprint(args[1], ".", w)
				for seed := range seeds {
					fmt.Println("try", seed)
					m := &image{nil, append([]byte(nil), base...)}
					m.mutate(rand.New(rand.NewPCG(uint64(seed), 1)))
					check1(os.WriteFile(pathOf(name), m.b, 0o600))
					func() {
						defer func() {
							if p := recover(); p != nil {
								buf := make([]byte, 8<<10)
								buf = buf[:runtime.Stack(buf, false)]
								fmt.Fprintf(os.Stderr, "seed %d: %v\n%s\n", seed, p, buf)
								fmt.Printf("bad %d panic: %v\n", seed, p)
							}
						}()
						if err := exercise(name); err != nil {
							fmt.Printf("bad %d %v\n", seed, err)
						}
					}()
					fmt.Println("did", seed)
					check1(os.Remove(pathOf(name)))
				}
			})
		}
		for seed := from; seed < to; seed++ {
			seeds <- seed
		}
		close(seeds)
		wg.Wait()
		fmt.Println("fine")
	})
}

// No content of a segment crashes or hangs anybody. A failure names its seed;
// SHM_SEED=n tries that one alone.
func TestHostile(t *testing.T) {
	from, to := 0, 2500
	if testing.Short() || raceEnabled {
		to = 500
	}
	if v := os.Getenv("SHM_SEED"); v != "" {
		from, _ = strconv.Atoi(v)
		to = from + 1
	}
	base := t.TempDir() + "/base"
	must(t, os.WriteFile(base, hostileImage(t).b, 0o600))
	name := shmtest.Name(t)
	t.Cleanup(func() {
		for w := range 24 {
			_ = os.Remove(pathOf(fmt.Sprint(name, ".", w)))
		}
	})
	p := shmtest.Child(t, "hostile", base, name, fmt.Sprint(from), fmt.Sprint(to))
	open := map[string]bool{}
	done := 0
	defer func() {
		if done != to-from {
			t.Errorf("%d of %d seeds done; open at the end: %v", done, to-from, open)
		}
	}()
	for {
		line, ok := p.Line() // a minute of silence fails the test: a hang
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case !ok:
			t.Fatalf("the child died: %v", p.Wait())
		case line == "fine":
			return
		case word == "try":
			open[rest] = true
		case word == "did":
			delete(open, rest)
			done++
		default:
			t.Errorf("seed %s", rest)
		}
	}
}

// FuzzImage: edits are groups of 12 bytes, a word's number and its new value;
// text, if any, replaces the description, with the right hash.
func FuzzImage(f *testing.F) {
	base := hostileImage(f)
	f.Add([]byte{}, "")
	f.Add([]byte{64, 2, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0}, "")
	f.Add([]byte{}, string(base.text()))
	f.Add([]byte{}, `[{"name":"x","kind":"cell","offset":0,"bytes":8}]`)
	f.Fuzz(func(t *testing.T, edits []byte, text string) {
		m := &image{t, append([]byte(nil), base.b...)}
		if text != "" && len(text) <= len(base.text()) {
			m.describe(text)
		}
		for ; len(edits) >= 12; edits = edits[12:] {
			m.set(int(binary.LittleEndian.Uint32(edits)%uint32(len(m.b)/8)), binary.LittleEndian.Uint64(edits[4:]))
		}
		name := brokenName(t)
		must(t, os.WriteFile(pathOf(name), m.b, 0o600))
		if err := exercise(name); err != nil {
			t.Error(err)
		}
	})
}
