package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aotf/sharedmem/shm"
)

func statCommand() *command {
	return &command{
		name: "stat", args: "NAME", least: 1, most: 1, short: "show how full each object is, and who is attached",
		help: `Shows what a segment holds in numbers: records in use of each arena, depth of
each queue, permits held of each semaphore, sums of the counters, values of the
cells; and the attached processes with the object that each waits for.

  USED       records not free; records waiting in a queue; permits held
  OF         how many there can be: for a queue, the records of its arena
  WAITS FOR  where a goroutine of the process sleeps, the last one that went to
             sleep: "X (room)" is a free record of arena X, "registry" is only the
             library's own housekeeping

It never changes anything and takes no lock; on a live segment, each number is
right, and all of them together are not of one instant. It reads 8 bytes of each
record. "shmtool dump" shows the records themselves.

Examples:
  shmtool stat NAME
  watch -n1 shmtool stat NAME
  shmtool stat NAME --json | jq '.objects[] | select(.name=="todo").used'

Exit codes: 0 shown, 1 the segment cannot be read, 2 bad usage.`,
		run: stat,
	}
}

// A segmentStat is the answer of stat, and the frame of dump's.
type segmentStat struct {
	segmentInfo
	Processes []shm.Process `json:"processes"`
	Objects   []objectInfo  `json:"objects"`
}

func statOf(m *shm.Image) (s segmentStat, err error) {
	counted, err := m.Stats()
	if err != nil {
		return s, err
	}
	s.segmentInfo = infoOf(m)
	s.Processes = append([]shm.Process{}, counted.Processes...) // not nil: none are [] in JSON
	s.Objects, err = objectsOf(m, counted)
	return s, err
}

func stat(t *tool) error {
	m, err := t.inspect()
	if err != nil {
		return err
	}
	defer m.Close()
	s, err := statOf(m)
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON(s)
	}
	t.printf("%s %s, %s, layout %s, created %s by process %d\n\n", t.style.heading("segment "+escape(s.Path)+":"),
		s.stateText(t.style), bytesText(s.Size), s.Layout, s.Created, s.Creator)
	rows := [][]string{{"OBJECT", "KIND", "USED", "OF", "FULL", ""}}
	for _, o := range s.Objects {
		if o.Counters == nil {
			rows = append(rows, o.row())
		}
		for k, c := range o.Counters {
			if mean, ok := meanOf(o.Counters, k); ok {
				rows = append(rows, []string{o.Name, o.Kind, "-", "-", "-", mean})
				continue
			}
			if _, ok := meanOf(o.Counters, k-1); ok {
				continue // the count of the row above
			}
			rows = append(rows, []string{o.Name, o.Kind, "-", "-", "-", fmt.Sprintf("%s = %v", escape(c.Name), c.Value)})
		}
	}
	t.print(table(rows) + "\n")
	t.printProcesses(s.Processes)
	return nil
}

// row is an object's line in the table.
func (o objectInfo) row() []string {
	used, of, full, note := "-", "-", "-", statesText(o.States)
	if o.Used != nil {
		used, of = strconv.Itoa(*o.Used), strconv.Itoa(o.Capacity)
		if o.Capacity > 0 {
			full = fmt.Sprintf("%.0f%%", 100*float64(*o.Used)/float64(o.Capacity))
		}
	}
	if o.Of != "" {
		note = "of " + o.Of
	}
	if o.Value != nil {
		note = fmt.Sprintf("= %d", *o.Value)
	}
	return []string{o.Name, o.Kind, used, of, full, note}
}

func (s segmentInfo) stateText(c style) string {
	if s.State != "open" {
		return c.alarm(s.State)
	}
	return s.State
}

// meanOf renders a pair of counters NAME-ns and NAME-count, a sum of times and
// how many, as their mean; ok is false when there is no such pair at k.
func meanOf(counters members, k int) (text string, ok bool) {
	if k < 0 || k+1 >= len(counters) {
		return "", false
	}
	name, isSum := strings.CutSuffix(counters[k].Name, "-ns")
	sum, ok1 := counters[k].Value.(uint64)
	count, ok2 := counters[k+1].Value.(uint64)
	if !isSum || counters[k+1].Name != name+"-count" || !ok1 || !ok2 {
		return "", false
	}
	if count == 0 {
		return escape(name) + ": none", true
	}
	return fmt.Sprintf("%s: mean %v of %d", escape(name), time.Duration(sum/count).Round(time.Microsecond), count), true
}
