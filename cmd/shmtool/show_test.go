package main

import (
	"bufio"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/aotf/sharedmem/shm"
)

// steady replaces what differs between two runs of a test.
func steady(s, name string) string {
	for _, r := range [][2]string{
		{`/\S*` + name, "PATH"}, {name, "NAME"},
		{`\d{4}-\d\d-\d\dT[0-9:]+Z`, "TIME"}, {`process \d+`, "process PID"}, {`layout( *) [0-9a-f]{16}`, "layout$1 HASH"},
		{`  [0-9a-f]{16}  `, "  HASH  "}, {`[0-9hm]+s ago`, "AGO"}, {`[0-9.]+ KiB( \(\d+ bytes\))?`, "SIZE"},
		{`(?m)^  0  +\d+  alive.*$`, "  0 THIS TEST"}, {`fullest bucket \d+`, "fullest bucket N"}, {` +\n`, "\n"}, {`(?m)^  SLOT .*$`, "  SLOT ..."},
	} {
		s = regexp.MustCompile(r[0]).ReplaceAllString(s, r[1])
	}
	return strings.TrimSpace(s)
}

func wantText(t *testing.T, got, want string) {
	t.Helper()
	if want = strings.TrimSpace(want); got != want {
		t.Errorf("got:\n%s\n\nwant:\n%s", got, want)
	}
}

func TestDump_Text(t *testing.T) {
	a, name := openShop(t)
	a.fill(t)
	out, _ := call(t, 0, "dump", name)
	wantText(t, steady(out, name), `
segment PATH
  size     SIZE
  state    open
  created  TIME by process PID
  layout   HASH

processes: 1 attached
  SLOT ...
  0 THIS TEST

arena jobs: 3 of 16 records in use (1 owned, 2 posted)
  1.0.1  owned from todo, process PID (shmtool.test, slot 0), attempt 1
      Key.Name       "first"
      Number         7
      Minus          -3
      On             true
      Share          0.25
      Payload        a value of a blob
      Next           1.0.1  jobs "first"
      Hits           9
      From           10.1.2.3
      Sum            abcd0000000000000000000000000000... (40 bytes)
      At             2024-02-29T12:00:00.000000005Z
      Took           1.5s
      Level          high
      Marks          hot|bit2
      Steps[1].Done  1
      Steps[1].Left  2
  1.1.1  posted in todo, by slot 0
      Key.Name  "second"
      Level     low
  1.2.1  posted in todo, by slot 0
      Key.Name  "third"
      Level     low

index by-name of jobs by Key
ring todo of jobs: 2 waiting
event change
bag later of jobs: 0 waiting
arena data-64: 1 of 4 records in use (1 settled)

semaphore slots: 1 of 3 permits held
  permit 0  held by process PID (shmtool.test, slot 0)

semaphore lock: 0 of 1 permit held

counters count
  put  3
  got  1

cell root: 42
`)
}

func TestStat_Text(t *testing.T) {
	a, name := openShop(t)
	a.fill(t)
	out, _ := call(t, 0, "stat", name)
	wantText(t, steady(out, name), `
segment PATH: open, SIZE
layout HASH, created TIME by process PID

OBJECT   KIND       USED  OF  FULL
jobs     arena      3     16  18%   1 owned, 2 posted
by-name  index      -     -   -     of jobs, 3 entries, load 1.2%,
                                    fullest bucket N of 15
todo     ring       2     16  12%   of jobs, oldest 1.1.1
later    bag        0     16  0%    of jobs
data-64  arena      1     4   25%   1 settled
slots    semaphore  1     3   33%   held by process PID (shmtool.test, slot 0)
lock     semaphore  0     1   0%
root     cell       -     -   -     = 42
counters count:
  put = 3, got = 1

processes: 1 attached
  SLOT ...
  0 THIS TEST
`)
}

func TestDump_Object(t *testing.T) {
	a, name := openShop(t)
	a.fill(t)
	out, _ := call(t, 0, "dump", "--object", "todo", name)
	for _, want := range []string{"ring todo of jobs: 2 waiting", `"second"`, `"third"`} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	if strings.Contains(out, `"first"`) || strings.Contains(out, "root") {
		t.Errorf("more than was asked for:\n%s", out)
	}
	out, _ = call(t, 0, "dump", name, "--object=data-64")
	if !strings.Contains(out, "Holder") {
		t.Errorf("no blob in\n%s", out)
	}
	_, errs := call(t, 1, "dump", name, "--object=tood")
	if !strings.Contains(errs, `did you mean "todo"?`) {
		t.Error(errs)
	}
}

func TestDump_Limit(t *testing.T) {
	a, name := openShop(t)
	a.fill(t)
	out, _ := call(t, 0, "dump", name, "--limit", "1")
	if !strings.Contains(out, "... and 2 more: --limit 0 shows all") || strings.Contains(out, "1.1.1") {
		t.Errorf("--limit 1:\n%s", out)
	}
	out, _ = call(t, 0, "dump", name, "--limit=0", "--all")
	for _, want := range []string{"On             false", "Steps[0].Done  0", "Holder", "1.2.1", "Took           0s"} {
		if !strings.Contains(out, want) {
			t.Errorf("--all: no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "not to be seen") {
		t.Errorf("a field that is not published:\n%s", out)
	}
	call(t, 2, "dump", name, "--limit", "-1")
}

func TestDump_JSON(t *testing.T) {
	a, name := openShop(t)
	a.fill(t)
	a.launch(t, "nan", func(c shm.Claim[job]) { c.Record().Share = math.NaN() })
	type fields struct {
		Key    struct{ Name string }
		Number uint64
		Share  any
		Steps  []struct{ Done, Left int }
	}
	d := decode[struct {
		Path, State string
		Processes   []shm.Process
		Objects     []struct {
			Name, Kind string
			Used       *int
			Value      uint64
			Counters   map[string]int
			Records    []struct {
				Ref, State, Queue string
				Slot, PID         int
				Fields            fields
			}
		}
	}](t, 0, "dump", name)
	if d.State != "open" || len(d.Processes) != 1 || len(d.Objects) != 10 {
		t.Fatalf("%+v", d)
	}
	jobs := d.Objects[0]
	first := jobs.Records[0]
	if len(jobs.Records) != 4 || first.Fields.Key.Name != "first" || first.Fields.Steps[1].Left != 2 ||
		first.State != "owned" || first.PID != d.Processes[0].PID {
		t.Errorf("%+v", jobs)
	}
	if got := jobs.Records[3].Fields.Share; got != "NaN" {
		t.Errorf("not a number: %v", got)
	}
	if got := d.Objects[9].Value; got != 42 {
		t.Errorf("cell: %d", got)
	}
	if got := d.Objects[8].Counters["put"]; got != 3 {
		t.Errorf("counter: %d", got)
	}
}

// What a segment holds must not reach the terminal as a command.
func TestDump_ControlCharacters(t *testing.T) {
	a, name := openShop(t)
	a.launch(t, "\x1b[2J\a\n\u202e\u009b", nil)
	for _, args := range [][]string{{"dump", name}, {"dump", name, "--json"}} {
		out, _ := call(t, 0, args...)
		for _, bad := range "\x1b\a\u202e\u009b" {
			if strings.ContainsRune(out, bad) {
				t.Errorf("%q: %q is in the output", args, bad)
			}
		}
		if !strings.Contains(out, `[2J`) {
			t.Errorf("%q: the text is not in the output:\n%s", args, out)
		}
	}
	if got := escape("a\tb\"\xff"); got != `a\tb"\xff` {
		t.Errorf("escape: %s", got)
	}
}

func TestLs(t *testing.T) {
	a, name := openShop(t)
	a.fill(t)
	out, _ := call(t, 0, "ls")
	text := ""
	for _, line := range strings.Split(out, "\n") { // others may have segments too
		if strings.HasPrefix(line, "NAME") || strings.HasPrefix(line, name+" ") {
			text += regexp.MustCompile(` {2,}`).ReplaceAllString(line, "  ") + "\n"
		}
	}
	wantText(t, steady(text, name), "NAME  SIZE  ATTACHED  STATE  LAYOUT  CREATED\nNAME  SIZE  1  open  HASH  TIME")
	poke(t, name, 8, 99) // the format version
	for _, s := range decode[[]struct {
		Name, State, Error string
		Size               uint64
	}](t, 0, "ls") {
		if s.Name == name && (!strings.Contains(s.Error, "another format version") || s.Size == 0) {
			t.Errorf("%+v", s)
		}
	}
	if out, _ = call(t, 0, "ls"); !strings.Contains(strings.ReplaceAll(out, "\n  ", " "), "another format version") { // the line is wrapped
		t.Error(out)
	}
	poke(t, name, 8, shm.FormatVersion)
}

func TestLs_Empty(t *testing.T) {
	dir := t.TempDir()
	if out, _ := call(t, 0, "--dir", dir, "ls"); out != "no segments in "+dir+"\n" {
		t.Error(out)
	}
	if out, _ := call(t, 0, "ls", "--json", "--dir="+dir); out != "[]\n" {
		t.Error(out)
	}
}

func TestStyle(t *testing.T) {
	if style(false).alarm("x") != "x" || style(true).alarm("x") != "\x1b[31mx\x1b[0m" {
		t.Error("colours")
	}
}

// Of a queue that is asked for by name, dump shows the records in the order in
// which they will be claimed; what cannot wait there is not asked for.
func TestDump_QueueOrder(t *testing.T) {
	a, name := openShop(t)
	for _, job := range []string{"one", "two", "three"} {
		a.launch(t, job, nil)
	}
	c, err := a.Todo.TryGet()
	must(t, err)
	must(t, c.Release()) // to the tail
	for _, later := range []bool{false, true} {
		queue := "todo"
		if later {
			queue = "later"
			for range 3 {
				c, err := a.Todo.TryGet()
				must(t, err)
				must(t, a.Later.Put(c))
			}
		}
		out, _ := call(t, 0, "dump", name, "--object", queue)
		one, two, three := strings.Index(out, `"one"`), strings.Index(out, `"two"`), strings.Index(out, `"three"`)
		if two < 0 || two > three || three > one {
			t.Errorf("%s:\n%s", queue, out)
		}
		if out, _ = call(t, 0, "dump", name, "--object", queue, "--limit", "1"); !strings.Contains(out, `"two"`) || strings.Contains(out, `"one"`) || !strings.Contains(out, "and 2 more") {
			t.Errorf("the head of %s:\n%s", queue, out)
		}
		_, errs := call(t, 2, "dump", name, "--object", queue, "--status", "owned")
		if !strings.Contains(errs, "--queue "+queue+" --status owned") {
			t.Errorf("a contradiction: %s", errs)
		}
	}
	if out, _ := call(t, 0, "dump", name, "--where", "Key.Name=four"); !strings.Contains(out, "no record matches") {
		t.Errorf("nothing found:\n%s", out)
	}
}

// A thousand findings of one kind are ten lines and a number.
func TestVerify_ManyAlike(t *testing.T) {
	var b strings.Builder
	tool := &tool{out: bufio.NewWriter(&b)}
	var findings []shm.Finding
	for i := range 1000 {
		findings = append(findings, shm.Finding{Severity: shm.Repairable, Object: "todo", What: fmt.Sprintf("record 1.%d.1 (turn 1): posted, but in no slot", i)})
	}
	tool.printFindings(verdictRepairable, findings)
	must(t, tool.out.Flush())
	if n := strings.Count(b.String(), "in no slot"); n != mostAlike || !strings.Contains(b.String(), "and 990 more like these") {
		t.Errorf("%d lines:\n%s", n, b.String())
	}
}
