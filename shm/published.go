package shm

// What of a record may be read, and by whom.

func (a *arena) published(phase int) []span {
	return a.spans[min(phase, len(a.spans)-1)]
}

// everything is the phase of a record that has no unpublished fields.
const everything = 1 << 20

// phase tells which fields of a record are published.
func (a *arena) phase(h header) int {
	switch h.state() {
	case Posted, Owned:
		if q := a.c.lanes[h.queue()]; q != nil {
			return q.obj.Phase
		}
		return everything // held
	case Settled:
		return everything
	}
	return 0
}

// gone tells whether r names another life of the record than h.
func (a *arena) gone(r ref, h header) bool {
	return r.arena() != a.id || h.state() == Free || h.life() != r.life()
}

// load copies what is published of a record. The header is read before and
// after: unchanged means that the copy is one state's.
func (a *arena) load(r ref, dst []uint64) (header, error) {
	i := r.index()
	if r == 0 || i >= a.n {
		return 0, ErrGone
	}
	w := a.head(i)
	for {
		h := header(w.load(ptLoadHeader)) // pairs with the CAS of every transfer
		// A retiring record is being emptied.
		if a.gone(r, h) || h.state() == Retiring || h.state() == New && !a.isAnchored(r, a.rec(i)) {
			return h, ErrGone
		}
		clear(dst)
		rec := a.rec(i)
		for _, s := range a.published(a.phase(h)) {
			copyWords(dst[s.at:s.at+s.n], rec[s.at:s.at+s.n])
		}
		if header(w.load(ptLoadAgain)) == h {
			return h, nil
		}
	}
}

// isAnchored tells whether something names the record: its index, its holder,
// or what the application's Anchored function looks at. Without any of these a
// new record is its maker's alone.
func (a *arena) isAnchored(r ref, rec []word) bool {
	switch {
	case a.anchored != nil:
		return a.anchored(r, rec)
	case a.index != nil:
		return a.index.contains(r)
	case a.obj.Holder:
		return a.c.holds(r, rec)
	}
	return false
}
