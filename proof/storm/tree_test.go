//go:build linux && (amd64 || arm64)

package storm

import (
	"context"
	"errors"
	"net/netip"

	"github.com/aotf/sharedmem/objects"
)

// forester does random work on AOTF's tree. Its calls that wait, wait a moment.
type forester struct {
	worker
	m    *objects.SharedMemory
	me   objects.Worker // as which it is registered; nil: as nobody
	name uint64         // of me
}

const (
	perAddress = 10
	tokens     = 2
	charges    = 4 // addresses that launch requests
	asking     = 9 // addresses that send HTTP requests: more than the table has room for
)

// treeCapacity has room for all scans of a round, because a finished one stays
// for a day; it has little room for what is to run full.
var treeCapacity = map[string]int{"users": 400, "scans": 30000, "legs": 64, "tweets": 128, "addresses": 8, "threads": 64,
	"blobs-256": 1024, "blobs-1024": 64, "blobs-4096": 64, "blobs-16384": 8, "blobs-65536": 8}

func address(n uint64) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}) }

func (w *forester) run() {
	w.loop([]func(){w.launchUser, w.launchUser, w.step1, w.step2, w.step2, w.step3, w.step3, w.launchScan, w.list, w.list,
		w.index, w.index, w.index, w.index, w.look, w.allow, w.measure, w.register, w.send, w.setCounts, w.readCounts, w.expire})
	w.leave()
}

// look asks what everybody may ask at any time, and sheds.
func (w *forester) look() {
	ctx := context.Background()
	n, err := w.m.HTTP.Unfinished(ctx, address(w.rng.Uint64()%charges))
	if err != nil || n > perAddress {
		w.bad("an address has %d unfinished requests, %v", n, err)
	}
	if w.rng.IntN(4) == 0 { // it reads a directory
		_, err = w.m.Users.Shed(ctx)
		w.fine(err)
	}
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

// allow asks whether an address may send an HTTP request now.
func (w *forester) allow() {
	a := w.rng.Uint64() % asking
	from := clock()
	yes := false
	err := w.timed("allow", func() (err error) { yes, err = w.m.HTTP.Allow(context.Background(), address(a)); return err })
	if w.none(err) || !yes {
		return
	}
	w.say("allowed", "address", a, uint64(from))
}
