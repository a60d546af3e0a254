package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"

	"github.com/aotf/sharedmem/shm"
)

func snapshotCommand() *command {
	var force bool
	return &command{
		name: "snapshot", args: "NAME FILE", least: 2, most: 2, short: "copy a segment to a file",
		help: `Copies a segment of any program, and its side files, to FILE. dump, stat and verify
work on the file: give them a path with a slash. "shmtool restore" makes a segment
of it again, also after a reboot, or for a new version of the program.

It refuses while a process is attached, and keeps others from attaching while it
copies, so that the copy is the segment. With --force it copies a segment in use,
again and again until two copies are the same, 20 times at most: idle processes
give a consistent copy. It says so when they did not. Even then the processes go
on with what they had claimed, and a restored segment hands it out once more.

It never changes the segment, and never replaces FILE, which gets its name when it
is complete. The copy holds what users asked for, in a file of the segment's owner,
group and mode, or of yours alone where you cannot give files to them.

Examples:
  shmtool snapshot NAME /var/backups/NAME.shm
  shmtool verify /var/backups/NAME.shm

Exit codes: 0 copied; 1 not copied: it is in use, FILE exists, there is no room;
2 bad usage; 3 copied while it was changing (--force): it may be inconsistent.`,
		flags: func(fs *flag.FlagSet) {
			fs.BoolVar(&force, "force", false, "copy it even while processes are attached")
		},
		run: func(t *tool) error { return t.snapshot(force) },
	}
}

func (t *tool) snapshot(force bool) error {
	p, err := t.place()
	if err != nil {
		return err
	}
	processes, _ := p.users()
	r, err := shm.Snapshot(p.name, t.args[1], p.options(), force)
	switch {
	case errors.Is(err, shm.ErrInUse):
		return fmt.Errorf("%s is in use by %s: end them, or use --force and read what help says of it", p.path, pidsText(processes))
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s exists: it is not replaced", t.args[1])
	case err != nil:
		return err
	}
	if t.json {
		if r.Attached == nil {
			r.Attached = []shm.Process{}
		}
		if err := t.printJSON(r); err != nil {
			return err
		}
	} else {
		t.printf("copied %s to %s: %s\n", escape(r.Path), escape(r.File), bytesText(r.Size))
		if r.SideFiles > 0 {
			t.printf("  with %s beside it\n", plural(r.SideFiles, "side file", "side files"))
		}
		if len(r.Attached) > 0 {
			t.printf("  attached meanwhile: %s: what they have claimed counts as claimed by the dead\n", escape(pidsText(r.Attached)))
		}
	}
	if !r.Consistent {
		complain(t.stderr, fmt.Sprintf("%s changed during each of %d passes: the copy may be inconsistent; \"shmtool verify\" tells how much", r.Path, r.Passes))
		return exitCode(exitPartly)
	}
	return nil
}

// exitPartly is done, but not as it should be.
const exitPartly = 3
