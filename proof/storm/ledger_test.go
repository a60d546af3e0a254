//go:build linux && (amd64 || arm64)

package storm

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

// A fate is what the lines say of one item: how often its beginning and its end
// were done, and how often they were tried by somebody who did not live to say
// what came of it.
type fate struct{ came, maybeCame, went, maybeWent uint8 }

type right struct {
	kind string
	id   uint64
}

// A span is a time for which a process surely held a right: from after it got it
// to before it gave it up, or was killed.
type span struct{ from, to int64 }

// A ledger is what the lines of all children of a round add up to.
type ledger struct {
	mu          sync.Mutex
	items       map[string]map[uint64]*fate
	rights      map[right][]span
	users       map[uint64]*passage
	tweets      map[uint64]*tweet
	saved       map[uint64]int64 // by leg: when its cursor was first saved
	failed      map[uint64]bool  // accounts whose scan a lister failed
	again       map[uint64]bool  // requests launched a second time after their end
	bad         []string
	calls       uint64 // that do not block
	redelivered int    // parcels
}

// A passage is the way of a user request through its steps.
type passage struct {
	at, past  uint8 // bits of the steps at which it was claimed, and that were tried to end
	launched  int64
	ending    int64 // first try
	ended     int64 // first success
	lastClaim int64
}

type tweet struct {
	leg    uint64
	put    bool  // acknowledged
	stored int64 // last time; 0 never
}

func newLedger() *ledger {
	l := &ledger{items: map[string]map[uint64]*fate{}, rights: map[right][]span{}, users: map[uint64]*passage{},
		tweets: map[uint64]*tweet{}, saved: map[uint64]int64{}, failed: map[uint64]bool{}, again: map[uint64]bool{}}
	for _, kind := range []string{"job", "name", "parcel", "user", "scan", "tweet"} {
		l.items[kind] = map[uint64]*fate{}
	}
	return l
}

func (l *ledger) complain(format string, args ...any) {
	if len(l.bad) < 100 {
		l.bad = append(l.bad, fmt.Sprintf(format, args...))
	}
}

func at[K comparable, V any](m map[K]*V, k K) *V {
	v := m[k]
	if v == nil {
		v = new(V)
		m[k] = v
	}
	return v
}

// A line is one line of a child.
type line struct {
	g, word, kind   string
	id, extra, time uint64
}

func parse(text string) (ln line, ok bool) {
	for _, v := range []*string{&ln.g, &ln.word, &ln.kind} {
		if *v, text, ok = strings.Cut(text, " "); !ok {
			return ln, false
		}
	}
	for _, v := range []*uint64{&ln.id, &ln.extra, &ln.time} {
		var digits string
		digits, text, _ = strings.Cut(text, " ")
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil {
			return ln, false
		}
		*v = n
	}
	return ln, text == ""
}

// A listener takes in the lines of one incarnation.
type listener struct {
	l     *ledger
	open  map[string]line    // by goroutine: tried, and not said what came of it
	held  map[string][]line  // by goroutine: rights
	order map[string]*uint64 // by goroutine and producer: the last parcel
	bye   bool
	// for the campaign: where the child is registered, and its slow calls
	hello func(segment string, slot, gen uint64)
	slow  func(op string, ended, took uint64)
}

func (l *ledger) listener() *listener {
	return &listener{l: l, open: map[string]line{}, held: map[string][]line{}, order: map[string]*uint64{}}
}

// read takes in the lines to the end of the pipe.
func (in *listener) read(out io.Reader) {
	for s := bufio.NewScanner(out); s.Scan(); {
		in.line(s.Text())
	}
}

func (in *listener) line(text string) {
	ln, ok := parse(text)
	in.l.mu.Lock()
	defer in.l.mu.Unlock()
	if !ok {
		in.l.complain("a child said %q", text)
		return
	}
	l := in.l
	switch ln.word {
	case "hello":
		if in.hello != nil {
			in.hello(ln.kind, ln.id, ln.extra)
		}
	case "slow":
		if in.slow != nil {
			in.slow(ln.kind, ln.time, ln.id)
		}
	case "calls":
		l.calls += ln.id
	case "bye":
		in.bye = true
	case "have":
		in.held[ln.g] = append(in.held[ln.g], ln)
	case "give":
		in.give(ln)
	case "order":
		in.delivered(ln)
	case "at":
		p := at(l.users, ln.id)
		p.at |= 1 << ln.extra
		p.lastClaim = max(p.lastClaim, int64(ln.time))
	case "past":
		at(l.users, ln.id).past |= 1 << ln.extra
	case "stored":
		t := at(l.tweets, ln.id)
		t.stored = max(t.stored, int64(ln.time))
	case "saved":
		if first := l.saved[ln.id]; first == 0 || int64(ln.time) < first {
			l.saved[ln.id] = int64(ln.time)
		}
	case "failed":
		l.failed[ln.id] = true
	case "again":
		l.again[ln.id] = true
	default:
		in.crossing(ln)
	}
}

// crossing is an item on its way in or out.
func (in *listener) crossing(ln line) {
	l := in.l
	items := l.items[ln.kind]
	if items == nil {
		l.complain("a child said %q of a %q", ln.word, ln.kind)
		return
	}
	f := at(items, ln.id)
	switch ln.word {
	case "try+", "try-":
		in.open[ln.g] = ln
	case "no+", "no-":
		delete(in.open, ln.g)
	case "ok+":
		f.came++
		delete(in.open, ln.g)
	case "ok-":
		f.went++
		delete(in.open, ln.g)
	}
	switch {
	case ln.kind == "tweet" && ln.word == "try+":
		at(l.tweets, ln.id).leg = ln.extra
	case ln.kind == "tweet" && ln.word == "ok+":
		at(l.tweets, ln.id).put = true
	case ln.kind == "user":
		p := at(l.users, ln.id)
		switch {
		case ln.word == "ok+":
			p.launched = int64(ln.time)
		case ln.word == "try-" && p.ending == 0:
			p.ending = int64(ln.time)
		case ln.word == "ok-" && p.ended == 0:
			p.ended = int64(ln.time)
		}
	}
}

func (in *listener) give(ln line) {
	held := in.held[ln.g]
	for i, h := range held {
		if h.kind == ln.kind && h.id == ln.id {
			r := right{ln.kind, ln.id}
			in.l.rights[r] = append(in.l.rights[r], span{int64(h.time), int64(ln.time)})
			in.held[ln.g] = append(held[:i], held[i+1:]...)
			return
		}
	}
	in.l.complain("a child gave up a %s %#x that it did not have", ln.kind, ln.id)
}

// delivered holds the order of each producer's parcels: one taker sees those that
// were delivered for the first time in the order in which they were sent. What a
// dead taker had goes to the tail, and has been delivered before.
func (in *listener) delivered(ln line) {
	if ln.extra != 1 {
		in.l.redelivered++
		return
	}
	last := at(in.order, fmt.Sprint(ln.g, producer(ln.id)))
	if ln.id <= *last {
		in.l.complain("order: parcel %#x was delivered after %#x", ln.id, *last)
	}
	*last = ln.id
}

// end is called when the child has ended; killed is the time just before it was
// killed, 0 if it was not.
func (in *listener) end(killed int64) {
	in.l.mu.Lock()
	defer in.l.mu.Unlock()
	for _, ln := range in.open {
		f := at(in.l.items[ln.kind], ln.id)
		if ln.word == "try+" {
			f.maybeCame++
		} else {
			f.maybeWent++
		}
	}
	for _, held := range in.held {
		for _, ln := range held {
			r := right{ln.kind, ln.id}
			switch {
			case killed == 0:
				in.l.complain("a child that was not killed ended with a %s", ln.kind)
			case int64(ln.time) < killed:
				in.l.rights[r] = append(in.l.rights[r], span{int64(ln.time), killed})
			}
		}
	}
}
