package main

import (
	"flag"

	"github.com/aotf/sharedmem/shm"
)

func resetCommand() *command {
	var force bool
	return &command{
		name: "reset", args: "NAME", least: 1, most: 1, short: "empty a segment, keeping its layout",
		help: `Replaces a segment of any program by an empty one with the same layout, capacities,
owner, group and file mode, in one step: whoever opens the name gets the old segment or the
new one, never half of one. All records, permits, counters and cells are gone;
what "shmtool set" can change, as AOTF's limits, stays.

It refuses while a process is attached, which the kernel tells it, and names the
processes. With --force it does it nevertheless: the attached processes get an
error, "segment retired", and may attach again. It never ends a process, and it
needs as much free memory as the segment has.

Examples:
  shmtool reset NAME
  shmtool reset --force NAME

Exit codes: 0 emptied; 1 not emptied: it is in use, does not exist, is not yours,
only root could give it to its owner, there is no room; 2 bad usage.`,
		flags: func(fs *flag.FlagSet) {
			fs.BoolVar(&force, "force", false, "empty it even while processes are attached")
		},
		run: func(t *tool) error { return t.retire("reset", shm.Reset, force) },
	}
}
