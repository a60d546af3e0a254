package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aotf/sharedmem/shm"
)

// metricsText is a look at a segment in the text format of Prometheus, version
// 0.0.4: families in one piece, each with HELP and TYPE.
func metricsText(s webState) string {
	up := 1
	if s.Error != "" {
		up = 0
	}
	families := []*family{
		{name: "shm_up", kind: "gauge", help: "1 when the segment can be read"},
		{name: "shm_size_bytes", kind: "gauge", help: "size of the segment"},
		{name: "shm_processes", kind: "gauge", help: "attached processes by state; dead ones are not swept yet"},
		{name: "shm_capacity", kind: "gauge", help: "records of an arena, permits of a semaphore"},
		{name: "shm_records", kind: "gauge", help: "records of an arena that are not free, by state"},
		{name: "shm_queue_depth", kind: "gauge", help: "records that wait in a ring or bag"},
		{name: "shm_queue_posted_total", kind: "counter", help: "records posted to a ring since the segment was made, repeated posts included"},
		{name: "shm_queue_taken_total", kind: "counter", help: "records taken from a ring since the segment was made"},
		{name: "shm_permits_held", kind: "gauge", help: "permits of a semaphore or mutex that are held"},
		{name: "shm_counter_total", kind: "counter", help: "the program's own counters"},
		{name: "shm_cell", kind: "gauge", help: "the program's own cells"},
	}
	byName := map[string]*family{}
	for _, f := range families {
		byName[f.name] = f
	}
	add := func(name string, v any, labels ...string) { byName[name].add(v, labels...) }
	add("shm_up", up)
	if up == 1 {
		states := map[string]int{"alive": 0, "dead": 0}
		for _, p := range s.Processes {
			states[p.State]++
		}
		for _, state := range slices.Sorted(maps.Keys(states)) {
			add("shm_processes", states[state], "state", state)
		}
		add("shm_size_bytes", s.Size)
	}
	for _, o := range s.Objects {
		switch o.Kind {
		case shm.KindArena:
			add("shm_capacity", o.Capacity, "object", o.Name)
			for state := shm.New; state <= shm.Retiring; state++ {
				add("shm_records", o.States[state.String()], "arena", o.Name, "state", state.String())
			}
		case shm.KindRing, shm.KindBag:
			add("shm_queue_depth", *o.Used, "queue", o.Name)
			if o.Kind == shm.KindRing {
				add("shm_queue_posted_total", o.Posted, "queue", o.Name)
				add("shm_queue_taken_total", o.Taken, "queue", o.Name)
			}
		case shm.KindSemaphore:
			add("shm_capacity", o.Capacity, "object", o.Name)
			add("shm_permits_held", *o.Used, "semaphore", o.Name)
		case shm.KindCounters:
			for _, c := range o.Counters {
				add("shm_counter_total", c.Value, "object", o.Name, "counter", c.Name)
			}
		case shm.KindCell:
			add("shm_cell", *o.Value, "cell", o.Name)
		}
	}
	var b strings.Builder
	for _, f := range families {
		if len(f.samples) > 0 {
			fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n%s", f.name, f.help, f.name, f.kind, strings.Join(f.samples, ""))
		}
	}
	return b.String()
}

type family struct {
	name, kind, help string
	samples          []string
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func (f *family) add(v any, labels ...string) {
	var pairs []string
	for i := 0; i+1 < len(labels); i += 2 {
		pairs = append(pairs, fmt.Sprintf(`%s="%s"`, labels[i], labelEscapes.Replace(labels[i+1])))
	}
	text := ""
	if len(pairs) > 0 {
		text = "{" + strings.Join(pairs, ",") + "}"
	}
	f.samples = append(f.samples, fmt.Sprintf("%s%s %v\n", f.name, text, v))
}
