package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/aotf/sharedmem/shm"
)

func killOwnerCommand() *command {
	k := killer{slot: -1}
	return &command{
		name: "kill-owner", args: "NAME", least: 1, most: 1, short: "end a process that holds something, and recover it",
		help: `Ends one attached process with SIGKILL, and waits until what it held is back in
service. It is for a process that hangs or was stopped with records or permits
that others wait for: nothing else takes them from a living process.

Name it by its registry slot, its process id, or a record that it owns; "shmtool
stat NAME --waits" shows who holds what others wait for. It shows who that is and
what it has, and asks, on stderr; --yes does not ask. Before the signal it proves
that the process is still the one in the registry, by a handle of the process, the
lock of its slot, its time of start, and its mapping of the segment; and after the
answer that it still owns the record.

Work that it had claimed goes back to its queue and is delivered again. It loses
what it had in memory of its own. Processes in another PID namespace (another
container) are refused: kill them from there.

Examples:
  shmtool kill-owner NAME --record 6.0.1
  shmtool kill-owner NAME --slot 3
  shmtool kill-owner NAME --pid 3814 --yes

Exit codes: 0 ended and recovered; 1 not: no such process, not allowed, the answer
was no; 2 bad usage.`,
		flags: func(fs *flag.FlagSet) {
			fs.IntVar(&k.slot, "slot", -1, "the process in registry slot `N`")
			fs.IntVar(&k.pid, "pid", 0, "the process with id `PID`")
			fs.StringVar(&k.record, "record", "", "the process that owns the record `REF`")
			fs.BoolVar(&k.yes, "yes", false, "do not ask")
		},
		run: func(t *tool) error { return k.run(t) },
	}
}

type killer struct {
	slot, pid int
	record    string
	yes       bool
}

// A killed process is the answer of kill-owner.
type killed struct {
	Killed attached `json:"killed"`
	Swept  swept    `json:"swept"`
}

func (k killer) run(t *tool) error {
	if n := b2i(k.slot >= 0) + b2i(k.pid != 0) + b2i(k.record != ""); n != 1 {
		return usageError("kill-owner: name one process, by --slot, --pid or --record")
	}
	p, err := t.place()
	if err != nil {
		return err
	}
	m, err := p.inspect()
	if err != nil {
		return err
	}
	defer m.Close()
	s, err := statOf(m, false)
	if err != nil {
		return err
	}
	victim, err := k.find(m, s.Processes)
	if err != nil {
		return err
	}
	if !k.yes {
		if err := t.confirm(m, s, victim); err != nil {
			return err
		}
		if err := k.findAgain(m, victim); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(t.ctx, time.Minute)
	defer cancel()
	if err := shm.KillProcess(ctx, p.arg, victim.Process, &shm.Options{Dir: p.dir}); err != nil {
		return err
	}
	done, err := p.recover(ctx, m, victim)
	if err != nil {
		return fmt.Errorf("process %d is dead, and not recovered yet: %w: \"shmtool sweep\" goes on", victim.PID, err)
	}
	if t.json {
		return t.printJSON(killed{victim, done})
	}
	t.printf("process %d has ended\n%s", victim.PID, done.text())
	return nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// find is the process that the flags name.
func (k killer) find(m *shm.Image, list []attached) (attached, error) {
	slot := k.slot
	if k.record != "" {
		_, r, err := m.Find(k.record)
		switch {
		case errors.Is(err, shm.ErrGone):
			return attached{}, fmt.Errorf("no record %s: it was freed, or never was", k.record)
		case err != nil:
			return attached{}, err
		case r.State != "new" && r.State != "owned" && r.State != "retiring":
			return attached{}, fmt.Errorf("record %s is %s: no process owns it", k.record, r.State)
		}
		slot = r.Process
	}
	var found []attached
	for _, p := range list {
		if p.Slot == slot || k.pid != 0 && p.PID == k.pid {
			found = append(found, p)
		}
	}
	switch {
	case len(found) == 0 && k.pid != 0:
		return attached{}, fmt.Errorf("no process %d is attached: \"shmtool stat\" lists those that are", k.pid)
	case len(found) == 0:
		return attached{}, fmt.Errorf("no process is in slot %d: \"shmtool stat\" lists those that are", slot)
	case found[0].State != "alive":
		return attached{}, fmt.Errorf("process %d is dead already: \"shmtool sweep\" recovers what it left", found[0].PID)
	}
	return found[0], nil // a process that opened the segment twice dies once
}

// findAgain proves that what was asked is still so: an answer may take long, and
// the work be done meanwhile.
func (k killer) findAgain(m *shm.Image, victim attached) error {
	list, err := m.Processes()
	if err != nil {
		return err
	}
	now, err := k.find(m, processesOf(list, nil))
	switch {
	case k.record != "" && (err != nil || now.Slot != victim.Slot || now.Gen != victim.Gen):
		return fmt.Errorf("nothing was done: process %d does not own record %s any more", victim.PID, k.record)
	case err == nil && (now.Slot != victim.Slot || now.Gen != victim.Gen):
		return fmt.Errorf("nothing was done: process %d has gone, and process %d has its slot", victim.PID, now.PID)
	}
	return err
}

// confirm shows whom it would kill, and asks: on stderr, for stdout is the answer's.
func (t *tool) confirm(m *shm.Image, s segmentStat, p attached) error {
	var b strings.Builder
	ask := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	what := "process " + strconv.Itoa(p.PID) + " (" + escape(p.Name) + ")"
	ask("%s in slot %d of %s, uid %d, attached for %s, %s\n", what, p.Slot, escape(s.Path), p.UID, age(p.Joined), p.state())
	claims, err := m.Claims()
	if err != nil {
		return err
	}
	names, n := newNamer(m, t.redact), 0
	for _, c := range claims {
		if c.Process != p.Slot {
			continue
		}
		if n++; n <= 10 {
			ask("  record %s (%s), %s", c.Ref, names.of(c.Ref), c.State)
			if c.Queue != "" {
				ask(" from %s", c.Queue)
			}
			ask("\n")
		}
	}
	if n > 10 {
		ask("  and %d more records\n", n-10)
	}
	for _, o := range s.Objects {
		for _, x := range o.Permits {
			if x.Held && x.Process == p.Slot {
				ask("  permit %d of %s\n", x.Permit, o.Name)
			}
		}
	}
	ask("Kill it? It cannot clean up. [y/N] ")
	if _, err := io.WriteString(t.stderr, b.String()); err != nil {
		return err
	}
	line, _ := bufio.NewReader(t.in).ReadString('\n')
	if a := strings.ToLower(strings.TrimSpace(line)); a != "y" && a != "yes" {
		return errors.New("nothing was done: the answer was not yes")
	}
	return nil
}

// recover sweeps until nothing is owned by the dead process any more. Its lock
// may need a moment after its end.
func (p place) recover(ctx context.Context, m *shm.Image, victim attached) (all swept, err error) {
	for {
		s, err := p.sweep(ctx)
		if err != nil {
			return all, err
		}
		all.add(s)
		list, err := m.Processes()
		if err != nil {
			return all, err
		}
		there, alive := false, false
		for _, q := range list {
			if q.Slot == victim.Slot && q.Gen == victim.Gen {
				there, alive = true, q.State == "alive"
			}
		}
		if !there || !alive && s.Report == (shm.Report{}) { // the rest is the program's
			return all, nil
		}
		select {
		case <-ctx.Done():
			return all, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *swept) add(o swept) {
	s.Path, s.Left, s.Report = o.Path, o.Left, sum(s.Report, o.Report)
}
