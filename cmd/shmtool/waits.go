package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aotf/sharedmem/shm"
)

// A wait is one process that waits, and who can end that.
type wait struct {
	Slot    int      `json:"slot"`
	PID     int      `json:"pid"`
	For     string   `json:"for"`
	Holders []holder `json:"holders"` // [] when anybody may end it: a queue, an event
	Circle  []int    `json:"circle,omitempty"`

	who, what string
}

// A holder is a process that has what another waits for.
type holder struct {
	Slot  int  `json:"slot"`
	PID   int  `json:"pid,omitempty"`
	Alive bool `json:"alive"`
	Has   int  `json:"has"` // permits, or claimed records

	who string
}

const waitsHint = `A process is seen to wait where its last goroutine went to sleep; what its other
goroutines wait for, and since when anybody waits or holds, is not in the segment.
`

// waits shows who waits for what, circles first.
func (t *tool) waits(m *shm.Image) error {
	list, err := waitsOf(m)
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON(struct {
			Waits []wait `json:"waits"`
		}{list})
	}
	if len(list) == 0 {
		t.printf("no process waits for anything of the segment\n")
		return nil
	}
	for _, w := range list {
		line := fmt.Sprintf("%s waits for %s", w.who, w.what)
		if len(w.Circle) > 0 {
			var parts []string
			for _, slot := range w.Circle {
				parts = append(parts, fmt.Sprint(slot))
			}
			line = t.style.alarm("CIRCLE of slots "+strings.Join(parts, " -> ")+":") + " " + line
		}
		t.printf("%s\n", line)
		for _, h := range w.Holders {
			t.printf("    held by %s: %d\n", h.who, h.Has)
		}
	}
	t.printf("\n%s", waitsHint)
	return nil
}

func waitsOf(m *shm.Image) ([]wait, error) {
	processes, err := m.Processes()
	if err != nil {
		return nil, err
	}
	claims, err := m.Claims()
	if err != nil {
		return nil, err
	}
	who := owners{}
	for _, p := range processes {
		who[p.Slot] = p
	}
	list := []wait{}
	for _, p := range processes {
		if p.State != "alive" || p.Waiting == "" || p.Waiting == "registry" {
			continue
		}
		w := wait{Slot: p.Slot, PID: p.PID, For: p.Waiting, Holders: []holder{}, who: who.name(p.Slot)}
		has := map[int]int{}
		object, room := strings.CutSuffix(p.Waiting, " (room)")
		w.what = whatText(m, object, room)
		held, err := m.Permits(object)
		if err != nil {
			return nil, err
		}
		for _, h := range held {
			if h.Held {
				has[h.Process]++
			}
		}
		for _, c := range claims {
			if room && c.Object == object {
				has[c.Process]++
			}
		}
		for slot, n := range has {
			w.Holders = append(w.Holders, holder{slot, who[slot].PID, who[slot].State == "alive", n, who.name(slot)})
		}
		slices.SortFunc(w.Holders, func(a, b holder) int { return a.Slot - b.Slot })
		list = append(list, w)
	}
	markCircles(list)
	slices.SortStableFunc(list, func(a, b wait) int { return rank(a) - rank(b) })
	return list, nil
}

func rank(w wait) int {
	switch {
	case len(w.Circle) > 0:
		return 0
	case len(w.Holders) > 0:
		return 1
	}
	return 2
}

func whatText(m *shm.Image, object string, room bool) string {
	for _, o := range m.Objects() {
		switch {
		case o.Name != object:
		case room:
			return "a free record of " + object
		case o.Kind == shm.KindSemaphore:
			return "a permit of " + object
		case o.Kind == shm.KindEvent:
			return "a change of " + object
		default:
			return "a record in " + object
		}
	}
	return object
}

// markCircles finds processes that wait for each other: along holders back to
// where it began.
func markCircles(list []wait) {
	bySlot := map[int]*wait{}
	for i := range list {
		bySlot[list[i].Slot] = &list[i]
	}
	for i := range list {
		list[i].Circle = circle(bySlot, list[i].Slot, list[i].Slot, nil)
	}
}

func circle(bySlot map[int]*wait, start, at int, path []int) []int {
	w := bySlot[at]
	if w == nil || slices.Contains(path, at) {
		return nil
	}
	path = append(path, at)
	for _, h := range w.Holders {
		if h.Slot == start {
			return append(slices.Clone(path), start)
		}
	}
	for _, h := range w.Holders {
		if c := circle(bySlot, start, h.Slot, path); c != nil {
			return c
		}
	}
	return nil
}
