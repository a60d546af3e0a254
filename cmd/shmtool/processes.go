package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aotf/sharedmem/shm"
)

// living are the attached processes, without those that have died.
func living(list []shm.Process) []shm.Process {
	return slices.DeleteFunc(slices.Clone(list), func(p shm.Process) bool { return p.State != "alive" })
}

// printProcesses shows who is attached and what each waits for.
func (t *tool) printProcesses(list []shm.Process) {
	t.printf("%s\n", t.style.heading(fmt.Sprintf("processes: %d attached", len(living(list)))))
	if len(list) == 0 {
		return
	}
	rows := [][]string{{"  SLOT", "PID", "UID", "STATE", "JOINED", "WAITS FOR", "NAME"}}
	for _, p := range list {
		waits := p.Waiting
		if waits == "" || p.State != "alive" {
			waits = "-"
		}
		rows = append(rows, []string{"  " + strconv.Itoa(p.Slot), strconv.Itoa(p.PID), strconv.Itoa(p.UID),
			p.State, ago(p.Joined), escape(waits), escape(p.Name)})
	}
	t.print(table(rows))
}

// ago says how long a time since boot is past.
func ago(since time.Duration) string {
	d := shm.Now() - since
	if since < 0 || d < 0 {
		return "?" // what the segment says cannot be
	}
	return d.Truncate(time.Second).String() + " ago"
}

// owners name processes by their slot.
type owners map[int]shm.Process

func ownersOf(list []shm.Process) owners {
	o := owners{}
	for _, p := range list {
		o[p.Slot] = p
	}
	return o
}

func (o owners) name(slot int) string {
	p, ok := o[slot]
	switch {
	case !ok:
		return fmt.Sprintf("slot %d, gone", slot)
	case p.State != "alive":
		return fmt.Sprintf("process %d (slot %d, %s)", p.PID, slot, p.State)
	}
	return fmt.Sprintf("process %d (slot %d)", p.PID, slot)
}

// pidsText is "process 12 (name), process 13 (name)".
func pidsText(list []shm.Process) string {
	var parts []string
	for _, p := range list {
		parts = append(parts, fmt.Sprintf("process %d (%s)", p.PID, p.Name))
	}
	return strings.Join(parts, ", ")
}
