package world

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// mostRounds is how often the audit tries to bring everything to its end: far more
// often than it takes when nothing is lost.
const mostRounds = 1000

// ownScans is where the accounts begin that a survivor scans.
const ownScans = 1000

func auditTree(t testing.TB, name string, acks map[string]bool) {
	t.Helper()
	m, err := objects.Open(name, &objects.Options{Attach: true})
	Must(t, err)
	defer m.Remove()
	_, err = m.Segment().Sweep(ctx)
	Must(t, err)
	shmtest.Verify(t, m.Segment())
	if r, err := m.Segment().Sweep(ctx); err != nil || r != (shm.Report{}) {
		t.Errorf("a second sweep found work: %+v %v", r, err)
	}
	for _, c := range m.Segment().Claims() {
		if c.Object != "process-records" {
			t.Errorf("still claimed: %+v", c)
		}
	}
	derived(t, m, acks["expiring"])
	promised(t, m, acks)
	if t.Failed() {
		return // what follows would wait for what is lost
	}
	finishAll(t, m)
	derived(t, m, false)
	if _, processing, err := m.Users.Count(ctx); err != nil || processing != 0 {
		t.Errorf("%d requests do not end: %v", processing, err)
	}
	if n := Used(m.Segment(), "legs") + Used(m.Segment(), "tweets"); n != 0 {
		t.Errorf("%d legs and tweets do not end", n)
	}
	_, err = m.Users.Shed(ctx)
	Must(t, err)
	if side, err := shm.SideFiles(filepath.Join(dir(), name)); err != nil || len(side) != 0 {
		t.Errorf("side files: %v %v", side, err)
	}
	shmtest.Verify(t, m.Segment())
}

// derived compares what the interfaces count with what the records are. A request
// that was expired ends at once, and leaves its queue when somebody claims it.
func derived(t testing.TB, m *objects.SharedMemory, expiring bool) {
	t.Helper()
	queued := 0
	for s := objects.Step1; s <= objects.Step3; s++ {
		n, err := m.Users.Queued(ctx, s)
		Must(t, err)
		queued += n
	}
	_, processing, err := m.Users.Count(ctx)
	Must(t, err)
	if queued < processing || queued > processing && !expiring {
		t.Errorf("%d processing, %d queued", processing, queued)
	}
	open := 0
	for _, account := range scanned() {
		s, ok := scanOf(t, m, account)
		if !ok {
			continue
		}
		for leg, closed := range s.Closed {
			waits := s.Legs[leg] == "queued" || s.Legs[leg] == "barrier"
			if !closed && !waits {
				t.Errorf("leg %d of scan %d is %s", leg, account, s.Legs[leg])
			}
			if waits {
				open++
			}
		}
	}
	listing, tweets, instructions, err := m.Scans.Depths(ctx)
	Must(t, err)
	legs, used := Used(m.Segment(), "legs"), Used(m.Segment(), "tweets")
	// A leg that is closed and whose record is not ended yet is delivered again.
	if legs != listing+instructions || legs < open || used != tweets {
		t.Errorf("%d legs for %d open ones (%d listing, %d instructions), %d tweets (%d queued)",
			legs, open, listing, instructions, used, tweets)
	}
	if n := Used(m.Segment(), "threads"); n != 0 {
		t.Errorf("%d threads", n)
	}
	if n := Used(m.Segment(), "process-records"); n != 1 {
		t.Errorf("%d processes", n)
	}
	if n := Used(m.Segment(), "counts"); n > 1 {
		t.Errorf("%d counts", n)
	}
}

func scanned() []int64 { return []int64{1, 2, 3, ownScans, ownScans + 1} }

func scanOf(t testing.TB, m *objects.SharedMemory, account int64) (s objects.ScanRequest, ok bool) {
	t.Helper()
	id, ok, err := m.Scans.Get(ctx, account)
	Must(t, err)
	if ok {
		Must(t, m.Scans.Load(ctx, id, &s))
	}
	return s, ok
}

// promised checks what was acknowledged: a request that was launched is there,
// and one that was brought somewhere is there, or farther when others worked too.
func promised(t testing.TB, m *objects.SharedMemory, acks map[string]bool) {
	t.Helper()
	want := map[string]string{"one": "WAIT_LINK_FINDER", "two": "WAIT_INDEX_ACCOUNTS_TWEETS", "three": "WAIT_IMAGE_REVERSE_SEARCH",
		"wait": "INDEX_ACCOUNTS_TWEETS", "end": "END"}
	exact := map[string]bool{}
	unfinished := 0
	for a := range acks {
		url, ok := strings.CutPrefix(a, "launched ")
		if ok && want[url] == "" {
			want[url] = "WAIT_LINK_FINDER"
		}
		var account int64
		if n, _ := fmt.Sscanf(a, "scan %d", &account); n == 1 {
			if _, ok := scanOf(t, m, account); !ok {
				t.Errorf("scan %d was launched, and is not there", account)
			}
		}
	}
	for a := range acks {
		if rest, ok := strings.CutPrefix(a, "at "); ok {
			i := strings.LastIndexByte(rest, ' ')
			want[rest[:i]], exact[rest[:i]] = rest[i+1:], !acks["company"]
		}
	}
	for url, least := range want {
		id, ok, err := m.Users.Lookup(ctx, query(url))
		Must(t, err)
		if !ok {
			// What has ended goes when somebody needs the room.
			// Those of a survivor may have ended unnoticed.
			own := strings.HasPrefix(url, "own ")
			if !acks["shedding"] || least != objects.End.String() && !acks["expiring"] && !own {
				t.Errorf("request %q is lost", url)
			}
			continue
		}
		var r objects.UserRequest
		Must(t, m.Users.Load(ctx, id, &r))
		if r.Query.URL != url || r.Status < status(least) || exact[url] && r.Status != status(least) ||
			r.Status == objects.End && r.Finished.IsZero() {
			t.Errorf("request %q is %+v, want %s", url, r, least)
		}
		if r.Status != objects.End && r.Query.Address == charged {
			unfinished++
		}
	}
	// One more: the child was killed before it could tell of its launch.
	n, err := m.HTTP.Unfinished(ctx, charged)
	Must(t, err)
	if _, ok, err := m.Users.Lookup(ctx, query(longURL)); err != nil || ok && !acks[launched(longURL)] {
		unfinished++
	}
	if n != unfinished {
		t.Errorf("%d charged, and %d unfinished", n, unfinished)
	}
	if c, err := m.Counts(ctx); err != nil || acks["counts"] && c.Tweets != 2 {
		t.Errorf("counts: %+v %v", c, err)
	}
}

// query is the identity of a request with that URL.
func query(url string) objects.Query {
	for _, x := range []objects.Query{
		{URL: "direct", Direct: true, Account: "somebody"},
		{URL: "picture", Direct: true},
	} {
		if x.URL == url {
			return x
		}
	}
	return objects.Query{URL: url}
}

func status(name string) objects.Status {
	for s := objects.WaitLinkFinder; s <= objects.End; s++ {
		if s.String() == name {
			return s
		}
	}
	panic("no status " + name)
}

// finishAll brings everything to its end: legs, then tweets and instructions,
// then requests. A claim may find that what it meets was ended already, and that
// there is nothing else: so none of them waits.
func finishAll(t testing.TB, m *objects.SharedMemory) {
	t.Helper()
	x := &treeSurvivor{t: t, m: m}
	for rounds := 0; ; rounds++ {
		if rounds == mostRounds {
			t.Error("legs, tweets and instructions do not end")
			return
		}
		listing, tweets, instructions, err := m.Scans.Depths(ctx)
		Must(t, err)
		if listing+tweets+instructions == 0 {
			break
		}
		for leg := objects.LegA; listing > 0 && leg <= objects.LegB; leg++ {
			if l, ok := try(x, func(c context.Context) (objects.ListingClaim, error) { return m.Scans.ClaimListing(c, nil, leg, 0) }); ok {
				Must(t, l.Done(ctx, objects.Cursor{Unchanged: true}))
			}
		}
		if c, ok := try(x, func(c context.Context) (objects.IndexingClaim, error) { return m.Scans.ClaimIndexing(c, nil) }); ok {
			Must(t, c.Done(ctx))
		}
		if t.Failed() {
			return
		}
	}
	for s := objects.Step1; s <= objects.Step3; s++ {
		for rounds := 0; ; rounds++ {
			n, err := m.Users.Queued(ctx, s)
			Must(t, err)
			if n == 0 || t.Failed() {
				break
			}
			if rounds == mostRounds {
				t.Errorf("%d requests are queued at %v, and nobody can claim them", n, s)
				return
			}
			c, ok := try(x, func(c context.Context) (objects.UserClaim, error) { return m.Users.Claim(c, nil, s) })
			switch {
			case !ok:
			case s == objects.Step1:
				Must(t, c.LinkFound(ctx, accounts, nil, time.Time{}))
			case s == objects.Step2:
				Must(t, c.Indexed(ctx))
			default:
				Must(t, c.Finish(ctx, nil))
			}
		}
	}
}
