package bench

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
)

// transcript is what a memory answered to the script, ids by the order in which
// they were first seen.
type transcript struct {
	m     memory
	lines []string
	ids   []id
}

func (t *transcript) add(format string, args ...any) {
	t.lines = append(t.lines, fmt.Sprintf(format, args...))
}

func (t *transcript) number(x id) int {
	if !slices.Contains(t.ids, x) {
		t.ids = append(t.ids, x)
	}
	return slices.Index(t.ids, x)
}

func failed(err error) string {
	if err != nil {
		return " error"
	}
	return ""
}

func (t *transcript) launch(url string) id {
	x, created, err := t.m.Launch(url)
	t.add("launch %s: id %d created %v%s", url, t.number(x), created, failed(err))
	return x
}

func (t *transcript) lookup(url string) {
	x, ok, err := t.m.Lookup(url)
	if !ok {
		t.add("lookup %s: none%s", url, failed(err))
		return
	}
	t.add("lookup %s: id %d%s", url, t.number(x), failed(err))
}

func (t *transcript) status(x id) {
	var u objects.UserRequest
	err := t.m.Status(x, &u)
	t.add("status %d: %v %v %v %v %v %v%s", t.number(x), u.Status, u.Problem, u.Accounts, u.ImageURLs, u.FirstScan, u.Found, failed(err))
}

func (t *transcript) claim(s objects.Step) claim {
	c, err := t.m.Claim(s)
	t.add("claim %d: id %d %s%s", s, t.number(c.id), c.url, failed(err))
	return c
}

func (t *transcript) end(what string, end func(claim) error, c claim) {
	t.add("%s%s", what, failed(end(c)))
}

// script is run on two clients of one memory; wanted are its answers. It leaves
// nothing unfinished.
func script(a, b memory) []string {
	t := &transcript{m: a}
	one := t.launch("https://example.com/1")
	two := t.launch("https://example.com/2?a=b&c=%20")
	t.launch("https://example.com/1")
	t.m = b
	t.launch("https://example.com/2?a=b&c=%20")
	t.lookup("https://example.com/1")
	t.lookup("https://example.com/3")
	t.status(one)

	c := t.claim(objects.Step1)
	t.status(one)
	t.end("advance", t.m.Advance, c)
	t.m = a
	t.status(one)
	d := t.claim(objects.Step1)
	t.end("fail", t.m.Fail, d)
	t.end("fail again", t.m.Fail, d)
	t.status(two)
	t.lookup("https://example.com/2?a=b&c=%20")

	c = t.claim(objects.Step2)
	t.status(one)
	t.end("advance", t.m.Advance, c)
	t.status(one)
	c = t.claim(objects.Step3)
	t.status(one)
	t.end("advance", t.m.Advance, c)
	t.end("advance again", t.m.Advance, c)
	t.m = b
	t.status(one)
	t.launch("https://example.com/1")
	three := t.launch("https://example.com/3")
	t.end("fail", t.m.Fail, t.claim(objects.Step1))
	t.status(three)

	for v := range int64(3) {
		t.add("put%s", failed(a.Put(100+v)))
	}
	for _, m := range []memory{b, a, b} {
		v, err := m.Get()
		t.add("get: %d%s", v, failed(err))
	}
	t.waits(a, b)
	t.allows(a, b)
	return t.lines
}

// waits lets b ask for what is not there yet, and a give it.
func (t *transcript) waits(a, b memory) {
	got := make(chan string)
	go func() {
		v, err := b.Get()
		got <- fmt.Sprintf("waited for %d%s", v, failed(err))
	}()
	t.add("put%s", failed(a.Put(7)))
	t.lines = append(t.lines, <-got)

	go func() {
		c, err := b.Claim(objects.Step1)
		got <- fmt.Sprintf("waited for %s%s", c.url, failed(errors.Join(err, b.Fail(c))))
	}()
	_, _, err := a.Launch("https://example.com/4")
	t.add("launch%s", failed(err))
	t.lines = append(t.lines, <-got)

	t.excludes(a, b)
}

// excludes lets each acquire what the other one holds: it lets go when the other
// one has asked for it, and tells when they are inside together.
func (t *transcript) excludes(a, b memory) {
	const rounds = 20
	var inside, together atomic.Int64
	var waiting [2]atomic.Bool // asked and not released, or through with it
	got := make(chan error)
	run := func(m memory, me int) {
		var errs error
		for range rounds {
			waiting[me].Store(true)
			p, err := m.Acquire()
			if inside.Add(1) > 1 {
				together.Add(1)
			}
			for !waiting[1-me].Load() {
				runtime.Gosched()
			}
			for range 100 {
				runtime.Gosched()
			}
			inside.Add(-1)
			waiting[me].Store(false)
			errs = errors.Join(errs, err, m.Release(p))
		}
		waiting[me].Store(true)
		got <- errs
	}
	go run(a, 0)
	go run(b, 1)
	t.add("acquired%s, together %d", failed(errors.Join(<-got, <-got)), together.Load())
}

// allows is run again when a second has passed in it: then yes was right.
func (t *transcript) allows(a, b memory) {
	for i := 0; ; i++ {
		var yes [3]bool
		var errs [3]error
		ip := func(last int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, byte(i), byte(last)}) }
		start := time.Now()
		yes[0], errs[0] = a.Allow(ip(1))
		yes[1], errs[1] = b.Allow(ip(1))
		yes[2], errs[2] = b.Allow(ip(2))
		if time.Since(start) < time.Second || i == 100 {
			t.add("allowed %v%s", yes, failed(errors.Join(errs[:]...)))
			return
		}
	}
}

const found1 = `[{1234567890 some_artist}] [https://example.com/images/0123456789abcdef.png] false`

var wanted = strings.Split(strings.TrimSpace(`
launch https://example.com/1: id 0 created true
launch https://example.com/2?a=b&c=%20: id 1 created true
launch https://example.com/1: id 0 created false
launch https://example.com/2?a=b&c=%20: id 1 created false
lookup https://example.com/1: id 0
lookup https://example.com/3: none
status 0: WAIT_LINK_FINDER  [] [] false []
claim 1: id 0 https://example.com/1
status 0: LINK_FINDER  [] [] false []
advance
status 0: WAIT_INDEX_ACCOUNTS_TWEETS  `+found1+` []
claim 1: id 1 https://example.com/2?a=b&c=%20
fail
fail again error
status 1: END NOT_AN_URL [] [] false []
lookup https://example.com/2?a=b&c=%20: id 1
claim 2: id 0 https://example.com/1
status 0: INDEX_ACCOUNTS_TWEETS  `+found1+` []
advance
status 0: WAIT_IMAGE_REVERSE_SEARCH  `+found1+` []
claim 3: id 0 https://example.com/1
status 0: IMAGE_REVERSE_SEARCH  `+found1+` []
advance
advance again error
status 0: END  `+found1+` [{1234567890 1357924680 1 1 2}]
launch https://example.com/1: id 0 created false
launch https://example.com/3: id 2 created true
claim 1: id 2 https://example.com/3
fail
status 2: END NOT_AN_URL [] [] false []
put
put
put
get: 100
get: 101
get: 102
put
waited for 7
launch
waited for https://example.com/4
acquired, together 0
allowed [true false true]
`), "\n")

// TestModes: every mode gives the answers of the script, to two clients; in the
// private mode they are one.
func TestModes(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		w := newWorld(t, m, size{users: 256})
		other := w.memory
		if !m.alone {
			var err error
			if other, err = m.open(t, w.addr); err != nil {
				t.Fatal(err)
			}
			defer other.Close()
		}
		compare(t, script(w.memory, other))
	})
}

// eachMode runs a test for every mode that is there, and logs the others.
func eachMode(t *testing.T, test func(*testing.T, mode)) {
	for _, m := range modes {
		if why := m.missing(); why != "" {
			t.Logf("not tested: %s: %s", m.name, why)
			continue
		}
		t.Run("mode="+m.name, func(t *testing.T) { test(t, m) })
	}
}

func compare(t *testing.T, got []string) {
	for i := range max(len(got), len(wanted)) {
		g, w := append(got, make([]string, len(wanted))...)[i], append(wanted, make([]string, len(got))...)[i]
		if g != w {
			t.Errorf("line %d: %q, want %q", i+1, g, w)
		}
	}
}

// TestModes_Full: every mode frees finished requests when its table is full, and
// no unfinished one; a request that was freed is launched anew.
func TestModes_Full(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		const users = 64
		w := newWorld(t, m, size{users: users, fill: 10})
		urls := make([]string, 3*users)
		for i := range urls {
			urls[i] = newURL()
			if _, created, err := w.memory.Launch(urls[i]); check(created, err) != nil {
				t.Fatalf("launch %d: created %v, %v", i, created, err)
			}
			if err := drain(w.memory, objects.Step1, 1); err != nil {
				t.Fatal(err)
			}
		}
		kept := 0
		for i, url := range urls {
			_, ok, err := w.memory.Lookup(url)
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				kept++
			} else if i >= len(urls)-10 { // ten waited from the beginning: the last ten wait
				t.Errorf("request %d of %d is gone and had not ended", i, len(urls))
			}
		}
		if kept < users*15/16 || kept > users { // the oldest sixteenth goes at once
			t.Errorf("%d requests are in memory, of a table of %d", kept, users)
		}
		if _, created, err := w.memory.Launch(urls[0]); check(created, err) != nil {
			t.Errorf("launch of a freed one: created %v, %v", created, err)
		}
	})
}

// TestAgents: the benchmarks' processes bring requests to END and hand items over.
func TestAgents(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		if m.alone {
			return
		}
		w := newWorld(t, m, size{users: 256})
		x, _, err := w.memory.Launch(newURL())
		if err != nil {
			t.Fatal(err)
		}
		front, workers := w.agent(t), [3]*process{w.agent(t), w.agent(t), w.agent(t)}
		workers[0].say("work 1 1")
		workers[1].say("work 2 1")
		workers[2].say("work 3 1")
		for _, p := range workers {
			p.hear("ok")
		}
		var u objects.UserRequest
		if err := w.memory.Status(x, &u); check(u.Status == objects.End && len(u.Found) == 1, err) != nil {
			t.Fatalf("status %v, found %v, %v", u.Status, u.Found, err)
		}
		n := 2*pipelineBatch + 1
		if m.python() {
			n = 5 // it takes a hundred times as long
		}
		pipeline(front, workers, n)
		ages, _ := paced(t, front, workers[0], 3)
		if len(ages) != 3 || slices.Min(ages) <= 0 {
			t.Errorf("items were %v ns old", ages)
		}
	})
}

// wrong is a memory with one defect.
type wrong struct {
	memory
	defect string
}

func (w wrong) Launch(url string) (id, bool, error) {
	x, created, err := w.memory.Launch(url)
	if w.defect == "says it created" {
		created = true
	}
	return x, created, err
}

func (w wrong) Lookup(url string) (id, bool, error) {
	if w.defect == "launches when looking up" {
		x, _, err := w.memory.Launch(url)
		return x, true, err
	}
	return w.memory.Lookup(url)
}

func (w wrong) Status(x id, dst *objects.UserRequest) error {
	err := w.memory.Status(x, dst)
	if w.defect == "forgets the results" {
		dst.Found = nil
	}
	return err
}

func (w wrong) Fail(c claim) error {
	err := w.memory.Fail(c)
	if w.defect == "ends twice" {
		return nil
	}
	return err
}

func (w wrong) Get() (int64, error) {
	v, err := w.memory.Get()
	if w.defect == "mixes items up" {
		v ^= 1
	}
	return v, err
}

func (w wrong) Acquire() (permit, error) {
	if w.defect == "locks nothing" {
		return permit{}, nil
	}
	return w.memory.Acquire()
}

func (w wrong) Release(p permit) error {
	if w.defect == "locks nothing" {
		return nil
	}
	return w.memory.Release(p)
}

func (w wrong) Allow(a netip.Addr) (bool, error) {
	ok, err := w.memory.Allow(a)
	return ok || w.defect == "allows all", err
}

// TestModes_Defects: the script notices.
func TestModes_Defects(t *testing.T) {
	for _, defect := range []string{"says it created", "launches when looking up", "forgets the results", "ends twice",
		"mixes items up", "locks nothing", "allows all"} {
		t.Run(strings.ReplaceAll(defect, " ", "-"), func(t *testing.T) {
			m := wrong{newWorld(t, modeNamed("private"), size{users: 256}).memory, defect}
			if slices.Equal(script(m, m), wanted) {
				t.Errorf("a memory that %s passes", defect)
			}
		})
	}
}
