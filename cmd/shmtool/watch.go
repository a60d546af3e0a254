package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/aotf/sharedmem/shm"
)

const watchEvery = 200 * time.Millisecond

func watchCommand() *command {
	w := &watcher{every: watchEvery}
	return &command{
		name: "watch", args: "NAME", least: 1, most: 1, short: "print a line for each change",
		help: `Prints a line for each change that it sees: time, event, what it happened to.

  joined left died swept   a process; swept: what it owned is put back
  posted moved returned    a record came into a queue, from another one, or back
                           into its own: it was given back, or its worker died
  claimed held settled     a record was claimed from its queue, is kept by its
  freed                    process, belongs to nobody, is free again
  made retiring            only with --all
  full room                all records of an arena are in use, or wait in a
                           queue; a tenth of them does not any more
  watching stopped open    the segment; open: it was stopped, and somebody has
  retired gone             started it again; gone is the last line

It looks again and again: what a record does between two looks is seen as one
change, from where it was to where it is. Blobs are not shown; --object chooses an
arena or a queue. It reads 8 bytes of each record each time, keeps a copy of them,
disturbs nobody, and never changes anything.

Examples:
  shmtool watch NAME
  shmtool watch NAME --object step-1 --every 50ms
  shmtool watch NAME --json --redact >>changes.jsonl

Exit codes: 0 ended by SIGINT, SIGTERM or --count; 1 the segment cannot be read; 2
bad usage; 3 the segment went away.`,
		shows: true,
		flags: func(fs *flag.FlagSet) {
			fs.Func("every", "look again after `DURATION` (default 200ms)", durationFlag(&w.every))
			fs.IntVar(&w.count, "count", 0, "end after `N` looks; 0 does not")
			fs.StringVar(&w.object, "object", "", "only records of arena, or from and to queue `OBJECT`; processes always")
			fs.BoolVar(&w.all, "all", false, "show also records that are being made or retired")
		},
		run: w.run,
	}
}

// A change is one line of watch.
type change struct {
	Time    string `json:"time"`
	Event   string `json:"event"`
	Object  string `json:"object,omitempty"` // arena, queue
	Ref     string `json:"ref,omitempty"`
	Key     string `json:"key,omitempty"`
	From    string `json:"from,omitempty"` // where a record was, in words
	To      string `json:"to,omitempty"`
	Slot    *int   `json:"slot,omitempty"` // of the process, or of the record's owner
	PID     int    `json:"pid,omitempty"`
	Name    string `json:"name,omitempty"` // of the process
	Attempt int    `json:"attempt,omitempty"`
	Used    int    `json:"used,omitempty"`
	Of      int    `json:"of,omitempty"`
	Note    string `json:"note,omitempty"`
}

// A watcher is one run of watch.
type watcher struct {
	every  time.Duration
	count  int
	object string
	all    bool

	t      *tool
	m      *shm.Image
	moves  *shm.Moves
	names  *namer
	state  string
	slots  map[int]shm.Process
	deaths map[int]shm.Death
	full   map[string]bool
	kinds  map[string]shm.Object
}

func (w *watcher) run(t *tool) error {
	p, err := t.place()
	if err != nil {
		return err
	}
	if w.m, err = p.inspect(); err != nil {
		return err
	}
	defer w.m.Close()
	w.t, w.names, w.full, w.kinds = t, newNamer(w.m, t.redact), map[string]bool{}, map[string]shm.Object{}
	list := []objectInfo{}
	for _, o := range w.m.Objects() {
		w.kinds[o.Name] = o
		list = append(list, objectInfo{Name: o.Name})
	}
	if w.object != "" {
		if _, err := find(list, w.object); err != nil {
			return err
		}
	}
	if w.moves, err = w.m.Moves(); err != nil {
		return err
	}
	early, err := w.m.Deaths()
	if err != nil {
		return err
	}
	s, err := w.m.Stats()
	if err != nil {
		return err
	}
	w.crowds(s)
	if w.slots, w.deaths, err = w.registry(s.Processes, early); err != nil {
		return err
	}
	w.state = s.State
	w.say(change{Event: "watching", Note: fmt.Sprintf("%s: %s, %d attached", escape(p.path), s.State, len(living(s.Processes)))})
	ctx, stop := signal.NotifyContext(t.ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	return w.loop(ctx)
}

func (w *watcher) loop(ctx context.Context) error {
	for n := 1; ; n++ {
		if w.t.out.Flush() != nil || n == w.count {
			return nil // run reports what is wrong with the output
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(w.every):
		}
		gone := ""
		switch err := w.look(); {
		case err != nil:
			gone = explain(err)
		case w.state == "retired":
			gone = "it was reset or removed"
		case !w.m.Current():
			gone = "it was removed"
		}
		if gone != "" {
			w.say(change{Event: "gone", Note: gone})
			return exitCode(exitGone)
		}
	}
}

// look prints what has changed since the last look.
func (w *watcher) look() error {
	early, err := w.m.Deaths()
	if err != nil {
		return err
	}
	s, err := w.m.Stats()
	if err != nil {
		return err
	}
	slots, deaths, err := w.registry(s.Processes, early)
	if err != nil {
		return err
	}
	moves, err := w.moves.Next()
	if err != nil {
		return err
	}
	w.processes(slots, deaths)
	for _, m := range moves {
		w.move(m)
	}
	w.crowds(s)
	if s.State != w.state {
		w.say(change{Event: s.State})
		w.state = s.State
	}
	return nil
}

// registry gives who is there and who died, by slot. A death in a slot where somebody
// lives is that of somebody before him: early are those from before the list.
func (w *watcher) registry(list []shm.Process, early []shm.Death) (map[int]shm.Process, map[int]shm.Death, error) {
	slots, deaths := map[int]shm.Process{}, map[int]shm.Death{}
	ends, err := w.m.Deaths()
	for _, d := range ends {
		deaths[d.Slot] = d
	}
	for _, p := range list {
		slots[p.Slot] = p
		if p.State == "alive" {
			delete(deaths, p.Slot)
		}
	}
	for _, d := range early {
		if slots[d.Slot].State == "alive" {
			deaths[d.Slot] = d
		}
	}
	return slots, deaths, err
}

func (w *watcher) say(c change) {
	now := time.Now()
	if w.t.json {
		c.Time = now.UTC().Format(time.RFC3339Nano)
		_ = w.t.printJSONLine(c) // plain values always encode
		return
	}
	w.t.printf("%s %-8s %s\n", now.Format("15:04:05.000"), c.Event, c.text())
}
