package main

import (
	"errors"
	"fmt"

	"github.com/aotf/sharedmem/shm"
)

func setCommand() *command {
	return &command{
		name: "set", args: "NAME stop", least: 2, most: 2, short: "tell all processes of a segment to end",
		help: `Sets the stop flag: every blocked call of every attached process returns an error,
"segment stopped", and so does every later one that would block. Calls that do not
block go on, so that workers finish what they hold. It is the only value that can
be set: all others are the program's own, and what they mean is not in the
segment. AOTF's limits are its creator's, and no process expects them to change.

The flag cannot be taken back: it falls by itself when the last process has left
and the next one attaches. It never ends a process; one that ignores the flag goes
on.

Examples:
  shmtool set NAME stop
  shmtool set NAME stop && until [ "$(shmtool get NAME processes)" = 0 ]; do sleep 1; done

Exit codes: 0 set; 1 not set: nobody is attached, the segment is retired, cannot be
read or is not yours; 2 bad usage, or another key.`,
		run: set,
	}
}

func set(t *tool) error {
	if key := t.args[1]; key != "stop" {
		return usagef("%q cannot be set: stop is the only key that can", key)
	}
	p, err := t.place()
	if err != nil {
		return err
	}
	processes, err := p.users()
	if err != nil {
		return err
	}
	err = shm.StopSegment(p.name, p.options())
	if errors.Is(err, shm.ErrUnused) {
		return fmt.Errorf("%s: no process is attached: there is nobody to tell, and the next one that attaches starts anew", p.path)
	}
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON(struct {
			Path     string        `json:"path"`
			Stop     bool          `json:"stop"`
			Attached []shm.Process `json:"attached"`
		}{p.path, true, append([]shm.Process{}, processes...)})
	}
	t.printf("stopped %s\ntold to end: %s\n", escape(p.path), escape(pidsText(processes)))
	return nil
}
