package main

import (
	"flag"

	"github.com/aotf/sharedmem/shm"
)

func rmCommand() *command {
	var force bool
	return &command{
		name: "rm", args: "NAME", least: 1, most: 1, short: "remove a segment and its side files",
		help: `Removes a segment of any program, with all it holds, and the side files that
belong to it. The memory is free when the last process has let go of it.

It refuses while a process is attached, which the kernel tells it, and names the
processes. With --force it removes the segment under them: they get an error,
"segment retired", and may create it again. --force also removes a segment whose
content cannot be interpreted. It never ends a process, and never removes a file
that is not a segment.

Examples:
  shmtool rm NAME
  shmtool rm /dev/shm/NAME --force

Exit codes: 0 removed; 1 not removed: it is in use, does not exist, is not yours;
2 bad usage.`,
		flags: func(fs *flag.FlagSet) {
			fs.BoolVar(&force, "force", false, "remove it even while processes are attached, or when it is corrupt")
		},
		run: func(t *tool) error { return t.retire("removed", shm.Remove, force) },
	}
}
