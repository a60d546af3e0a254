package main

import (
	"time"

	"github.com/aotf/sharedmem/shm"
)

// A segmentStat is the answer of stat, one refresh of top, and the frame of
// dump's.
type segmentStat struct {
	segmentInfo
	Processes []attached   `json:"processes"`
	Objects   []objectInfo `json:"objects"`
	Threads   []thread     `json:"threads,omitempty"` // of AOTF's tree; in stat, top and serve
}

// An objectInfo is what one object of a segment holds, counted.
type objectInfo struct {
	Name     string         `json:"name"`
	Kind     string         `json:"kind"`
	Of       string         `json:"of,omitempty"`       // ring, bag, index: their arena
	Capacity int            `json:"capacity,omitempty"` // a queue's is that of its arena
	Used     *int           `json:"used,omitempty"`     // nil where nothing is counted
	States   map[string]int `json:"states,omitempty"`
	Counters members        `json:"counters,omitempty"`
	Value    *uint64        `json:"value,omitempty"`   // of a cell
	Waiters  []int          `json:"waiters,omitempty"` // slots of the processes that wait for it
	Posted   uint64         `json:"posted,omitempty"`  // ring: posts since creation
	Taken    uint64         `json:"taken,omitempty"`   // ring: records taken since creation
	Oldest   string         `json:"oldest,omitempty"`  // ring, bag: the reference of the record that waits longest
	Moment   string         `json:"oldest_says,omitempty"`
	Permits  []permit       `json:"permits,omitempty"` // semaphore: held, or their last holder died
	Index    *shm.IndexInfo `json:"index,omitempty"`   // not in top
	In       *float64       `json:"in_per_s,omitempty"`
	Out      *float64       `json:"out_per_s,omitempty"`

	described shm.Object
	decoded   string // what a cell's number means
}

// A permit of a semaphore or mutex.
type permit struct {
	shm.PermitInfo
	PID  int           `json:"pid,omitempty"`
	Seen time.Duration `json:"seen_ns,omitempty"` // top: how long it has been seen held

	who string
}

// statOf counts what a segment holds. deep reads the indexes too.
func statOf(m *shm.Image, deep bool) (s segmentStat, err error) {
	counted, err := m.Stats()
	if err != nil {
		return s, err
	}
	claims, err := m.Claims()
	if err != nil {
		return s, err
	}
	s.segmentInfo = infoOf(m)
	if s.State = counted.State; s.State == "" {
		s.State = "unknown"
	}
	s.Processes = processesOf(counted.Processes, claims)
	waiters := map[string][]int{}
	for _, p := range s.Processes {
		if p.State == "alive" && p.Waiting != "" {
			waiters[p.Waiting] = append(waiters[p.Waiting], p.Slot)
		}
	}
	capacity := map[string]int{}
	names, who := newNamer(m, false), ownersOf(s.Processes)
	for i, d := range m.Objects() {
		st := counted.Objects[i] // Stats counts them in the order of their description
		o := objectInfo{Name: d.Name, Kind: d.Kind, Of: d.Of, Capacity: d.Capacity, States: st.States, described: d,
			Waiters: append(waiters[d.Name], waiters[d.Name+" (room)"]...)}
		capacity[d.Name] = d.Capacity
		switch d.Kind {
		case shm.KindArena:
			o.Used = &st.Used
		case shm.KindSemaphore:
			o.Used = &st.Used
			o.Permits, err = permitsOf(m, d.Name, who)
		case shm.KindRing, shm.KindBag:
			o.Used, o.Capacity = &st.Used, capacity[d.Of]
			var q shm.QueueInfo
			if q, err = m.Queue(d.Name); d.Kind == shm.KindRing {
				o.Posted, o.Taken = q.Posted, q.Taken
			}
			if o.Oldest = q.Oldest; o.Oldest != "" {
				o.Moment = names.moment(o.Oldest)
			}
		case shm.KindCounters:
			o.Counters = members(st.Counters)
		case shm.KindCell:
			var v uint64
			v, err = m.Cell(d.Name)
			o.Value = &v
		case shm.KindIndex:
			if deep {
				var x shm.IndexInfo
				x, err = m.Index(d.Name)
				o.Index = &x
			}
		}
		if err != nil {
			return s, err
		}
		s.Objects = append(s.Objects, o)
	}
	s.decodeCells(m)
	return s, nil
}

func permitsOf(m *shm.Image, name string, who owners) (list []permit, err error) {
	held, err := m.Permits(name)
	for _, p := range held {
		x := permit{PermitInfo: p}
		if p.Held {
			x.who = who.name(p.Process)
			if q, ok := who[p.Process]; ok {
				x.PID = q.PID
			}
		}
		list = append(list, x)
	}
	return list, err
}

// rates fills in what moved a second since an earlier sample.
func (s *segmentStat) rates(before segmentStat, took time.Duration) {
	old := map[string]objectInfo{}
	for _, o := range before.Objects {
		old[o.Name] = o
	}
	per := func(now, then uint64) *float64 {
		v := max(float64(int64(now-then)), 0) / took.Seconds() // a sum may be read in the middle
		return &v
	}
	for i := range s.Objects {
		o := &s.Objects[i]
		was, ok := old[o.Name]
		if !ok || took <= 0 {
			continue
		}
		switch o.Kind {
		case shm.KindRing:
			o.In, o.Out = per(o.Posted, was.Posted), per(o.Taken, was.Taken)
		case shm.KindCounters:
			if a, ok := o.Counters.sum(); ok {
				b, _ := was.Counters.sum()
				o.In = per(a, b)
			}
		case shm.KindSemaphore:
			for k, p := range o.Permits {
				for _, q := range was.Permits {
					if p.Held && p.Permit == q.Permit && p.Times == q.Times && q.Held {
						o.Permits[k].Seen = q.Seen + took
					}
				}
			}
		}
	}
}

// sum adds the counters that count; sums of times are left out.
func (m members) sum() (n uint64, ok bool) {
	for _, c := range m {
		if v, isNumber := c.Value.(uint64); isNumber && !isTime(c.Name) {
			n, ok = n+v, true
		}
	}
	return n, ok
}
