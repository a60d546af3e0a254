package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aotf/sharedmem/shm"
)

// An objectInfo is what one object of a segment holds, counted.
type objectInfo struct {
	Name     string         `json:"name"`
	Kind     string         `json:"kind"`
	Of       string         `json:"of,omitempty"`       // ring, bag, index: their arena
	Capacity int            `json:"capacity,omitempty"` // a queue's is that of its arena
	Used     *int           `json:"used,omitempty"`     // nil where nothing is counted
	States   map[string]int `json:"states,omitempty"`
	Counters members        `json:"counters,omitempty"`
	Value    *uint64        `json:"value,omitempty"` // of a cell

	described shm.Object
}

// objectsOf counts what all objects of a segment hold.
func objectsOf(m *shm.Image, s shm.Stats) ([]objectInfo, error) {
	var list []objectInfo
	capacity := map[string]int{}
	for i, d := range m.Objects() {
		st := s.Objects[i] // Stats counts them in the order of their description
		o := objectInfo{Name: d.Name, Kind: d.Kind, Of: d.Of, Capacity: d.Capacity, States: st.States, described: d}
		capacity[d.Name] = d.Capacity
		switch d.Kind {
		case shm.KindArena, shm.KindSemaphore:
			o.Used = &st.Used
		case shm.KindRing, shm.KindBag:
			o.Used, o.Capacity = &st.Used, capacity[d.Of]
		case shm.KindCounters:
			o.Counters = members(st.Counters)
		case shm.KindCell:
			v, err := m.Cell(d.Name)
			if err != nil {
				return nil, err
			}
			o.Value = &v
		}
		list = append(list, o)
	}
	return list, nil
}

// statesText is "2 posted, 1 owned".
func statesText(states map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(states)) {
		parts = append(parts, fmt.Sprintf("%d %s", states[name], name))
	}
	return strings.Join(parts, ", ")
}

// find returns the object of that name, or an error that names those there are.
func find(list []objectInfo, name string) (objectInfo, error) {
	var names []string
	for _, o := range list {
		if o.Name == name {
			return o, nil
		}
		names = append(names, o.Name)
	}
	return objectInfo{}, fmt.Errorf("no object %q in the segment%s (it has %s)",
		name, didYouMean(name, names), strings.Join(names, ", "))
}
