package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aotf/sharedmem/shm"
)

// processes compares the registry with that of the last look.
func (w *watcher) processes(slots map[int]shm.Process, deaths map[int]shm.Death) {
	for _, slot := range slices.Sorted(maps.Keys(w.slots)) {
		was := w.slots[slot]
		now, there := slots[slot]
		there = there && now.Gen == was.Gen
		died := deaths[slot].Noticed != w.deaths[slot].Noticed
		switch {
		case there && was.State == "alive" && now.State != "alive":
			w.process("died", was, "")
		case there:
		case was.State != "alive":
			w.process("swept", was, "")
		case died: // both between two looks
			w.process("died", was, "")
			note := ""
			if d := deaths[slot]; d.Swept >= d.Noticed {
				note = fmt.Sprintf("%v after its death was noticed", (d.Swept - d.Noticed).Round(time.Microsecond))
			}
			w.process("swept", was, note)
		default:
			w.process("left", was, "")
		}
	}
	for _, slot := range slices.Sorted(maps.Keys(deaths)) {
		w.unseen(slot, slots, deaths[slot])
	}
	for _, slot := range slices.Sorted(maps.Keys(slots)) {
		now := slots[slot]
		was, ok := w.slots[slot]
		if ok && was.Gen == now.Gen {
			continue
		}
		note := ""
		if n := int(now.Gen) - int(was.Gen) - 1; ok && n > 0 {
			note = plural(n, "another came and went before it", "others came and went before it")
		}
		w.process("joined", now, note)
		if now.State != "alive" { // both between two looks
			w.process("died", now, "")
		}
	}
	w.slots, w.deaths = slots, deaths
}

// unseen tells the death of a process that had come and gone between two looks, in a
// slot that was free: nobody knows its name any more.
func (w *watcher) unseen(slot int, slots map[int]shm.Process, d shm.Death) {
	_, known := w.slots[slot]
	now, there := slots[slot]
	if known || d.Noticed == w.deaths[slot].Noticed || there && now.State != "alive" {
		return // told by its registration, or an old one
	}
	w.say(change{Event: "died", Slot: &slot, Note: "it came after the last look"})
	if d.Swept >= d.Noticed {
		w.say(change{Event: "swept", Slot: &slot, Note: fmt.Sprintf("%v after its death was noticed", (d.Swept - d.Noticed).Round(time.Microsecond))})
	}
}

func (w *watcher) process(event string, p shm.Process, note string) {
	w.say(change{Event: event, Slot: &p.Slot, PID: p.PID, Name: p.Name, Note: note})
}

// move prints one record's move.
func (w *watcher) move(m shm.Move) {
	if w.kinds[m.Arena].Holder || w.object != "" && w.object != m.Arena && w.object != m.From.Queue && w.object != m.To.Queue {
		return
	}
	c := change{Event: eventOf(m), Object: m.Arena, Ref: m.Ref, From: where(m.From), To: where(m.To), Attempt: m.To.Attempt}
	if c.Event == "claimed" {
		c.To = "claimed" // From says where, if it was seen there
	}
	if !w.all && (c.Event == "made" || c.Event == "retiring" || c.Event == "") {
		return
	}
	if !m.Same {
		c.From = "" // another record lay there
	}
	if m.To.State != "posted" && m.To.Process >= 0 {
		c.Slot = &m.To.Process
		if p, ok := w.slots[m.To.Process]; ok {
			c.PID, c.Name = p.PID, p.Name
		}
	}
	if c.Event != "freed" {
		if arena, rec, err := w.m.Find(m.Ref); err == nil {
			c.Key = w.names.label(arena, rec)
		}
	}
	w.say(c)
}

func eventOf(m shm.Move) string {
	switch m.To.State {
	case "posted":
		switch {
		case !m.Same || m.From.State == "new" || m.From.State == "free":
			return "posted"
		case m.From.Queue != m.To.Queue:
			return "moved"
		case m.From.State == "owned":
			return "returned"
		}
		return "moved" // through another place, back into this queue
	case "owned":
		if m.To.Queue == "" {
			return "held"
		}
		return "claimed"
	case "new":
		return "made"
	case "free":
		return "freed"
	}
	return m.To.State
}

// where is a record's place in words.
func where(s shm.RecordStatus) string {
	switch {
	case s.State == "posted":
		return s.Queue
	case s.State == "owned" && s.Queue != "":
		return "claimed from " + s.Queue
	case s.State == "owned":
		return "held"
	}
	return s.State
}

// crowds says which arenas and queues have become full, and which have room
// again: a tenth of it.
func (w *watcher) crowds(s shm.Stats) {
	capacity := map[string]int{}
	for i, o := range w.m.Objects() {
		n := s.Objects[i]
		capacity[o.Name] = n.Capacity
		of := capacity[o.Name]
		switch o.Kind {
		case shm.KindRing, shm.KindBag:
			of = capacity[o.Of]
		case shm.KindArena:
		default:
			continue
		}
		switch full := w.full[o.Name]; {
		case !full && n.Used == of:
			w.full[o.Name] = true
			w.say(change{Event: "full", Object: o.Name, Used: n.Used, Of: of})
		case full && n.Used <= of-max(of/10, 1):
			w.full[o.Name] = false
			w.say(change{Event: "room", Object: o.Name, Used: n.Used, Of: of})
		}
	}
}

// text is a change for people.
func (c change) text() string {
	var parts []string
	switch {
	case c.Ref != "":
		parts = append(parts, c.Object+" "+c.Ref)
		if c.Key != "" {
			parts = append(parts, c.Key)
		}
		route := c.To
		if c.From != "" {
			route = c.From + " -> " + c.To
		}
		if c.Event != "freed" || c.From != "" {
			parts = append(parts, route)
		}
		if c.PID != 0 {
			parts = append(parts, fmt.Sprintf("by process %d (%s)", c.PID, escape(c.Name)))
		}
		if c.Attempt > 1 {
			parts = append(parts, fmt.Sprintf("attempt %d", c.Attempt))
		}
	case c.Of > 0:
		parts = append(parts, fmt.Sprintf("%s: %d of %d", c.Object, c.Used, c.Of))
	case c.Slot != nil:
		who := "a process"
		if c.PID != 0 {
			who = fmt.Sprintf("process %d (%s)", c.PID, escape(c.Name))
		}
		parts = append(parts, fmt.Sprintf("%s in slot %d", who, *c.Slot))
	}
	if c.Note != "" {
		parts = append(parts, c.Note)
	}
	return strings.Join(parts, ", ")
}
