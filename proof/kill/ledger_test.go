//go:build crashpoint

package kill

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/aotf/sharedmem/shm"
)

// ledger counts where children were killed.
var ledger = &book{at: map[string]int{}, lines: map[string]int{}, ways: map[string][]string{}}

type book struct {
	mu         sync.Mutex
	at         map[string]int // kills by point
	lines      map[string]int // kills by line of the library's source
	operations int
	unsteady   int
	accesses   int // of all operations
	kills      int
	doubles    int                 // kills of a recoverer after a kill
	ways       map[string][]string // of the operations that always take the same, alone
	compared   int                 // kills among others of those
	elsewhere  int                 // at another point than alone: others had come between
}

func (b *book) kill(point string, lines []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at[point]++
	for _, line := range lines {
		b.lines[line]++
	}
	b.kills++
}

func (b *book) operation(name string, way []string, steady bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.operations++
	b.accesses += len(way)
	if steady {
		b.ways[name] = way
	} else {
		b.unsteady++
	}
}

// together counts a kill among others.
func (b *book) together(name string, n int, d death) {
	b.mu.Lock()
	defer b.mu.Unlock()
	way, ok := b.ways[name]
	if !ok || d.survived && n > len(way) {
		return
	}
	b.compared++
	if n > len(way) || d.point != way[n-1] {
		b.elsewhere++
	}
}

func (b *book) double() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.doubles++
}

// unreachable points are not killed at, and why.
var unreachable = map[string]string{}

// check fails when a point of any protocol was never killed at. A run of a part
// of the campaigns cannot tell.
func (b *book) check(t *testing.T) {
	whole := flag.Lookup("test.run").Value.String() == ""
	names := map[string]bool{}
	for _, p := range shm.PointNames() {
		names[p] = true
		why, ok := unreachable[p]
		switch {
		case !whole:
		case ok && b.at[p] > 0:
			t.Errorf("point %s was killed at %d times, and the list says it cannot be: %s", p, b.at[p], why)
		case !ok && b.at[p] == 0:
			t.Errorf("point %s was never killed at", p)
		}
	}
	for p := range b.at {
		if !names[p] {
			t.Errorf("killed at %q, which is no point", p)
		}
	}
	sites := accessLines(t)
	killed, excuses := 0, 0
	for line, text := range sites {
		file, _, _ := strings.Cut(line, ":")
		_, elsewhere := elsewhereFiles[file]
		_, excused := excusedLines[strings.TrimSpace(text)]
		if excused {
			excuses++
		}
		switch {
		case b.lines[line] > 0:
			killed++
		case !elsewhere && !excused && whole:
			t.Errorf("%s was never killed at: %s", line, strings.TrimSpace(text))
		}
	}
	if excuses < len(excusedLines) {
		t.Errorf("of %d excused lines only %d are there: the list is to follow the code", len(excusedLines), excuses)
	}
	t.Logf("%d of %d lines with an access", killed, len(sites))
	if whole && b.elsewhere == 0 {
		t.Error("the others never came between the steps of an operation")
	}
	t.Logf("among others, %d of %d kills were at another point than alone", b.elsewhere, b.compared)
	t.Logf("%d operations (%d that wake goroutines of their own) with %d accesses; %d of %d points; %d kills, %d of them double",
		b.operations, b.unsteady, b.accesses, len(b.at), len(names), b.kills, b.doubles)
}

// elsewhereFiles are those whose accesses no child is killed at, and why.
var elsewhereFiles = map[string]string{
	"restore.go":        "a snapshot mapped by the process alone, and a file that has no name yet",
	"restorefields.go":  "the same",
	"restorequeues.go":  "the same",
	"snapshot_linux.go": "the same",
	"inspect_queues.go": "an operator's tool that writes nothing",
	"inspect_owners.go": "the same",
	"sleeper.go":        "private segments: nobody dies there alone",
}

// excusedLines are single ones that a run may or may not come to, by their text: they
// wait for a coincidence of two processes, or only read for an operator.
var excusedLines = map[string]string{
	`v.add(Repairable, "registry", "slot %d: process %d is dead and not judged yet", i, c.slot(i)[slotPID].load(ptVerify))`: "Verify writes nothing",
	`v.add(Repairable, "registry", "slot %d: process %d is dead and not swept yet", i, c.slot(i)[slotPID].load(ptVerify))`:  "Verify writes nothing",
	`case !v.lives[slot] || slotGen(v.c.slot(uint32(slot) - 1)[slotWord].load(ptVerify))&cellGenMask != gen:`:               "Verify writes nothing",
	`} else if lap := q.lap(p); !unfilled(s, lap) && !(p == tail && filled(s, lap)) && q.tail.load(ptVerify) == tail {`:     "Verify writes nothing",
	`w.cas(ptSemGive, mine, givenBack(mine))`:                                                         "a permit taken at the instant of Close: killed there, it is the dead one's like any other",
	`if x.control(b).load(ptVerify) == c {`:                                                           "Verify writes nothing",
	`gen := slotGen(s[slotWord].load(ptProcesses))`:                                                   "a list of deaths, which writes nothing",
	`noticed := time.Duration(s[slotNoticed].load(ptProcesses))`:                                      "the same",
	`list = append(list, Death{int(i), gen, noticed, time.Duration(s[slotSwept].load(ptProcesses))})`: "the same",
	`if q.tail.load(ptRingTail) == t && w.load(ptRingSlot) == s {`:                                    "a put that another overtook by a lap, or corrupt memory: it looks again",
	`if q.head_.load(ptRingHead) == at && w.load(ptRingSlot) == s {`:                                  "the same for a get",
}

var pointName = regexp.MustCompile(`\bpt[A-Z]\w*`)

// accessLines are the lines of package shm that name a point: one point may stand
// for several accesses.
func accessLines(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../shm/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err, len(files))
	}
	lines := map[string]string{}
	for _, f := range files {
		name := filepath.Base(f)
		if name == "point.go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for n, text := range strings.Split(string(b), "\n") {
			code, _, _ := strings.Cut(text, "//")
			if pointName.MatchString(code) {
				lines[fmt.Sprint(name, ":", n+1)] = code
			}
		}
	}
	return lines
}
