package shm

// posts are headers of an arena that say "posted in a ring", by record. A slot of
// that ring may lead there, or not yet.
type posts struct{ h []header }

func (p *posts) note(a *arena, i uint32, h header) {
	if p.h == nil {
		p.h = make([]header, a.n)
	}
	p.h[i] = h
}

// inNoSlot calls f for each to which no slot leads, in the order of the records.
// Slots are read after headers: what is posted since is not among them.
func (p *posts) inNoSlot(a *arena, f func(q *ring, i uint32, h header)) {
	if p.h == nil {
		return
	}
	for _, l := range a.c.lanes {
		if l == nil || l.arena != a || l.ring == nil {
			continue
		}
		q := l.ring
		head := q.head_.load(ptRingHead)
		for k := range q.slots {
			s := q.slots[k].load(ptSweepSlot)
			if i := slotIndex1(s) - 1; i < a.n && q.has(p.h[i]) && p.h[i].turn() == slotTurn(s) && q.ahead(k, s, head) {
				p.h[i] = 0
			}
		}
	}
	for i, h := range p.h {
		if h != 0 {
			f(a.c.lanes[h.queue()].ring, uint32(i), h)
		}
	}
}
