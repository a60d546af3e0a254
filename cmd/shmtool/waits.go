package main

import (
	"cmp"
	"fmt"
	"maps"
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
	// Claimed are those who have claimed records of the arena of the queue that it
	// waits for: they may put some there, or free them, and need not.
	Claimed  []holder `json:"claimed,omitempty"`
	Circle   []int    `json:"circle,omitempty"`          // slots, each waits for the next, the first again at the end
	Possible bool     `json:"circle_possible,omitempty"` // somebody outside of it may end it too

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
goroutines wait for, and since when anybody waits or holds, is not in the
segment: in a circle, another goroutine of one of them may still let go.
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
	for i, w := range list {
		if i == 0 || !slices.Equal(w.Circle, list[i-1].Circle) {
			t.print(w.circleText(t.style))
		}
		t.printf("%s waits for %s\n", w.who, w.what)
		for _, h := range w.Holders {
			t.printf("    held by %s: %d\n", h.who, h.Has)
		}
		for n, h := range w.Claimed {
			if n == mostClaimed {
				t.printf("    and by %d more\n", len(w.Claimed)-n)
				break
			}
			t.printf("    %s claimed by %s\n", plural(h.Has, "record is", "records are"), h.who)
		}
	}
	t.printf("\n%s", waitsHint)
	return nil
}

const mostClaimed = 8 // processes that a text names

// circleText is the heading of the circle that a wait is in, "" for none.
func (w wait) circleText(c style) string {
	if len(w.Circle) == 0 {
		return ""
	}
	text := strings.Trim(strings.ReplaceAll(fmt.Sprint(w.Circle), " ", " -> "), "[]")
	if w.Possible {
		return "possible circle of slots " + text + ": somebody else may end it\n"
	}
	return c.alarm("CIRCLE of slots "+text) + "\n"
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
	who, claimed := owners{}, map[string]map[int]int{}
	for _, p := range processes {
		who[p.Slot] = p
	}
	for _, c := range claims {
		if claimed[c.Object] == nil {
			claimed[c.Object] = map[int]int{}
		}
		claimed[c.Object][c.Process]++
	}
	list := []wait{}
	for _, p := range processes {
		if p.State != "alive" || p.Waiting == "" || p.Waiting == "registry" {
			continue
		}
		w := wait{Slot: p.Slot, PID: p.PID, For: p.Waiting, Holders: []holder{}, who: who.name(p.Slot)}
		object, room := strings.CutSuffix(p.Waiting, " (room)")
		w.what = whatText(m, object, room)
		held, err := m.Permits(object)
		if err != nil {
			return nil, err
		}
		has := map[int]int{}
		for _, h := range held {
			if h.Held {
				has[h.Process]++
			}
		}
		if room {
			has = claimed[object]
		}
		w.Holders = append(w.Holders, who.holders(has)...)
		w.Possible = room // who takes a record from a queue may free it too
		for _, o := range m.Objects() {
			if o.Name == object && (o.Kind == shm.KindRing || o.Kind == shm.KindBag) {
				w.Claimed = who.holders(claimed[o.Of])
			}
		}
		list = append(list, w)
	}
	markCircles(list)
	slices.SortStableFunc(list, func(a, b wait) int {
		return cmp.Or(rank(a)-rank(b), slices.Compare(a.Circle, b.Circle))
	})
	return list, nil
}

// holders are the processes with how much each has, by slot.
func (o owners) holders(has map[int]int) (list []holder) {
	for _, slot := range slices.Sorted(maps.Keys(has)) {
		list = append(list, holder{slot, o[slot].PID, o[slot].State == "alive", has[slot], o.name(slot)})
	}
	return list
}

func rank(w wait) int {
	switch {
	case len(w.Circle) > 0 && !w.Possible:
		return 0
	case len(w.Circle) > 0:
		return 1
	case len(w.Holders) > 0:
		return 2
	}
	return 3
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
