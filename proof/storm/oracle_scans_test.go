//go:build linux && (amd64 || arm64)

package storm

func (l *ledger) judgeScans(r *remains, fail func(string, ...any)) {
	for account, f := range l.items["scan"] {
		_, there := r.scans[account]
		if there && f.came+f.maybeCame == 0 || !there && f.came > 0 {
			fail("scan %#x: launched %d times (%d unknown), and there: %v", account, f.came, f.maybeCame, there)
		}
	}
	for account := range r.scans {
		if l.items["scan"][account] == nil {
			fail("scan %#x was never launched", account)
		}
	}
	for account := range l.failed {
		if failed, there := r.scans[account]; there && !failed {
			fail("scan %#x has failed, and does not say so", account)
		}
	}
	for u, listed := range l.listed {
		if blocked := l.blocked[u]; blocked != 0 && listed > blocked {
			fail("leg %#x blocks token %d since %d, which got it at %d", u.leg, u.token, blocked, listed)
		}
	}
	for id, t := range l.tweets {
		saved := l.saved[t.leg]
		if saved == 0 {
			continue
		}
		if t.put && t.stored == 0 || t.stored > saved {
			fail("the cursor of leg %#x was saved at %d, its tweet %#x stored at %d", t.leg, saved, id, t.stored)
		}
	}
	// A leg that is closed and whose record has not ended yet waits once more.
	if r.legs < r.open {
		fail("%d legs are open, %d wait", r.open, r.legs)
	}
}
