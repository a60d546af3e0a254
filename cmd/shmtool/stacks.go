package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
)

func stacksCommand() *command {
	var timeout time.Duration
	var from string
	return &command{
		name: "stacks", args: "NAME", least: 1, most: 1, short: "ask AOTF's processes for the stacks of their goroutines",
		help: `Sends every attached process of AOTF the message "write your stacks", waits for the
answers, and prints them: what each goroutine is doing, and so where a worker
hangs. A process answers when it serves messages (SharedMemory.ServeMessages);
those that do not, that are stopped or too busy, or that are in another PID
namespace, are named.

Answers are side files of the segment, .NAME,stacks-PID.txt, which are removed when
they have been read. Processes that were told to write elsewhere are read there
with --from, and their files stay.

It attaches to the segment for this, as one more process. Other programs than AOTF
have no such message: it refuses their segments.

Examples:
  shmtool stacks NAME | less
  shmtool stacks NAME --timeout 30s --from /var/log/aotf

Exit codes: 0 every process answered; 1 the processes cannot be asked; 2 bad usage;
3 some did not answer in time: those that did are shown.`,
		flags: func(fs *flag.FlagSet) {
			fs.DurationVar(&timeout, "timeout", 5*time.Second, "wait at most `DURATION` for the answers")
			fs.StringVar(&from, "from", "", "read the answers in `DIR`, where the processes write them")
		},
		run: func(t *tool) error { return t.stacks(timeout, from) },
	}
}

// An answer is what one process said.
type answer struct {
	PID    int    `json:"pid"`
	Slot   int    `json:"slot"`
	Name   string `json:"name"`
	Stacks string `json:"stacks,omitempty"` // "" when it did not answer
	State  string `json:"state,omitempty"`  // why not, if that can be seen: stopped, dead

	path string
	old  os.FileInfo // of an earlier answer, nil for none
}

func (t *tool) stacks(timeout time.Duration, from string) error {
	p, err := t.place()
	if err != nil {
		return err
	}
	s, err := p.stat()
	if err != nil {
		return err
	}
	if treeOf(s.Objects) == nil {
		return fmt.Errorf("%s is not AOTF's: only its processes know the message that asks for stacks", p.path)
	}
	// What the segment names is a number: the path is made here.
	var list []*answer
	for _, x := range s.Processes {
		switch {
		case x.State != "alive":
		case x.Namespace != ourNamespace(): // its number names another process here, or none
			list = append(list, &answer{PID: x.PID, Slot: x.Slot, Name: x.Name, State: otherNamespace})
		default:
			a := &answer{PID: x.PID, Slot: x.Slot, Name: x.Name, path: filepath.Join(p.dir, fmt.Sprintf(".%s,stacks-%d.txt", p.name, x.PID))}
			if from != "" {
				a.path = filepath.Join(from, fmt.Sprintf("stacks-%d.txt", x.PID))
			}
			if a.old, err = os.Lstat(a.path); err != nil {
				a.old = nil
			}
			list = append(list, a)
		}
	}
	if len(list) == 0 {
		return fmt.Errorf("%s: %w", p.path, shm.ErrUnused)
	}
	m, err := objects.Open(p.name, &objects.Options{Dir: p.dir, Attach: true, Mode: p.options().Mode})
	if err != nil {
		return err
	}
	defer m.Close()
	if _, err := m.Processes.Send(t.ctx, objects.WriteStacks); err != nil {
		return err
	}
	deadline := time.After(timeout)
	for waiting := true; waiting && t.ctx.Err() == nil; {
		waiting = false
		for _, a := range list {
			waiting = a.path != "" && !a.read(from == "") || waiting
		}
		if !waiting {
			break
		}
		select {
		case <-deadline:
			waiting = false
		case <-t.ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	return t.printStacks(list)
}

const otherNamespace = "it is in another PID namespace: ask from there"

// read takes the answer, if it is there.
func (a *answer) read(remove bool) bool {
	if a.Stacks != "" {
		return true
	}
	now, err := os.Lstat(a.path)
	if err != nil || !now.Mode().IsRegular() || a.old != nil && os.SameFile(now, a.old) {
		return false
	}
	b, err := os.ReadFile(a.path)
	if err != nil || len(b) == 0 {
		return false
	}
	a.Stacks = string(b)
	if remove {
		_ = os.Remove(a.path) // goes with the segment otherwise
	}
	return true
}

func (t *tool) printStacks(list []*answer) error {
	slices.SortFunc(list, func(a, b *answer) int { return cmp.Compare(a.Slot, b.Slot) })
	silent := 0
	for _, a := range list {
		if a.Stacks == "" {
			silent++
			a.State = cmp.Or(a.State, runText(procOf(a.PID).run), "no answer")
		}
	}
	if t.json {
		if err := t.printJSON(struct {
			Processes []*answer `json:"processes"`
		}{list}); err != nil {
			return err
		}
	} else {
		for _, a := range list {
			if a.Stacks != "" {
				t.printf("%s\n\n%s\n", t.style.heading(fmt.Sprintf("process %d (%s, slot %d)", a.PID, escape(a.Name), a.Slot)), escapeLines(a.Stacks))
			}
		}
	}
	for _, a := range list {
		if a.Stacks == "" {
			complain(t.stderr, fmt.Sprintf("process %d (%s, slot %d) did not answer: %s", a.PID, a.Name, a.Slot, a.State))
		}
	}
	if silent > 0 {
		return exitCode(exitPartly)
	}
	return nil
}

// escapeLines escapes each line of a text, and keeps its tabs.
func escapeLines(s string) string {
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	for i, line := range lines {
		indent := len(line) - len(strings.TrimLeft(line, "\t"))
		lines[i] = line[:indent] + escape(line[indent:])
	}
	return strings.Join(lines, "\n") + "\n"
}

// stat counts the segment once.
func (p place) stat() (s segmentStat, err error) {
	m, err := p.inspect()
	if err != nil {
		return s, err
	}
	defer m.Close()
	return statOf(m, false)
}
