package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/aotf/sharedmem/shm"
)

const (
	soonest   = 10 * time.Millisecond // between two looks
	topEvery  = time.Second
	hintOfTop = "q quit  j k scroll  order by: o segment  n name  u use  r rate"
)

func topCommand() *command {
	v := &topView{every: topEvery, order: "segment"}
	return &command{
		name: "top", args: "NAME", least: 1, most: 1, short: "show the same as stat, live, with rates",
		help: `Shows what stat shows, again and again, and what moved a second since the last
time: records posted to a ring (IN/S) and taken from it (OUT/S), counts of the
counters (IN/S); and how long a permit has been seen held.

On a terminal it fills the screen; keys: q ends it, o n u r choose the order of the
objects (the segment's, name, use, rate), j and k scroll when there is more than
the screen has room for, the space bar looks at once. Otherwise, and with
TERM=dumb, it prints one block after the other; with --json, one line of JSON each
time.

When the segment is removed, or replaced by another, it says so, and shows the new
one when there is one.

Each look reads 8 bytes of each record and does not disturb anybody. It never
changes anything.

Examples:
  shmtool top NAME
  shmtool top NAME --every 200ms --order rate
  shmtool top NAME --count 3 --every 10s --json >>load.jsonl

Exit codes: 0 ended by q, a signal or --count; 1 the segment cannot be read; 2 bad
usage; 3 the segment was gone at the end.`,
		shows: true,
		flags: func(fs *flag.FlagSet) {
			fs.Func("every", "look again after `DURATION` (default 1s)", durationFlag(&v.every))
			fs.IntVar(&v.count, "count", 0, "end after `N` looks; 0 does not")
			fs.Func("order", "order of the objects: `ORDER` is segment, name, use or rate", func(s string) error {
				if _, ok := orders[s]; !ok {
					return errors.New("want segment, name, use or rate")
				}
				v.order = s
				return nil
			})
		},
		run: v.run,
	}
}

// durationFlag sets the time between two looks.
func durationFlag(d *time.Duration) func(string) error {
	return func(s string) (err error) {
		if *d, err = time.ParseDuration(s); err == nil && *d < soonest {
			err = fmt.Errorf("want %v at least, like 500ms or 2s", soonest)
		}
		return err
	}
}

// A topView is one run of top.
type topView struct {
	every time.Duration
	count int
	order string
	down  int // lines scrolled

	t    *tool
	p    place
	m    *shm.Image // nil while the segment is gone
	last segmentStat
	at   time.Time
	gone error
}

func (v *topView) run(t *tool) error {
	v.t = t
	var err error
	if v.p, err = t.place(); err != nil {
		return err
	}
	if v.m, err = v.p.inspect(); err != nil {
		return err
	}
	defer func() { v.close() }()
	ctx, stop := signal.NotifyContext(t.ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if s := screenOf(t); s != nil && !t.json {
		if err = v.live(ctx, s); err == nil && v.gone != nil { // the screen that said so is gone too
			t.printf("%s\n", v.goneText())
		}
	} else {
		err = v.plain(ctx)
	}
	if err == nil && v.gone != nil {
		err = exitCode(exitGone)
	}
	return err
}

func (v *topView) close() {
	if v.m != nil {
		_ = v.m.Close()
		v.m = nil
	}
}

// look takes a sample. What goes wrong means that the segment is gone, for now.
func (v *topView) look() segmentStat {
	var err error
	if v.m == nil {
		if v.m, err = v.p.inspect(); err != nil {
			v.m, v.gone = nil, err
			return v.last
		}
		v.last, v.at = segmentStat{}, time.Time{}
	}
	s, err := statOf(v.m, false)
	if err == nil {
		s.Threads, err = threadsOf(v.m, s.Objects, v.t.redact)
	}
	switch {
	case err != nil:
	case !v.m.Current():
		err = fmt.Errorf("%s: removed or replaced", v.p.path)
	case s.State == "retired":
		err = fmt.Errorf("%s: %w", v.p.path, shm.ErrRetired)
	}
	if v.gone = err; err != nil {
		v.close()
		return v.last
	}
	now := time.Now()
	if !v.at.IsZero() {
		s.rates(v.last, now.Sub(v.at))
	}
	v.last, v.at = s, now
	return s
}

func (v *topView) goneText() string { return "the segment is gone: " + escape(explain(v.gone)) }

// lines are one block of text.
func (v *topView) lines(s segmentStat, c style) (lines []string) {
	stamp := time.Now().Format("15:04:05")
	if v.gone != nil {
		lines := wrapWords(v.goneText(), wide)
		for i, l := range lines {
			lines[i] = c.alarm(l)
		}
		return append(lines, stamp+", waiting for a segment of that name")
	}
	head := fmt.Sprintf("%s  %s, %s  %s, every %v", c.heading(escape(s.Path)), s.stateText(c), bytesText(s.Size), stamp, v.every)
	lines = append(lines, head, "")
	lines = append(lines, objectLines(ordered(s.Objects, v.order), c, true)...)
	lines = append(lines, "")
	lines = append(lines, processLines(s.Processes, c)...)
	if threads := threadLines(s.Threads, c); threads != nil {
		lines = append(append(lines, ""), threads...)
	}
	return lines
}

// plain prints block after block.
func (v *topView) plain(ctx context.Context) error {
	for n := 1; ; n++ {
		s := v.look()
		switch {
		case v.t.json:
			if err := v.t.printJSONLine(struct {
				Time string `json:"time"`
				Gone string `json:"gone,omitempty"`
				segmentStat
			}{time.Now().UTC().Format(time.RFC3339Nano), errorText(v.gone), s}); err != nil {
				return err
			}
		default:
			v.t.printf("%s\n\n", strings.Join(v.lines(s, v.t.style), "\n"))
		}
		if err := v.t.out.Flush(); err != nil || n == v.count {
			return nil // run reports what is wrong with the output
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(v.every):
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return explain(err)
}
