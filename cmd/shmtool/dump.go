package main

import (
	"flag"
	"fmt"
	"math"

	"github.com/aotf/sharedmem/shm"
)

const defaultLimit = 50

func dumpCommand() *command {
	f, all := filter{limit: -1}, false
	return &command{
		name: "dump", args: "NAME", least: 1, most: 1, short: "show everything in a segment, field by field",
		help: `Shows the whole content of a segment of any program: its header, the attached
processes, and object by object all records with state, queue, owner, attempt and
fields by name; depths of queues, permits of semaphores, counters and cells. For
AOTF's layout, the tree of its objects comes first.

A record's line: its reference (arena.index.life), its state, the queue it is in
or was claimed from, the process that owns it (DEAD if it is), and which delivery
from its queue this is. A field that refers to a record shows which one that is.
Fields that are not published yet are never shown; those that are empty or zero
are left out, and long values are shortened, unless --all is given. Values of blob
fields are shown in the record that holds them; their own arenas only with --all
or --object.

--where compares with the value as --all shows it, without quotes; FIELD is a
name like Key.URL, or its end. All filters must be met; --where may be repeated.

--json prints one object with everything: all records unless --limit is given, and
all published fields. It is built in memory.

It never changes anything and takes no lock. On a live segment each record is as
of one instant, all of them together are not. What records hold may be private:
--redact hides texts, addresses and values.

Examples:
  shmtool dump NAME | less
  shmtool dump NAME --object todo     the records that wait in queue todo
  shmtool dump NAME --status owned --limit 0
  shmtool dump NAME --where Address=192.0.2.1 --where Charged=yes
  shmtool dump NAME --json --redact

Exit codes: 0 shown, 1 the segment cannot be read, 2 bad usage.`,
		shows: true,
		flags: func(fs *flag.FlagSet) {
			fs.StringVar(&f.object, "object", "", "show only the object `OBJECT`; of a queue, the records that wait in it")
			fs.Func("status", "show only records in state `STATE`: new, posted, owned, settled or retiring", f.setState)
			fs.StringVar(&f.queue, "queue", "", "show only records that are in queue `QUEUE` or were claimed from it")
			fs.Func("where", "show only records with `FIELD=VALUE`; may be repeated", f.setWhere)
			fs.Func("limit", fmt.Sprintf("show at most `N` records of each arena, 0 for all (default %d; with --json 0)", defaultLimit), f.setLimit)
			fs.BoolVar(&all, "all", false, "show empty fields, long values whole, and the arenas of blobs")
		},
		run: func(t *tool) error { return dump(t, f, all) },
	}
}

// A dumped object is one with its records.
type dumped struct {
	objectInfo
	Records []record `json:"records,omitempty"`
	More    int      `json:"more,omitempty"` // records not shown
}

// A dumper shows the content of one segment.
type dumper struct {
	t *tool
	m *shm.Image
	s segmentStat
	f filter
	n *namer

	all    bool
	owners owners
	apart  bool // a blank line is to come before the next heading
}

func dump(t *tool, f filter, all bool) error {
	if f.limit < 0 {
		f.limit = defaultLimit
		if t.json {
			f.limit = 0
		}
	}
	if f.limit == 0 {
		f.limit = math.MaxInt
	}
	m, err := t.inspect()
	if err != nil {
		return err
	}
	defer m.Close()
	s, err := statOf(m, false)
	if err != nil {
		return err
	}
	if err := f.check(s.Objects); err != nil {
		return err
	}
	d := &dumper{t, m, s, f, newNamer(m, t.redact), all, ownersOf(s.Processes), false}
	if f.object != "" {
		one, _ := find(s.Objects, f.object) // checked
		d.s.Objects = []objectInfo{one}
	}
	if t.json {
		return d.json()
	}
	return d.text()
}

func (d *dumper) json() error {
	list := []dumped{}
	for _, info := range d.s.Objects {
		o, err := d.records(info)
		if err != nil {
			return err
		}
		list = append(list, o)
	}
	return d.t.printJSON(struct {
		segmentInfo
		Processes []attached `json:"processes"`
		Objects   []dumped   `json:"objects"`
		Tree      []treeNode `json:"tree,omitempty"`
	}{d.s.segmentInfo, d.s.Processes, list, treeOf(d.s.Objects)})
}

// records reads the records to show of one object: those of an arena, or, of a
// queue that was asked for by name, those that wait in it.
func (d *dumper) records(info objectInfo) (o dumped, err error) {
	o.objectInfo = info
	arena, f := info.Name, d.f
	records := d.m.Records(arena)
	switch queue := info.Kind == shm.KindRing || info.Kind == shm.KindBag; {
	case queue && f.object == info.Name:
		arena, records = info.Of, d.m.Waiting(info.Name)
	case info.Kind != shm.KindArena, info.described.Holder && !d.all && f.object == "":
		return o, nil
	}
	fields := d.n.arenas[arena].fields
	for r, err := range records {
		switch {
		case err != nil:
			return o, err
		case !f.wants(r, fields):
		case len(o.Records) < f.limit:
			o.Records = append(o.Records, newRecord(r, fields, d.owners, d.t.redact))
		default:
			o.More++
		}
		if o.More > 0 && !f.chooses() { // the rest is counted already
			o.More = max(*info.Used-len(o.Records), 1)
			break
		}
	}
	return o, nil
}
