package main

import (
	"flag"
	"strings"
)

func statCommand() *command {
	var waits bool
	c := &command{
		name: "stat", args: "NAME", least: 1, most: 1, short: "show how full each object is, and who is attached",
		help: `Shows what a segment holds in numbers: records in use of each arena, depth and
oldest record of each queue, permits held and by whom, load of the indexes, sums
of the counters, values of the cells; and the attached processes with their
memory, the number of records each has claimed, and what each waits for. Of AOTF's
tree also its threads: what each works on, and for how long.

  USED       records not free; records waiting in a queue; permits held
  OF         how many there can be: for a queue, the records of its arena
  FOR        how long the process is attached
  RSS        memory of the process, from /proc; "-" when that is not visible
  WAITS FOR  where a goroutine of the process sleeps, the last one that went to
             sleep: "X (room)" is a free record of arena X, "registry" is only the
             library's own housekeeping

With --waits: who waits for what, and who holds it; of a queue, who has claimed
records of its arena. Circles come first: processes each of which waits for what the
next one holds. A possible circle is one that somebody outside of it, or another
goroutine of a process in it, may end.

A segment does not know since when a permit or a record is held, nor since when
a record waits: the time shown beside an oldest record is its own first time
field. "shmtool top" says how long it has seen a permit held, and has the rates.

It never changes anything and takes no lock; on a live segment, each number is
right, and all of them together are not of one instant. It reads 8 bytes of each
record. "shmtool dump" shows the records themselves.

Examples:
  shmtool stat NAME
  shmtool stat NAME --waits
  shmtool stat NAME --json | jq '.objects[] | select(.name=="todo").used'

Exit codes: 0 shown, 1 the segment cannot be read, 2 bad usage.`,
	}
	c.flags = func(fs *flag.FlagSet) {
		fs.BoolVar(&waits, "waits", false, "show who waits for what, held by whom")
	}
	c.shows = true
	c.run = func(t *tool) error { return stat(t, waits) }
	return c
}

func stat(t *tool, waits bool) error {
	m, err := t.inspect()
	if err != nil {
		return err
	}
	defer m.Close()
	if waits {
		return t.waits(m)
	}
	s, err := statOf(m, true)
	if err != nil {
		return err
	}
	if s.Threads, err = threadsOf(m, s.Objects, t.redact); err != nil {
		return err
	}
	if t.json {
		return t.printJSON(s)
	}
	t.printf("%s\n\n", strings.Join(s.title(t.style), "\n"))
	t.printf("%s\n", strings.Join(objectLines(s.Objects, t.style, false), "\n"))
	t.printf("\n%s\n", strings.Join(processLines(s.Processes, t.style), "\n"))
	if lines := threadLines(s.Threads, t.style); lines != nil {
		t.printf("\n%s\n", strings.Join(lines, "\n"))
	}
	return nil
}
