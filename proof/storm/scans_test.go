//go:build linux && (amd64 || arm64)

package storm

import (
	"context"
	"fmt"
	"strings"

	"github.com/aotf/sharedmem/objects"
)

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
	leg, token := objects.Leg(w.rng.IntN(2)), w.rng.IntN(tokens)
	var l objects.ListingClaim
	err := w.waited("claim-listing", func(ctx context.Context) (err error) {
		l, err = w.m.Scans.ClaimListing(ctx, w.me, leg, token)
		return err
	})
	if w.none(err, errTime...) {
		return
	}
	ctx := context.Background()
	account := uint64(l.Account().ID)
	name := legOf(l.Account().ID, leg)
	w.say("have", "leg", name, 0)
	w.say("listed", "leg", name, uint64(token))
	for range w.rng.IntN(4) {
		if !w.putTweet(l, name) { // step C is full: the indexers are to have a turn
			w.say("give", "leg", name, 0)
			w.fine(l.Release(ctx))
			return
		}
		w.dawdle()
	}
	w.say("give", "leg", name, 0)
	switch w.rng.IntN(20) {
	case 0:
		w.fine(l.Release(ctx))
	case 1:
		w.fine(l.Fail(ctx, false))
		w.say("failed", "scan", account, 0)
	case 2, 3:
		again, err := l.Blocked(ctx, token)
		w.fine(err)
		w.did("blocked", 1)
		w.say("blocked", "leg", name, uint64(token))
		if !again { // no token is left
			w.did("blocked-by-all", 1)
			w.say("failed", "scan", account, 0)
		}
	default:
		w.fine(l.Done(ctx, objects.Cursor{Value: fmt.Sprint(name), Set: true}))
	}
}

func (w *forester) putTweet(l objects.ListingClaim, leg uint64) bool {
	id := w.item()
	w.say("try+", "tweet", id, leg)
	tw := objects.Tweet{ID: int64(id), Images: []string{fmt.Sprint("image ", id)}}
	if id%8 == 0 {
		tw.Images = []string{strings.Repeat("n", 100)}
	}
	err := w.waited("put-tweet", func(ctx context.Context) error { return l.PutTweet(ctx, tw) })
	if w.none(err, errTime...) {
		w.say("no+", "tweet", id, leg)
		return false
	}
	w.say("ok+", "tweet", id, leg)
	return true
}

func (w *forester) index() {
	var c objects.IndexingClaim
	err := w.waited("claim-indexing", func(ctx context.Context) (err error) {
		c, err = w.m.Scans.ClaimIndexing(ctx, w.me)
		return err
	})
	if !w.none(err, errTime...) {
		w.store(c)
	}
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
