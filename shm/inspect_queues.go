package shm

import "iter"

// A QueueInfo is what a ring or bag says of its traffic.
type QueueInfo struct {
	// Posted and Taken count since the segment was made, repeated posts
	// included. Of a ring they are exact to within one of each process; of a bag,
	// Posted is that of all bags of its arena, and Taken is not known: 0.
	Posted uint64 `json:"posted"`
	Taken  uint64 `json:"taken"`
	// Oldest is the reference of the record that waits longest, "" for none. How
	// long it has waited, the segment does not say.
	Oldest string `json:"oldest,omitempty"`
}

const farthestOldest = 4096 // slots of a ring: records taken from the middle leave stale ones

// Queue looks at a ring or bag. It reads a few words of a ring, and for a bag 16
// bytes of each record that waits. The zero value for any other object.
func (m *Image) Queue(name string) (info QueueInfo, err error) {
	err = guard(m.c.mem, func() error {
		for _, l := range m.c.lanes {
			if l == nil || l.obj.Name != name {
				continue
			}
			switch q := l.ring; {
			case q != nil:
				info.Posted, info.Taken = q.tail.load(ptRingTail), q.head_.load(ptRingHead)
				// One more: the tail may lag behind a put that was killed.
				info.Oldest = q.oldest(info.Taken, min(info.Posted-info.Taken+1, uint64(len(q.slots)), farthestOldest))
			default:
				if next := l.arena.next; next != nil {
					info.Posted = next.load(ptBagTicket)
				}
				info.Oldest = l.bag.oldest()
			}
		}
		return nil
	})
	return info, err
}

// Waiting yields the records that wait in a ring or bag, the next to be claimed first,
// with their published fields. Each is as of one instant, all together are not: what
// moves meanwhile may be missing. It costs a look at each record of the arena.
func (m *Image) Waiting(name string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		err := guard(m.c.mem, func() error {
			for _, q := range m.c.lanes {
				if q == nil || q.obj.Name != name {
					continue
				}
				dst := make([]uint64, q.arena.size8)
				for _, i := range q.order() {
					if rec, ok := m.record(q.arena, i, dst); ok && rec.Queue == name && rec.State == Posted.String() && !yield(rec, nil) {
						return nil
					}
				}
			}
			return nil
		})
		if err != nil {
			yield(Record{}, err)
		}
	}
}

func (q *ring) oldest(from, n uint64) string {
	for p := from; p < from+n; p++ {
		s := q.slot(p).load(ptRingSlot)
		if i := slotIndex1(s); i == 0 || i > q.arena.n {
			continue
		}
		if h, waits, err := q.waiting(s); err == nil && waits {
			return makeRef(q.arena.id, h, slotIndex1(s)-1).String()
		}
	}
	return ""
}

func (q *bag) oldest() string {
	least, found := uint64(0), ref(0)
	q.posted.each(ptBagLook, q.arena.n, func(i uint32) bool {
		h := header(q.arena.head(i).load(ptBagHeader))
		if t := q.arena.tickets[i].load(ptBagTicket); q.has(h) && (found == 0 || t < least) {
			least, found = t, makeRef(q.arena.id, h, i)
		}
		return true
	})
	if found == 0 {
		return ""
	}
	return found.String()
}

// An IndexInfo is how full an index is. A bucket has 15 places; an insert whose
// bucket is full is refused.
type IndexInfo struct {
	Entries int `json:"entries"`
	Places  int `json:"places"`
	Fullest int `json:"fullest"` // entries of the fullest bucket
	Open    int `json:"open"`    // buckets with a step under way
}

// Index counts the entries of an index. It reads all of it.
func (m *Image) Index(name string) (info IndexInfo, err error) {
	err = guard(m.c.mem, func() error {
		for _, o := range m.c.objects {
			if x, ok := o.(*index); ok && x.obj.Name == name {
				info = x.load()
			}
		}
		return nil
	})
	return info, err
}

func (x *index) load() (info IndexInfo) {
	info.Places = len(x.buckets) / bucketWords * perBucket
	for b := range uint64(len(x.buckets) / bucketWords) {
		c, n := x.control(b).load(ptVerify), 0
		if ctlOpOf(c) != opIdle {
			info.Open++
		}
		for p := range places(c) {
			if x.entry(b, p).load(ptVerify)&entryFull != 0 {
				n++
			}
		}
		info.Entries += n
		info.Fullest = max(info.Fullest, n)
	}
	return info
}
