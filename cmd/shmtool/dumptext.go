package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/aotf/sharedmem/shm"
)

// dumpText writes a dump for people, object by object, so that the first lines
// of a large segment appear at once.
func (t *tool) dumpText(m *shm.Image, s segmentStat, o dumpOptions) error {
	t.printf("%s\n", t.style.heading("segment "+escape(s.Path)))
	t.print(table([][]string{
		{"  size", fmt.Sprintf("%s (%d bytes)", bytesText(s.Size), s.Size)},
		{"  state", s.stateText(t.style)},
		{"  created", fmt.Sprintf("%s by process %d", s.Created, s.Creator)},
		{"  layout", s.Layout},
	}) + "\n")
	t.printProcesses(s.Processes)
	for _, info := range s.Objects {
		d, err := recordsOf(m, s, info, o)
		if err != nil {
			return err
		}
		t.printObject(d, o.all)
	}
	return nil
}

func (t *tool) printObject(d dumped, all bool) {
	title := d.Kind + " " + d.Name
	t.printf("\n%s%s\n", t.style.heading(title), d.summary())
	for _, c := range d.Counters {
		t.printf("  %s  %v\n", escape(c.Name), c.Value)
	}
	for _, r := range d.Records {
		t.printf("  %s  %s\n", r.Ref, escape(r.title()))
		t.printLines(r.lines(all))
	}
	if d.More > 0 {
		t.printf("  %s\n", t.style.quiet(fmt.Sprintf("... and %d more: --max 0 shows all", d.More)))
	}
}

// summary is what a heading says of the object behind its name.
func (d dumped) summary() string {
	switch d.Kind {
	case shm.KindArena:
		s := fmt.Sprintf(": %d of %s in use", *d.Used, count(d.Capacity, "record"))
		if len(d.States) > 0 {
			s += " (" + statesText(d.States) + ")"
		}
		return s
	case shm.KindRing, shm.KindBag:
		return fmt.Sprintf(" of %s: %d waiting", d.Of, *d.Used)
	case shm.KindIndex:
		return fmt.Sprintf(" of %s by %s", d.Of, escape(d.described.Key))
	case shm.KindSemaphore:
		return fmt.Sprintf(": %d of %s held", *d.Used, count(d.Capacity, "permit"))
	case shm.KindCell:
		return fmt.Sprintf(": %d", *d.Value)
	}
	return ""
}

// printLines aligns the values of one record.
func (t *tool) printLines(list []line) {
	width := 0
	for _, l := range list {
		width = max(width, min(utf8.RuneCountInString(l.name), 32))
	}
	for _, l := range list {
		pad := strings.Repeat(" ", max(width-utf8.RuneCountInString(l.name), 0))
		t.printf("      %s%s  %s\n", t.style.quiet(l.name), pad, l.text)
	}
}
