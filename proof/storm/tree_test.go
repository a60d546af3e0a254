//go:build linux && (amd64 || arm64)

package storm

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/aotf/sharedmem/objects"
)

// forester does random work on AOTF's tree. Its calls that wait, wait a moment.
type forester struct {
	worker
	m *objects.SharedMemory
}

const perAddress = 10

// treeCapacity has room for all scans of a round, because a finished one stays
// for a day; it has little room for what is to run full.
var treeCapacity = map[string]int{"users": 400, "scans": 30000, "legs": 64, "tweets": 128, "addresses": 8,
	"blobs-256": 1024, "blobs-1024": 64, "blobs-4096": 64, "blobs-16384": 8, "blobs-65536": 8}

func address(id uint64) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(id % 4)}) }

// query is the request of a number; every eighth is too long for its record.
func query(id uint64) objects.Query {
	url := fmt.Sprintf("https://example.org/%d", id)
	if id%8 == 0 {
		url += strings.Repeat("/long", 60)
	}
	return objects.Query{URL: url, Address: address(id)}
}

func userNumber(q objects.Query) uint64 {
	n, _, _ := strings.Cut(strings.TrimPrefix(q.URL, "https://example.org/"), "/")
	id, _ := strconv.ParseUint(n, 10, 64)
	return id
}

func (w *forester) run() {
	ops := []func(){w.launchUser, w.launchUser, w.step1, w.step2, w.step2, w.step3, w.launchScan, w.list, w.list, w.index, w.index, w.index, w.index, w.look}
	for !w.stopped() {
		ops[w.rng.IntN(len(ops))]()
		w.rest()
	}
}

func (w *forester) launchUser() {
	id := w.item()
	w.say("try+", "user", id, 0)
	var user objects.UserID
	created := false
	err := w.timed("launch-user", func() (err error) {
		user, created, err = w.m.Users.Launch(context.Background(), query(id))
		return err
	})
	if w.none(err, objects.ErrLimit) || !created {
		if err == nil {
			w.bad("request %d was there before it was launched", id)
		}
		w.say("no+", "user", id, 0)
		return
	}
	w.say("ok+", "user", id, 0)
	again, created, err := w.m.Users.Launch(context.Background(), query(id))
	if err == nil && !created && again != user {
		w.bad("request %d has two records: %v and %v", id, user, again)
	}
	if err == nil && created { // it ended meanwhile, and its record was needed
		w.say("again", "user", id, 0)
	}
	w.none(err, objects.ErrLimit)
}

// step claims a request, says so, and lets work end the claim.
func (w *forester) step(s objects.Step, work func(c objects.UserClaim, ctx context.Context) error) {
	ctx, cancel := w.moment()
	defer cancel()
	c, err := w.m.Users.Claim(ctx, nil, s)
	if w.none(err, errTime...) {
		return
	}
	id := userNumber(c.Request().Query)
	w.say("have", "user", id, 0)
	w.say("at", "user", id, uint64(s))
	if c.Request().Query.URL != query(id).URL || c.Request().Query.Address != address(id) {
		w.bad("request %d: %+v", id, c.Request().Query)
	}
	w.dawdle()
	if w.rng.IntN(10) == 0 {
		w.say("give", "user", id, 0)
		w.fine(c.Release(context.Background()))
		return
	}
	if s < objects.Step3 {
		w.say("past", "user", id, uint64(s))
		w.say("give", "user", id, 0)
		w.fine(work(c, context.Background()))
		return
	}
	w.say("give", "user", id, 0)
	w.free("user", id, func() error { return work(c, context.Background()) })
}

func accountOf(id uint64) []objects.Account {
	return []objects.Account{{ID: int64(id), Name: fmt.Sprint("a", id)}}
}

func (w *forester) step1() {
	w.step(objects.Step1, func(c objects.UserClaim, ctx context.Context) error {
		id := userNumber(c.Request().Query)
		return c.LinkFound(ctx, accountOf(id), []string{fmt.Sprint("image ", id)}, time.Time{})
	})
}

// step2 waits for scans of earlier accounts on the first visit.
func (w *forester) step2() {
	w.step(objects.Step2, func(c objects.UserClaim, ctx context.Context) error {
		id := userNumber(c.Request().Query)
		if a := c.Request().Accounts; len(a) != 1 || a[0] != accountOf(id)[0] {
			w.bad("accounts of request %d: %v", id, a)
		}
		if len(c.Request().Scans) > 0 || w.rng.IntN(2) == 0 {
			return c.Indexed(ctx)
		}
		var scans []objects.ScanID
		for range 2 {
			if l, ok := w.scan(); ok {
				scans = append(scans, l)
			}
		}
		return c.WaitFor(ctx, scans, true)
	})
}

func (w *forester) step3() {
	w.step(objects.Step3, func(c objects.UserClaim, ctx context.Context) error {
		return c.Finish(ctx, []objects.Found{{Account: int64(userNumber(c.Request().Query)), Tweet: 1}})
	})
}

func (w *forester) launchScan() { w.scan() }

func (w *forester) scan() (objects.ScanID, bool) {
	account := w.item()
	w.say("try+", "scan", account, 0)
	var l objects.Launched
	err := w.timed("launch-scan", func() (err error) {
		l, err = w.m.Scans.Launch(context.Background(), accountOf(account)[0], w.rng.IntN(4) == 0, w.rng.IntN(4) == 0)
		return err
	})
	if w.none(err) {
		w.say("no+", "scan", account, 0)
		return l.ID, false
	}
	w.say("ok+", "scan", account, 0)
	if w.rng.IntN(4) == 0 { // into the priority class
		_, err := w.m.Scans.Launch(context.Background(), accountOf(account)[0], true, true)
		w.none(err)
	}
	return l.ID, true
}

// legOf is a leg's name in the lines: its account and which it is. Accounts are
// items, so there is a bit to spare.
func legOf(account int64, leg objects.Leg) uint64 { return uint64(account)<<1 | uint64(leg) }

func (w *forester) list() {
	ctx, cancel := w.moment()
	defer cancel()
	leg := objects.Leg(w.rng.IntN(2))
	l, err := w.m.Scans.ClaimListing(ctx, nil, leg, 0)
	if w.none(err, errTime...) {
		return
	}
	name := legOf(l.Account().ID, leg)
	w.say("have", "leg", name, 0)
	for range w.rng.IntN(4) {
		id := w.item()
		w.say("try+", "tweet", id, name)
		tw := objects.Tweet{ID: int64(id), Images: []string{fmt.Sprint("image ", id)}}
		if id%8 == 0 {
			tw.Images = []string{strings.Repeat("n", 100)}
		}
		if err := l.PutTweet(ctx, tw); w.none(err, errTime...) {
			w.say("no+", "tweet", id, name) // step C is full: the indexers are to have a turn
			w.say("give", "leg", name, 0)
			w.fine(l.Release(context.Background()))
			return
		}
		w.say("ok+", "tweet", id, name)
		w.dawdle()
	}
	w.say("give", "leg", name, 0)
	switch w.rng.IntN(20) {
	case 0:
		w.fine(l.Release(context.Background()))
	case 1:
		w.say("failed", "scan", uint64(l.Account().ID), 0)
		w.fine(l.Fail(context.Background(), false))
	default:
		w.fine(l.Done(context.Background(), objects.Cursor{Value: fmt.Sprint(name), Set: true}))
	}
}

func (w *forester) index() {
	ctx, cancel := w.moment()
	defer cancel()
	c, err := w.m.Scans.ClaimIndexing(ctx, nil)
	if w.none(err, errTime...) {
		return
	}
	w.store(c)
}

// store is what an indexer does: it says "stored" or "saved" where it would
// write to its own memory, and then ends the claim.
func (w *forester) store(c objects.IndexingClaim) {
	w.dawdle()
	if tw := c.Tweet(); tw != nil {
		id := uint64(tw.ID)
		if len(tw.Images) != 1 || tw.Images[0] != fmt.Sprint("image ", id) && tw.Images[0] != strings.Repeat("n", 100) {
			w.bad("tweet %#x: %v", id, tw.Images)
		}
		w.say("stored", "tweet", id, 0)
		w.free("tweet", id, func() error { return c.Done(context.Background()) })
		return
	}
	leg, cursor, save := c.Cursor()
	name := legOf(c.Account(), leg)
	if save {
		if cursor.Value != fmt.Sprint(name) || !cursor.Set {
			w.bad("cursor of leg %#x: %+v", name, cursor)
		}
		w.say("saved", "leg", name, 0)
	}
	w.fine(c.Done(context.Background()))
}

// look asks what everybody may ask at any time, and sheds.
func (w *forester) look() {
	ctx := context.Background()
	n, err := w.m.HTTP.Unfinished(ctx, address(w.rng.Uint64()))
	if err != nil || n > perAddress {
		w.bad("an address has %d unfinished requests, %v", n, err)
	}
	_, err = w.m.Users.Shed(ctx)
	w.fine(err)
	_, err = w.m.Scans.Shed(ctx)
	w.fine(err)
	if id, ok, err := w.m.Users.Lookup(ctx, query(w.id)); err != nil {
		w.fine(err)
	} else if ok {
		var r objects.UserRequest
		if err := w.m.Users.Load(ctx, id, &r); err != nil && !errors.Is(err, objects.ErrGone) {
			w.bad("load: %v", err)
		}
	}
}
