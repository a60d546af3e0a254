//go:build linux && (amd64 || arm64)

package storm

import (
	"fmt"
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
	stale       map[uint64]bool  // requests whose worker was told that they had ended
	expired     sum              // requests that were ended by force; unknown are calls
	blocked     map[use]int64    // by leg and token: when the leg was first back after it had blocked the token
	listed      map[use]int64    // by leg and token: when the leg was last claimed
	metrics     map[uint64]*[2]sum
	finished    sum // requests with results, as the metrics count them
	allowed     map[uint64][]span
	counts      []reading // that were set
	maybeCounts map[uint64]bool
	saw         []reading
	did         map[string]int
	bad         []string
	calls       uint64 // that do not block
	waits       uint64 // and that do
	redelivered int    // parcels
	inside      int    // goroutines that were killed in a call that changes something
	holding     int    // and with a right
}

// A sum is of what was acknowledged, and of what was tried by somebody who did not
// live to say what came of it.
type sum struct{ sure, unknown uint64 }

// A use is that of a leg by a token.
type use struct{ leg, token uint64 }

// A reading is a value of the counts, and the time before or after which it was so.
type reading struct {
	value uint64
	at    int64
}

// A passage is the way of a user request through its steps.
type passage struct {
	at, past  uint8 // bits of the steps at which it was claimed, and that were tried to end
	launched  int64
	problems  uint16 // bits of the problems with which an end was tried; bit 0: none
	ending    int64  // first try
	ended     int64  // first success
	lastClaim int64
}

type tweet struct {
	leg    uint64
	put    bool  // acknowledged
	stored int64 // last time; 0 never
}

var itemKinds = []string{"job", "name", "parcel", "user", "scan", "tweet"}

func newLedger() *ledger {
	l := &ledger{items: map[string]map[uint64]*fate{}, rights: map[right][]span{}, users: map[uint64]*passage{},
		tweets: map[uint64]*tweet{}, saved: map[uint64]int64{}, failed: map[uint64]bool{}, again: map[uint64]bool{},
		stale: map[uint64]bool{}, blocked: map[use]int64{}, listed: map[use]int64{}, metrics: map[uint64]*[2]sum{},
		allowed: map[uint64][]span{}, maybeCounts: map[uint64]bool{}, did: map[string]int{}}
	for _, kind := range itemKinds {
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
