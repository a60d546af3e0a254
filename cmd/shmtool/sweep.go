package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
)

func sweepCommand() *command {
	return &command{
		name: "sweep", args: "NAME", least: 1, most: 1, short: "recover what dead processes left",
		help: `Puts back in service what processes that died have left, now, and says what it
did: their claimed records go back to the queue they came from, what they were
making is freed or completed, their permits are free. Every attached process does
the same by itself, and so does the next one that attaches; this is for a segment
that nobody is attached to, and to be sure.

It attaches for that, so it needs a free slot in the registry, and its own death
is swept like any other. It takes nothing from a living process, stopped ones
included. A stopped segment is not started by it.

AOTF's layout is swept completely. Of another program, the tool knows only the
description that the segment carries, and not what the program anchors by a
function: records that depend on that, and the slots of the dead as long as there
are such records, are left for the program's next process. It says so then.

Examples:
  shmtool sweep NAME
  shmtool sweep NAME --json | jq .report

Exit codes: 0 swept, also when there was nothing to do; 1 not swept: the segment
cannot be read or is not yours, no slot is free; 2 bad usage.`,
		run: sweep,
	}
}

// A swept segment is the answer of sweep, and a part of kill-owner's.
type swept struct {
	Path   string     `json:"path"`
	Report shm.Report `json:"report"`
	Left   []int      `json:"left_for_the_program"` // slots of the dead
}

func sweep(t *tool) error {
	p, err := t.place()
	if err != nil {
		return err
	}
	s, err := p.sweep(t.ctx)
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON(s)
	}
	t.printf("%s", s.text())
	return nil
}

func (p place) sweep(ctx context.Context) (s swept, err error) {
	s.Path, s.Left = p.path, []int{}
	m, err := p.inspect()
	if err != nil {
		return s, err
	}
	defer m.Close()
	s.Report, err = p.sweepObjects(ctx, m)
	if errors.Is(err, shm.ErrLayout) {
		s.Report, err = shm.SweepSegment(ctx, p.name, p.options())
	}
	if err != nil {
		return s, err
	}
	list, err := m.Processes()
	for _, q := range list {
		if q.State != "alive" {
			s.Left = append(s.Left, q.Slot)
		}
	}
	return s, err
}

// sweepObjects sweeps a segment of AOTF's layout as its own program; ErrLayout
// for any other. A stopped one is not attached to: that would start it again.
func (p place) sweepObjects(ctx context.Context, m *shm.Image) (r shm.Report, err error) {
	if m.State != "open" {
		return r, shm.ErrLayout
	}
	aside := &recoveries{Handler: slog.DiscardHandler}
	opt := &objects.Options{Attach: true, Dir: p.dir, Logger: slog.New(aside)}
	if st, err := os.Lstat(p.path); err == nil {
		opt.Mode = st.Mode().Perm()
	}
	o, err := objects.Open(p.name, opt)
	if err != nil {
		return r, err
	}
	r, err = o.Segment().Sweep(ctx)
	err = errors.Join(err, o.Close()) // its housekeeping has ended then
	return sum(r, aside.report), err
}

// recoveries adds up what the housekeeping of an opening recovers beside us: it
// begins as soon as we attach, and shares the work with our own sweep.
type recoveries struct {
	slog.Handler
	mu     sync.Mutex
	report shm.Report
}

func (h *recoveries) Enabled(context.Context, slog.Level) bool { return true }
func (h *recoveries) WithAttrs([]slog.Attr) slog.Handler       { return h }

func (h *recoveries) Handle(_ context.Context, rec slog.Record) error {
	rec.Attrs(func(a slog.Attr) bool {
		if r, ok := a.Value.Any().(shm.Report); ok {
			h.mu.Lock()
			h.report = sum(h.report, r)
			h.mu.Unlock()
		}
		return true
	})
	return nil
}

func sum(a, b shm.Report) shm.Report {
	return shm.Report{Dead: a.Dead + b.Dead, Posted: a.Posted + b.Posted, Settled: a.Settled + b.Settled,
		Freed: a.Freed + b.Freed, Permits: a.Permits + b.Permits, Hints: a.Hints + b.Hints}
}

func (s swept) text() string {
	var parts []string
	for _, x := range []struct {
		n         int
		one, many string
	}{
		{s.Report.Dead, "slot of a dead process is free again", "slots of dead processes are free again"},
		{s.Report.Posted, "record is back in its queue", "records are back in their queues"},
		{s.Report.Settled, "record was completed", "records were completed"},
		{s.Report.Freed, "record that nobody can reach was freed", "records that nobody can reach were freed"},
		{s.Report.Permits, "permit is free again", "permits are free again"},
		{s.Report.Hints, "hint was restored", "hints were restored"},
	} {
		if x.n > 0 {
			parts = append(parts, "  "+plural(x.n, x.one, x.many)+"\n")
		}
	}
	text := fmt.Sprintf("swept %s\n", escape(s.Path))
	if len(parts) == 0 {
		text = fmt.Sprintf("%s: nothing to recover\n", escape(s.Path))
	}
	text += strings.Join(parts, "")
	if len(s.Left) > 0 {
		text += fmt.Sprintf("left for the program: slots %s of dead processes: what its records mean is\nnot in the segment; its next process goes on\n",
			strings.Trim(fmt.Sprint(s.Left), "[]"))
	}
	return text
}
