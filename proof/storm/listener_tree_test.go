//go:build linux && (amd64 || arm64)

package storm

// tree takes in what is said of AOTF's tree alone.
func (in *listener) tree(ln line) bool {
	l := in.l
	switch ln.word {
	case "at":
		p := at(l.users, ln.id)
		p.at |= 1 << ln.extra
		p.lastClaim = max(p.lastClaim, int64(ln.time))
	case "past":
		at(l.users, ln.id).past |= 1 << ln.extra
	case "again":
		l.again[ln.id] = true
	case "stale":
		l.stale[ln.id] = true
	case "expiring":
		in.open[attempt{ln.g, ln.word, 0}] = ln
	case "expired":
		delete(in.open, attempt{ln.g, "expiring", 0})
		l.expired.sure += ln.id
	case "stored":
		t := at(l.tweets, ln.id)
		t.stored = max(t.stored, int64(ln.time))
	case "saved":
		if first := l.saved[ln.id]; first == 0 || int64(ln.time) < first {
			l.saved[ln.id] = int64(ln.time)
		}
	case "failed":
		l.failed[ln.id] = true
	case "listed":
		u := use{ln.id, ln.extra}
		l.listed[u] = max(l.listed[u], int64(ln.time))
	case "blocked":
		u := use{ln.id, ln.extra}
		if first := l.blocked[u]; first == 0 || int64(ln.time) < first {
			l.blocked[u] = int64(ln.time)
		}
	case "allowed":
		l.allowed[ln.id] = append(l.allowed[ln.id], span{int64(ln.extra), int64(ln.time)})
	case "saw":
		l.saw = append(l.saw, reading{ln.id, int64(ln.extra)})
	default:
		return false
	}
	return true
}

func (in *listener) tweet(ln line) {
	switch ln.word {
	case "try+":
		at(in.l.tweets, ln.id).leg = ln.extra
	case "ok+":
		at(in.l.tweets, ln.id).put = true
	}
}

func (in *listener) user(ln line) {
	p := at(in.l.users, ln.id)
	switch ln.word {
	case "ok+":
		p.launched = int64(ln.time)
	case "try-":
		p.problems |= 1 << ln.extra
		if p.ending == 0 {
			p.ending = int64(ln.time)
		}
	case "ok-":
		if p.ended == 0 {
			p.ended = int64(ln.time)
		}
	}
}

// setting is something that is added to, or replaced.
func (in *listener) setting(ln line) {
	l, key := in.l, attempt{ln.g, ln.kind, ln.id}
	switch ln.word {
	case "try=":
		in.open[key] = ln
	case "no=":
		delete(in.open, key)
	case "ok=":
		delete(in.open, key)
		l.set(ln, func(s *sum) *uint64 { return &s.sure })
		if ln.kind == "counts" {
			l.counts = append(l.counts, reading{ln.id, int64(ln.time)})
		}
	}
}

// set adds what was set to what is sure or unknown.
func (l *ledger) set(ln line, of func(*sum) *uint64) {
	switch ln.kind {
	case "metric":
		m := at(l.metrics, ln.id)
		*of(&m[0]) += ln.extra >> 32 // the count
		*of(&m[1]) += ln.extra & (1<<32 - 1)
	case "finish":
		*of(&l.finished)++
	}
}
