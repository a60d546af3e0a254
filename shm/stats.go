package shm

// Stats is what a segment holds, counted from headers: exact for each record,
// not of one instant.
type Stats struct {
	Size      uint64        `json:"size"` // bytes
	State     string        `json:"state"`
	Processes []Process     `json:"processes"`
	Objects   []ObjectStats `json:"objects"`
}

// ObjectStats is the share of one object.
type ObjectStats struct {
	Name     string         `json:"name"`
	Kind     string         `json:"kind"`
	Capacity int            `json:"capacity,omitempty"`
	Used     int            `json:"used"`               // records not free, records waiting, permits held
	States   map[string]int `json:"states,omitempty"`   // of an arena's records
	Counters []Value        `json:"counters,omitempty"` // of a Counters
}

// Stats counts what the segment holds. It reads 8 bytes a record. It is empty
// when the segment's file was truncated.
func (s *Segment) Stats() (st Stats) {
	_ = s.c.guard(func() error { st = s.c.stats(); return nil })
	return st
}

func (c *core) stats() Stats {
	s := Stats{Size: uint64(len(c.mem.b)), State: segmentStates[c.head[headState].load(ptSegmentState)], Processes: c.processes()}
	var waiting [maxQueues + 1]int
	for _, o := range c.objects {
		d := o.object()
		n := ObjectStats{Name: d.Name, Kind: d.Kind, Capacity: d.Capacity}
		switch x := o.(type) {
		case *arena:
			var states [1 << (64 - shiftState)]int // a damaged header may say any
			x.each(func(_ uint32, h header) bool {
				states[h.state()]++
				if h.state() == Posted {
					waiting[h.queue()]++
				}
				return true
			})
			n.States = map[string]int{}
			for state, many := range states {
				if State(state) != Free && many > 0 {
					n.Used += many
					n.States[State(state).String()] = many
				}
			}
		case *Semaphore:
			n.Used = d.Capacity - x.Free()
		case *Counters:
			for i, sum := range x.Sum() {
				n.Counters = append(n.Counters, Value{d.Names[i], sum})
			}
		}
		s.Objects = append(s.Objects, n)
	}
	for i, o := range c.objects { // an arena stands before its queues
		if d := o.object(); d.Kind == KindRing || d.Kind == KindBag {
			s.Objects[i].Used = waiting[uint8(d.ID)]
		}
	}
	return s
}

// A ClaimInfo is one claim that some process holds.
type ClaimInfo struct {
	Object  string `json:"object"` // the arena
	Ref     string `json:"ref"`
	Queue   string `json:"queue"`   // where it was claimed from, "" for none
	Process int    `json:"process"` // registry slot
	Attempt int    `json:"attempt"`
	State   string `json:"state"`
}

// Claims lists the claims of all processes: records being made, claimed from a
// queue, held, or being retired. It reads 8 bytes a record.
func (s *Segment) Claims() (list []ClaimInfo) {
	_ = s.c.guard(func() error { list = s.c.claims(); return nil })
	return list
}

func (c *core) claims() (list []ClaimInfo) {
	for _, a := range c.arenas {
		if a == nil {
			continue
		}
		a.each(func(i uint32, h header) bool {
			if st := h.state(); st == New || st == Owned || st == Retiring {
				x := Status{h, c}
				list = append(list, ClaimInfo{a.obj.Name, makeRef(a.id, h, i).String(), x.Queue(), x.Process(), x.Attempt(), st.String()})
			}
			return true
		})
	}
	return list
}
