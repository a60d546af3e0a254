package main

import (
	"flag"
	"fmt"
	"math"
	"strconv"

	"github.com/aotf/sharedmem/shm"
)

const defaultMax = 50

// dumpOptions are the flags of dump.
type dumpOptions struct {
	object string
	most   int // records of each arena; 0 all, -1 the default
	all    bool
}

func dumpCommand() *command {
	o := dumpOptions{most: -1}
	return &command{
		name: "dump", args: "NAME", least: 1, most: 1, short: "show everything in a segment, field by field",
		help: `Shows the whole content of a segment of any program: its header, the attached
processes, and object by object all records with state, queue, owner, attempt and
fields by name; depths of queues, permits of semaphores, counters and cells.

A record's line: its reference (arena.index.life), its state, the queue it is in
or was claimed from, the process that owns or posted it, and which delivery from
its queue this is. Fields that are not published yet are never shown; those that
are empty or zero are left out, unless --all is given. Values of blob fields are
shown in the record that holds them; their own arenas only with --all or --object.

--json prints one object with everything: all records unless --max is given, and
all published fields. It is built in memory.

It never changes anything and takes no lock. On a live segment each record is as
of one instant, all of them together are not. What records hold may be private.

Examples:
  shmtool dump NAME | less
  shmtool dump NAME --object todo     the records that wait in queue todo
  shmtool dump NAME --max 0 --all
  shmtool dump NAME --json | jq '.objects[].records[]? | select(.state=="owned")'

Exit codes: 0 shown, 1 the segment cannot be read, 2 bad usage.`,
		flags: func(fs *flag.FlagSet) {
			fs.StringVar(&o.object, "object", "", "show only the object `OBJECT`; of a queue, the records that wait in it")
			fs.Func("max", fmt.Sprintf("show at most `N` records of each arena, 0 for all (default %d; with --json 0)", defaultMax),
				func(s string) (err error) { o.most, err = parseMax(s); return err })
			fs.BoolVar(&o.all, "all", false, "show empty fields, long values whole, and the arenas of blobs")
		},
		run: func(t *tool) error { return dump(t, o) },
	}
}

func parseMax(s string) (n int, err error) {
	if n, err = strconv.Atoi(s); err != nil || n < 0 {
		return 0, fmt.Errorf("want a number, 0 for all")
	}
	return n, nil
}

// A dumped object is one with its records.
type dumped struct {
	objectInfo
	Records []record `json:"records,omitempty"`
	More    int      `json:"more,omitempty"` // records not shown
}

func dump(t *tool, o dumpOptions) error {
	if o.most < 0 {
		o.most = defaultMax
		if t.json {
			o.most = 0
		}
	}
	if o.most == 0 {
		o.most = math.MaxInt
	}
	m, err := t.inspect()
	if err != nil {
		return err
	}
	defer m.Close()
	s, err := statOf(m)
	if err != nil {
		return err
	}
	if o.object != "" {
		one, err := find(s.Objects, o.object)
		if err != nil {
			return err
		}
		s.Objects = []objectInfo{one}
	}
	if t.json {
		return t.dumpJSON(m, s, o)
	}
	return t.dumpText(m, s, o)
}

func (t *tool) dumpJSON(m *shm.Image, s segmentStat, o dumpOptions) error {
	list := []dumped{}
	for _, info := range s.Objects {
		d, err := recordsOf(m, s, info, o)
		if err != nil {
			return err
		}
		list = append(list, d)
	}
	return t.printJSON(struct {
		segmentInfo
		Processes []shm.Process `json:"processes"`
		Objects   []dumped      `json:"objects"`
	}{s.segmentInfo, s.Processes, list})
}

// recordsOf reads the records to show of one object: those of an arena, or, of
// a queue that was asked for by name, those that wait in it.
func recordsOf(m *shm.Image, s segmentStat, info objectInfo, o dumpOptions) (d dumped, err error) {
	d.objectInfo = info
	arena := info.Name
	switch queue := info.Kind == shm.KindRing || info.Kind == shm.KindBag; {
	case queue && o.object == info.Name:
		arena = info.Of
	case info.Kind != shm.KindArena, info.described.Holder && !o.all && o.object == "":
		return d, nil
	}
	var fields []shm.Field
	for _, other := range m.Objects() {
		if other.Name == arena && other.Record != nil {
			fields = other.Record.Fields
		}
	}
	owners := ownersOf(s.Processes)
	for r, err := range m.Records(arena) {
		if err != nil {
			return d, err
		}
		if arena != info.Name && (r.Queue != info.Name || r.State != "posted") {
			continue
		}
		if len(d.Records) == o.most {
			d.More = max(*info.Used-len(d.Records), 1)
			break
		}
		d.Records = append(d.Records, newRecord(r, fields, owners))
	}
	return d, nil
}
