package shm

import (
	"cmp"
	"fmt"
	"slices"
)

// queues fills the rings and bags of an arena, in the order of the snapshot's.
func (x *restorer) queues(m *move) error {
	if m.to.next != nil && m.from.next != nil {
		m.to.next.store(ptInit, m.from.next.load(ptAttachRead))
	}
	for _, q := range x.from.lanes {
		if q == nil || q.arena != m.from {
			continue
		}
		to := x.queueIn(m.to, q.obj.Name)
		if to == nil {
			continue // its records were counted as lost
		}
		for _, i := range q.order() {
			j := m.index[i]
			if j == noPlace {
				continue
			}
			switch {
			case to.bag != nil && m.from.tickets != nil && q.bag != nil:
				m.to.tickets[j].store(ptInit, m.from.tickets[i].load(ptAttachRead))
			default:
				to.prepare(j)
			}
			if err := to.publish(j, header(m.to.head(j).load(ptAttachRead))); err != nil {
				return fmt.Errorf("queue %s: %w", to.obj.Name, err)
			}
		}
	}
	return nil
}

// order lists the records that wait, the next to be claimed first. What changes
// meanwhile may stand in a wrong place.
func (q *lane) order() (list []uint32) {
	at := map[uint32]uint64{}
	if q.ring != nil {
		head := q.ring.head_.load(ptRingHead)
		for p := range q.ring.slots {
			s := q.ring.slots[p].load(ptRingSlot)
			if i := slotIndex1(s); i != 0 && i <= q.arena.n && q.ring.ahead(p, s, head) {
				if _, waits, err := q.ring.waiting(s); err == nil && waits {
					n := uint64(len(q.ring.slots))
					at[i-1] = (uint64(p) - head) & (n - 1)
				}
			}
		}
	}
	q.arena.each(func(i uint32, h header) bool {
		if q.has(h) {
			list = append(list, i)
			switch _, inSlot := at[i]; {
			case q.bag != nil:
				at[i] = q.arena.tickets[i].load(ptBagTicket)
			case !inSlot: // its poster died before it found a slot, and a full ring kept the sweep from it
				at[i] = uint64(len(q.ring.slots)) + uint64(i)
			}
		}
		return true
	})
	slices.SortFunc(list, func(a, b uint32) int { return cmp.Compare(at[a], at[b]) })
	return list
}

// rest brings over what is no record, and counts what has no place.
func (x *restorer) rest() {
	for _, o := range x.from.objects {
		d := o.object()
		to := x.to.objectOf(d.Name)
		switch from := o.(type) {
		case *arena:
			if _, ok := to.(*arena); !ok && !d.Holder {
				n := 0
				from.each(func(_ uint32, h header) bool {
					if h.state() != Free {
						n++
					}
					return true
				})
				x.lose(d.Name, "", "records of an arena that is gone", n)
			}
		case *Counters:
			x.counters(from, to)
		case *Cell:
			x.cell(from, to)
		case *Semaphore:
			x.marks(from, to)
		default:
			if to == nil && d.Kind != KindArena {
				x.lose(d.Name, "", d.Kind+" that is gone", 0)
			}
		}
	}
	if x.report.Moved > 0 {
		for _, o := range x.to.objects {
			if cell, ok := o.(*Cell); ok && x.places[ref(cell.Load())] != 0 && x.places[ref(cell.Load())] != ref(cell.Load()) {
				x.note("cell %s: %d may be a reference to a record that has another one now", cell.obj.Name, cell.Load())
			}
		}
	}
}

func (x *restorer) counters(from *Counters, o object) {
	to, ok := o.(*Counters)
	for i, sum := range from.Sum() {
		name, k := from.obj.Names[i], -1
		if ok {
			k = slices.Index(to.obj.Names, name)
		}
		switch {
		case k >= 0:
			to.rows[k].store(ptInit, sum) // any row will do: only the sum counts
		default:
			x.lose(from.obj.Name, name, "a counter that is gone", int(min(sum, 1)))
		}
	}
}

func (x *restorer) cell(from *Cell, o object) {
	v := from.Load()
	if to, ok := o.(*Cell); ok {
		to.w.store(ptInit, v)
		return
	}
	x.lose(from.obj.Name, "", "a cell that is gone", int(min(v, 1)))
}

// marks keeps the marks of permits whose holder died: what they protect may need
// repair.
func (x *restorer) marks(from *Semaphore, o object) {
	to, ok := o.(*Semaphore)
	n := 0
	for i := range from.cells {
		if from.cells[i].load(ptSemLook)&cellDied == 0 {
			continue
		}
		if ok && n < len(to.cells) {
			to.cells[n].store(ptInit, cellDied)
		}
		n++
	}
	if !ok {
		x.lose(from.obj.Name, "", "marks of holders who died, of a semaphore that is gone", n)
	}
}
