package main

import (
	"flag"
	"fmt"
	"strconv"
	"strings"

	"github.com/aotf/sharedmem/objects"
)

func createCommand() *command {
	capacity := capacities{}
	var tokens, perAddress int
	var users sharing
	return &command{
		name: "create", args: "NAME", least: 1, most: 1, short: "make a segment with AOTF's layout",
		help: `Makes an empty segment with the layout of AOTF's objects, with the capacities
given or else the defaults of the layout, and leaves it for programs to attach to.
The memory is taken at once, so that it cannot run out later. Capacities cannot
be changed afterwards: remove the segment and create it again.

"shmtool stat NAME" shows the objects that have a capacity. "processes" is the
number of processes that can be attached at the same time.

It never replaces a segment that exists, and needs no running after it: programs
create the segment themselves if there is none.

Examples:
  shmtool create NAME
  shmtool create NAME --capacity processes=256 --capacity OBJECT=100000
  shmtool create NAME --mode 0660 --group aotf

Exit codes: 0 created; 1 not created: it exists, there is no room, a capacity is
wrong; 2 bad usage.`,
		flags: func(fs *flag.FlagSet) {
			fs.Var(capacity, "capacity", "make room for N records or permits of an object: `OBJECT=N`; may be repeated")
			users.flags(fs, "0600")
			fs.IntVar(&tokens, "tokens", 0, "how many listing tokens the application has; 0 is 1")
			fs.IntVar(&perAddress, "per-address", 0, "how many unfinished requests an address may have; 0 is 10")
		},
		run: func(t *tool) error {
			p, err := t.place()
			if err == nil {
				err = users.check()
			}
			if err != nil {
				return err
			}
			size, err := createSegment(p.name, &objects.Options{Dir: p.dir, Mode: users.mode, Group: users.group,
				Capacity: capacity, Tokens: tokens, PerAddress: perAddress})
			if err != nil {
				return err
			}
			if t.json {
				return t.printJSON(struct {
					Path string `json:"path"`
					Size uint64 `json:"size"`
				}{p.path, size})
			}
			t.printf("created %s: %s\n", escape(p.path), bytesText(size))
			return nil
		},
	}
}

// capacities is a flag that may be repeated.
type capacities map[string]int

func (c capacities) String() string { return "" }

func (c capacities) Set(s string) error {
	object, number, _ := strings.Cut(s, "=")
	n, err := strconv.Atoi(number)
	if object == "" || err != nil || n < 1 {
		return fmt.Errorf("want OBJECT=N, N at least 1")
	}
	c[object] = n
	return nil
}
