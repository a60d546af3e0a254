//go:build linux && (amd64 || arm64)

package shm_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// The storm: processes do random work on all objects while the parent kills them
// at random. Each writes a line before an operation that moves an item over the
// border of the system, and a line after it:
//
//	try KIND ID    ok KIND ID    no KIND ID
//
// So of each incarnation at most its last operation is unknown: tried, and
// neither done nor refused. Kinds: put (a job comes into being), free (it goes),
// launch and retire (the same for a named one).

const stormJobs = 200

type stormer struct {
	f   *farm
	s   *shm.Segment
	rng *rand.Rand
	id  uint64 // of the next item; the incarnation is in its upper half
}

// stop ends a child that has found something impossible; the parent reports it.
func bad(format string, args ...any) { fmt.Printf("bad "+format+"\n", args...) }

func say(word, kind string, id uint64) { fmt.Println(word, kind, id) }

func (w *stormer) none(err error, also ...error) bool {
	for _, e := range append(also, shm.ErrEmpty, shm.ErrFull, shm.ErrStopped) {
		if errors.Is(err, e) {
			return true
		}
	}
	if err != nil {
		bad("%v", err)
	}
	return err != nil
}

func (w *stormer) item() uint64 { w.id++; return w.id }

func blobOf(id uint64) []byte { return []byte(strings.Repeat(fmt.Sprint(id, ";"), 1+int(id%11))) }

func (w *stormer) put() {
	c, err := w.f.Jobs.TryNew()
	if w.none(err) {
		return
	}
	id := w.item()
	c.Record().Number = id
	if w.none(c.SetBlob(&w.f.Data, &c.Record().Data, blobOf(id))) {
		_ = c.Free()
		return
	}
	say("try", "put", id)
	if id%2 == 0 {
		err = w.f.Todo.TryPut(c)
	} else {
		err = w.f.Picky.Put(c)
	}
	if w.none(err) {
		_ = c.Free()
		say("no", "put", id)
		return
	}
	w.f.Count.Add(0, 1)
	say("ok", "put", id)
}

func (w *stormer) checkJob(c shm.Claim[job], where string) {
	r := c.Record()
	got, err := w.f.Data.Append(nil, r.Data)
	if r.Number == 0 || err != nil || string(got) != string(blobOf(r.Number)) {
		bad("job %d in %s: %q, %v", r.Number, where, got, err)
	}
	if where == "done" {
		text, err := w.f.Data.Append(nil, r.Result.Text)
		if r.Result.Sum != r.Number*3 || err != nil || string(text) != fmt.Sprint("sum ", r.Result.Sum) {
			bad("result of job %d: %d %q, %v", r.Number, r.Result.Sum, text, err)
		}
	} else if r.Result != (jobResult{}) {
		bad("job %d in %s has a result", r.Number, where)
	}
}

// work brings a job from todo, picky or urgent on to done, or back, or drops it.
func (w *stormer) work() {
	odd := func(_ shm.Ref[job], j *job) bool { return j.Number%4 == uint64(w.rng.IntN(4)) }
	var c shm.Claim[job]
	var err error
	switch w.rng.IntN(4) {
	case 0:
		c, err = w.f.Picky.TryGet(odd)
	case 1:
		c, err = w.f.Urgent.TryGet(nil)
	default:
		c, err = w.f.Todo.TryGet()
	}
	if w.none(err) {
		return
	}
	w.checkJob(c, "todo")
	n := c.Record().Number
	switch w.rng.IntN(8) {
	case 0:
		w.none(c.Release())
		return
	case 1:
		w.none(w.f.Picky.Put(c))
		return
	}
	c.Record().Result.Sum = n * 3
	if w.none(c.SetBlob(&w.f.Data, &c.Record().Result.Text, []byte(fmt.Sprint("sum ", n*3)))) {
		_ = c.Release()
		return
	}
	if err := w.f.Done.TryPut(c); w.none(err) {
		_ = c.Release()
	}
}

func (w *stormer) finish() {
	c, err := w.f.Done.TryGet()
	if w.none(err) {
		return
	}
	w.checkJob(c, "done")
	id := c.Record().Number
	say("try", "free", id)
	if w.none(c.Free()) {
		say("no", "free", id)
		return
	}
	say("ok", "free", id)
}

func (w *stormer) promote() {
	for r, st := range w.f.Jobs.All() {
		if st.Queue() == "picky" && st.State() == shm.Posted && w.rng.IntN(3) == 0 {
			w.none(w.f.Picky.Move(r, &w.f.Urgent), shm.ErrStale, shm.ErrGone)
			return
		}
	}
}

func (w *stormer) launch() {
	c, err := w.f.Named.TryNew()
	if w.none(err) {
		return
	}
	name, id := key(fmt.Sprint("name ", w.rng.IntN(40))), w.item()
	c.Record().Key, c.Record().Number = name, id
	if w.none(c.SetBlob(&w.f.Data, &c.Record().Data, blobOf(id))) {
		_ = c.Free()
		return
	}
	say("try", "launch", id)
	_, inserted, err := w.f.ByName.Insert(c, &w.f.Queue)
	if w.none(err) || !inserted {
		say("no", "launch", id)
		return
	}
	say("ok", "launch", id)
}

func (w *stormer) settle() {
	c, err := w.f.Queue.TryGet()
	if w.none(err) {
		return
	}
	w.checkJob(c, "queue")
	if r, ok, err := w.f.ByName.Lookup(c.Record().Key); err != nil || !ok || r != c.Ref() {
		bad("job %d is claimed, and its key leads to %v, %v", c.Record().Number, r, err)
	}
	w.none(c.Settle())
}

func (w *stormer) retire() {
	for r, st := range w.f.Named.All() {
		var j job
		if st.State() != shm.Settled || w.rng.IntN(3) == 0 {
			continue
		}
		if _, err := w.f.Named.Load(r, &j); err != nil {
			continue
		}
		say("try", "retire", j.Number)
		c, err := w.f.Named.Retire(r)
		if w.none(err, shm.ErrStale, shm.ErrGone) || w.none(c.Free()) {
			say("no", "retire", j.Number)
			return
		}
		say("ok", "retire", j.Number)
		return
	}
}

// lock checks mutual exclusion: the cell is ours while we have the mutex.
func (w *stormer) lock() {
	p, err := w.f.Slots.TryAcquire()
	if !w.none(err) {
		defer func() { w.none(p.Release()) }()
	}
	m, err := w.f.Lock.TryLock()
	if w.none(err) {
		return
	}
	me := w.id | 1
	if !w.f.Root.CompareAndSwap(0, me) {
		v := w.f.Root.Load()
		if !m.Recovered() || !w.f.Root.CompareAndSwap(v, me) {
			bad("two have the mutex: %d and %d, recovered %v", v, me, m.Recovered())
		}
	}
	if !w.f.Root.CompareAndSwap(me, 0) {
		bad("another has changed what the mutex guards: %d", w.f.Root.Load())
	}
	w.none(m.Release())
}

func (w *stormer) run(stopped func() bool) {
	ops := []func(){w.put, w.put, w.work, w.work, w.finish, w.promote, w.launch, w.settle, w.retire, w.lock}
	for !stopped() {
		ops[w.rng.IntN(len(ops))]()
	}
}

func init() {
	// storm NAME INCARNATION
	shmtest.Register("storm", func(args []string) {
		n, err := strconv.ParseUint(args[1], 10, 32)
		check1(err)
		w := &stormer{f: &farm{jobs: stormJobs}, rng: rand.New(rand.NewPCG(n, 2)), id: n << 32}
		w.s, err = shm.Attach(args[0], w.f, nil)
		check1(err)
		var stop atomic.Bool
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		go func() { <-term; stop.Store(true) }()
		w.run(stop.Load)
		check1(w.s.Close())
		fmt.Println("bye")
	})
}

// ledger is what the lines of all incarnations add up to.
type ledger struct {
	mu          sync.Mutex
	sure, maybe map[string]map[uint64]int
	bad         []string
	kills       int
}

func newLedger() *ledger {
	l := &ledger{sure: map[string]map[uint64]int{}, maybe: map[string]map[uint64]int{}}
	for _, kind := range []string{"put", "free", "launch", "retire"} {
		l.sure[kind], l.maybe[kind] = map[uint64]int{}, map[uint64]int{}
	}
	return l
}

// read takes in the lines of one incarnation to its end.
func (l *ledger) read(out io.Reader) (bye bool) {
	openKind, openID := "", uint64(0)
	for in := bufio.NewScanner(out); ; {
		ok := in.Scan()
		line := in.Text()
		l.mu.Lock()
		word, rest, _ := strings.Cut(line, " ")
		kind, number, _ := strings.Cut(rest, " ")
		id, _ := strconv.ParseUint(number, 10, 64)
		switch {
		case !ok:
			if openKind != "" {
				l.maybe[openKind][openID]++
			}
			l.mu.Unlock()
			return bye
		case word == "try":
			openKind, openID = kind, id
		case word == "ok":
			l.sure[kind][id]++
			openKind = ""
		case word == "no":
			openKind = ""
		case word == "bye":
			bye = true
		default:
			l.bad = append(l.bad, line)
		}
		l.mu.Unlock()
	}
}

func (l *ledger) killed() { l.mu.Lock(); l.kills++; l.mu.Unlock() }

// balance compares what came, what went and what is left of one kind of items.
func (l *ledger) balance(t *testing.T, came, went string, left map[uint64]int) {
	t.Helper()
	for id := range l.sure[came] {
		n := l.sure[went][id] + left[id]
		if n > 1 || n == 0 && l.maybe[went][id] == 0 {
			t.Errorf("item %#x: %s, then %d times %s (%d unknown), and %d times still there", id, came, l.sure[went][id], went, l.maybe[went][id], left[id])
		}
	}
	for id := range l.maybe[came] {
		if n := l.sure[went][id] + left[id]; n > 1 {
			t.Errorf("item %#x: perhaps %s, then %d times", id, came, n)
		}
	}
	for _, m := range []map[uint64]int{l.sure[went], left} {
		for id := range m {
			if l.sure[came][id]+l.maybe[came][id] == 0 {
				t.Errorf("item %#x: never %s", id, came)
			}
		}
	}
}

func stormTime(t *testing.T) time.Duration {
	t.Helper()
	d := 4 * time.Second
	if v := os.Getenv("SHM_STORM"); v != "" {
		var err error
		d, err = time.ParseDuration(v)
		must(t, err)
	}
	return d
}
