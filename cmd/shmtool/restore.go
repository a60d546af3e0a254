package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
)

func restoreCommand() *command {
	capacity := capacities{}
	var users sharing
	return &command{
		name: "restore", args: "FILE NAME", least: 2, most: 2, short: "make a segment from a snapshot, also in another layout",
		help: `Makes a segment from a file of "shmtool snapshot", field by field and by name. Its
layout is

  that of segment NAME, if there is one: it must be empty, and nobody attached.
    The new version of a program makes it, before or after it was installed;
  AOTF's as this shmtool knows it, if the snapshot is AOTF's;
  the snapshot's own otherwise, with the capacities of --capacity.

Records keep their state, their order in queues, their number of deliveries, and
where they can their references; references, blobs and index entries are made anew.
What processes had claimed goes back to its queue, as a sweep does when they die.
New fields are zero. A field may have become wider; any other change of its type,
and too small a capacity, is refused. What has no place any more is named, counted,
and makes the exit code 3; the snapshot still has it.

It never changes FILE, and never touches a segment that has records. The segment
gets its name when it is complete, and with it the owner, group and mode of the
segment that was there, or of FILE unless --mode says otherwise. Only root can give
a segment to another user: run it as the user of the service, or as root.

Examples:
  shmtool restore /var/backups/NAME.shm NAME
  shmtool restore /var/backups/NAME.shm NAME --capacity jobs=1000

Exit codes: 0 all was brought over; 1 nothing was done: types or capacities do not
fit, the segment is in use or not empty, FILE is no sound snapshot; 2 bad usage;
3 restored, without what the new layout has no place for.`,
		flags: func(fs *flag.FlagSet) {
			fs.Var(capacity, "capacity", "make room for N records or permits of an object: `OBJECT=N`; may be repeated")
			users.flags(fs, "FILE's")
		},
		run: func(t *tool) error { return t.restore(capacity, users) },
	}
}

// A restored segment is the answer of restore.
type restored struct {
	shm.RestoreReport
	Layout string `json:"layout"` // whose it is
}

func (t *tool) restore(capacity capacities, users sharing) error {
	if err := users.check(); err != nil {
		return err
	}
	file := t.args[0]
	t.args = t.args[1:]
	p, err := t.place()
	if err != nil {
		return err
	}
	if !strings.Contains(file, "/") {
		file = "./" + file
	}
	r, err := p.restore(file, capacity, users)
	var layout *shm.LayoutError
	switch {
	case errors.As(err, &layout):
		return fmt.Errorf("nothing was restored: object %s, field %s: the snapshot has %s, the new layout %s: only the program can convert it",
			layout.Object, layout.Field, layout.Segment, layout.Program)
	case errors.Is(err, shm.ErrInUse):
		return fmt.Errorf("%s is in use: end its processes first", p.path)
	case errors.Is(err, shm.ErrExist):
		return errors.New(strings.ReplaceAll(strings.ReplaceAll(err.Error(), shm.ErrExist.Error()+": ", ""), "shm: ", ""))
	case err != nil:
		return err
	}
	if t.json {
		err = t.printJSON(r)
	} else {
		t.print(r.text())
	}
	if err == nil && !r.Complete() {
		return exitCode(exitPartly)
	}
	return err
}

func (p place) restore(file string, capacity capacities, users sharing) (r restored, err error) {
	m, err := shm.Inspect(file, nil)
	switch {
	case errors.Is(err, shm.ErrNotExist):
		return r, fmt.Errorf("no file %s", file)
	case errors.Is(err, shm.ErrNotSegment):
		return r, fmt.Errorf("%s is no snapshot", file)
	case err != nil:
		return r, err
	}
	list := []objectInfo{}
	for _, o := range m.Objects() {
		list = append(list, objectInfo{Name: o.Name})
	}
	if err := m.Close(); err != nil {
		return r, err
	}
	there, err := p.inspect()
	if err == nil {
		if err := there.Close(); err != nil {
			return r, err
		}
	}
	switch {
	case err == nil && (len(capacity) > 0 || users.mode != 0):
		return r, fmt.Errorf("%s exists, and so its capacities, owner and mode do: --capacity, --mode and --group are for a new segment", p.path)
	case err == nil:
		r.Layout = "that of the segment that was there"
		r.RestoreReport, err = shm.Restore(file, p.name, nil, p.options())
	case !errors.Is(err, shm.ErrNotExist):
		return r, err
	case treeOf(list) != nil:
		r.Layout = "AOTF's, of this shmtool"
		r.RestoreReport, err = objects.Restore(file, p.name, &objects.Options{Dir: p.dir, Mode: users.mode, Group: users.group, Capacity: capacity})
	default:
		r.Layout = "the snapshot's own"
		r.RestoreReport, err = shm.Restore(file, p.name, nil, &shm.Options{Dir: p.dir, Mode: users.mode, Group: users.group, Capacity: capacity})
	}
	return r, err
}

func (r restored) text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("restored %s: %s, layout: %s", escape(r.Path), bytesText(r.Size), r.Layout)
	for _, name := range slices.Sorted(maps.Keys(r.Records)) {
		line("  %s of %s", plural(r.Records[name], "record", "records"), escape(name))
	}
	for _, x := range []struct {
		n         int
		one, many string
	}{
		{r.Blobs, "blob", "blobs"},
		{r.SideFiles, "side file", "side files"},
		{r.Swept.Posted, "claimed record is back in its queue", "claimed records are back in their queues"},
		{r.Swept.Freed, "record that its process held, or nobody could reach, was freed", "records that their processes held, or nobody could reach, were freed"},
		{r.Left, "record was being made: the program decides on it when it attaches", "records were being made: the program decides on them when it attaches"},
		{r.Moved, "record has another reference than before", "records have other references than before"},
	} {
		if x.n > 0 {
			line("  %s", plural(x.n, x.one, x.many))
		}
	}
	for _, a := range r.Added {
		line("new, and empty: %s", escape(a))
	}
	for _, n := range r.Notes {
		line("note: %s", escape(n))
	}
	for _, l := range r.Lost {
		if l.Count == 0 {
			line("gone, and was empty: %s", escape(strings.TrimSuffix(l.String(), " (0)")))
		}
	}
	for _, l := range r.Lost {
		if l.Count > 0 {
			line("NOT brought over: %s", escape(l.String()))
		}
	}
	return b.String()
}
