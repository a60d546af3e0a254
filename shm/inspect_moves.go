package shm

import "slices"

// A RecordStatus is what one look at a record's header says.
type RecordStatus struct {
	State   string `json:"state"`
	Queue   string `json:"queue,omitempty"`
	Process int    `json:"process"` // registry slot of its owner or poster, -1 none
	Attempt int    `json:"attempt,omitempty"`
}

// A Move is a record that was seen in another place than at the look before.
type Move struct {
	Arena string       `json:"arena"`
	Ref   string       `json:"ref"` // of the later life, when the record was freed and made again
	Same  bool         `json:"same"`
	From  RecordStatus `json:"from"`
	To    RecordStatus `json:"to"`
}

// Moves compares looks at the headers of all records: 8 bytes a record for each
// look, and as much memory. What a record did between two looks is not seen,
// only where it was and where it is.
type Moves struct {
	m      *Image
	before map[*arena][]uint64
}

// Moves begins to compare: the first Next is against what is there now.
func (m *Image) Moves() (*Moves, error) {
	x := &Moves{m, map[*arena][]uint64{}}
	_, err := x.Next()
	return x, err
}

// Next returns what has moved since the last look, arena by arena.
func (x *Moves) Next() (list []Move, err error) {
	err = guard(x.m.c.mem, func() error {
		for _, a := range x.m.c.arenas {
			if a == nil {
				continue
			}
			now := make([]uint64, len(a.headers))
			copyWords(now, a.headers)
			if before := x.before[a]; before != nil && !slices.Equal(before, now) {
				list = x.compare(list, a, before, now)
			}
			x.before[a] = now
		}
		return nil
	})
	return list, err
}

func (x *Moves) compare(list []Move, a *arena, before, now []uint64) []Move {
	for p := range now {
		i, ok := a.indexAt(p)
		if !ok || before[p] == now[p] {
			continue
		}
		h, was := header(now[p]), header(before[p])
		of := h
		if h.state() == Free {
			of = was
		}
		list = append(list, Move{a.obj.Name, makeRef(a.id, of, i).String(),
			was.life() == h.life(), x.status(was), x.status(h)})
	}
	return list
}

func (x *Moves) status(h header) RecordStatus {
	st := Status{h, &x.m.c}
	return RecordStatus{h.state().String(), st.Queue(), st.Process(), st.Attempt()}
}
