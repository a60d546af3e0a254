package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/aotf/sharedmem/shm"
)

// text writes a dump for people, object by object, so that the first lines of a
// large segment appear at once.
func (d *dumper) text() error {
	t, s := d.t, d.s
	t.printf("%s\n", t.style.heading("segment "+escape(s.Path)))
	t.print(table([][]string{
		{"  size", fmt.Sprintf("%s (%d bytes)", bytesText(s.Size), s.Size)},
		{"  state", s.stateText(t.style)},
		{"  created", fmt.Sprintf("%s by process %d", s.Created, s.Creator)},
		{"  layout", s.Layout},
	}) + "\n")
	t.printf("%s\n", strings.Join(processLines(s.Processes, t.style), "\n"))
	if tree := treeOf(s.Objects); tree != nil && !d.f.chooses() {
		t.printTree(tree, s.Objects)
	}
	d.apart = true
	found := 0
	for _, info := range s.Objects {
		o, err := d.records(info)
		if err != nil {
			return err
		}
		if found += len(o.Records); len(o.Records) > 0 || !d.f.chooses() {
			d.object(o)
		}
	}
	if d.f.chooses() && found == 0 {
		t.printf("\nno record matches\n")
	}
	return nil
}

func (d *dumper) object(o dumped) {
	t := d.t
	if d.apart || o.body() {
		t.printf("\n")
	}
	d.apart = o.body()
	t.printf("%s%s\n", t.style.heading(o.Kind+" "+o.Name), o.summary())
	for _, p := range o.Permits {
		text := "free; its last holder died with it"
		if p.Held {
			text = "held by " + p.who
		}
		t.printf("  permit %d  %s\n", p.Permit, text)
	}
	for _, c := range o.Counters {
		t.printf("  %s  %v\n", escape(c.Name), c.Value)
	}
	for _, r := range o.Records {
		line := fmt.Sprintf("  %s  %s", r.Ref, r.title())
		if r.dead {
			line = t.style.alarm(line)
		}
		t.printf("%s\n", line)
		d.lines(r)
	}
	if o.More > 0 {
		t.printf("  %s\n", t.style.quiet(fmt.Sprintf("... and %d more: --limit 0 shows all", o.More)))
	}
}

// body tells whether there is more of an object than its heading.
func (o dumped) body() bool { return len(o.Permits)+len(o.Counters)+len(o.Records)+o.More > 0 }

// summary is what a heading says of the object behind its name.
func (o dumped) summary() string {
	switch o.Kind {
	case shm.KindArena:
		s := fmt.Sprintf(": %d of %s in use", *o.Used, count(o.Capacity, "record"))
		if len(o.States) > 0 {
			s += " (" + statesText(o.States) + ")"
		}
		return s
	case shm.KindRing, shm.KindBag:
		return fmt.Sprintf(" of %s: %d waiting", o.Of, *o.Used)
	case shm.KindIndex:
		return fmt.Sprintf(" of %s by %s", o.Of, escape(o.described.Key))
	case shm.KindSemaphore:
		return fmt.Sprintf(": %d of %s held", *o.Used, count(o.Capacity, "permit"))
	case shm.KindCell:
		return fmt.Sprintf(": %d%s", *o.Value, o.decoded)
	}
	return ""
}

// lines aligns the values of one record, and keeps them to the width of a
// terminal unless all is asked for.
func (d *dumper) lines(r record) {
	list := r.lines(d.all)
	width := 0
	for _, l := range list {
		width = max(width, min(utf8.RuneCountInString(l.name), 32))
	}
	for _, l := range list {
		name := l.name + strings.Repeat(" ", max(width-utf8.RuneCountInString(l.name), 0))
		text := l.text
		if l.ref && text != "none" {
			text += "  " + d.n.of(text)
		}
		if !d.all {
			text = clip(text, max(wide-8-utf8.RuneCountInString(name), 20))
		}
		d.t.printf("      %s  %s\n", d.t.style.quiet(name), text)
	}
}
