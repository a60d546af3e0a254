//go:build linux && (amd64 || arm64)

package storm

import (
	"bufio"
	"fmt"
	"io"
)

// A listener takes in the lines of one incarnation.
type listener struct {
	l     *ledger
	open  map[attempt]line   // tried, and not said what came of it
	held  map[string][]line  // by goroutine: rights
	order map[string]*uint64 // by goroutine and producer: the last parcel
	bye   bool
	// for the campaign: where the child is registered, and its slow calls
	hello func(segment string, slot, gen uint64)
	slow  func(op string, ended, took uint64)
	late  func(op string, ended, took uint64) // calls that wait, past their time
}

// An attempt is what one goroutine tries with one item.
type attempt struct {
	g, kind string
	id      uint64
}

func (l *ledger) listener() *listener {
	return &listener{l: l, open: map[attempt]line{}, held: map[string][]line{}, order: map[string]*uint64{}}
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
	case "late":
		if in.late != nil {
			in.late(ln.kind, ln.time, ln.id)
		}
	case "calls":
		l.calls += ln.id
	case "waits":
		l.waits += ln.id
	case "did":
		l.did[ln.kind] += int(ln.id)
	case "bye":
		in.bye = true
	case "have":
		in.held[ln.g] = append(in.held[ln.g], ln)
	case "give":
		in.give(ln)
	case "order":
		in.delivered(ln)
	case "try+", "ok+", "no+", "try-", "ok-", "no-":
		in.crossing(ln)
	case "try=", "ok=", "no=":
		in.setting(ln)
	default:
		if !in.tree(ln) {
			l.complain("a child said %q", text)
		}
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
	f, key := at(items, ln.id), attempt{ln.g, ln.kind, ln.id}
	switch ln.word {
	case "try+", "try-":
		in.open[key] = ln
	case "no+", "no-":
		delete(in.open, key)
	case "ok+":
		f.came++
		delete(in.open, key)
	case "ok-":
		f.went++
		delete(in.open, key)
	}
	switch ln.kind {
	case "tweet":
		in.tweet(ln)
	case "user":
		in.user(ln)
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
	tried := map[string]bool{} // goroutines
	for _, ln := range in.open {
		tried[ln.g] = true
		in.unknown(ln)
	}
	in.l.inside += len(tried)
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
		if len(held) > 0 {
			in.l.holding++
		}
	}
}

// unknown takes in what was tried, and not said what came of it.
func (in *listener) unknown(ln line) {
	switch ln.word {
	case "try+":
		at(in.l.items[ln.kind], ln.id).maybeCame++
	case "try-":
		at(in.l.items[ln.kind], ln.id).maybeWent++
	case "expiring":
		in.l.expired.unknown++
	case "try=":
		in.l.set(ln, func(s *sum) *uint64 { return &s.unknown })
		if ln.kind == "counts" {
			in.l.maybeCounts[ln.id] = true
		}
	}
}
