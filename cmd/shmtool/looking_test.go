package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// looking are all ways to look at a segment.
func looking(name string) [][]string {
	return [][]string{
		{"stat", name}, {"stat", name, "--json"}, {"stat", name, "--waits"}, {"stat", name, "--waits", "--json"},
		{"dump", name}, {"dump", name, "--all", "--limit", "0"}, {"dump", name, "--json"}, {"dump", name, "--redact"},
		{"dump", name, "--status", "posted"}, {"verify", name}, {"verify", name, "--json"}, {"get", name},
		{"top", name, "--count", "2", "--every", "10ms"}, {"top", name, "--count", "2", "--every", "10ms", "--json"},
		{"watch", name, "--count", "2", "--every", "10ms"}, {"watch", name, "--count", "2", "--every", "10ms", "--json"},
	}
}

func content(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(segments(), name))
	must(t, err)
	return b
}

// No command that looks changes a byte of the segment, dead owners or not, and
// none takes a place in it.
func TestLooking_ChangesNothing(t *testing.T) {
	a := &shop{}
	name := shmtest.Name(t)
	s, err := shm.Create(name, a, nil)
	must(t, err)
	a.launch(t, "first", nil)
	must(t, s.Close())
	child := shmtest.Child(t, "own", name)
	child.Want("ready")
	child.Kill()
	before := content(t, name)
	call(t, 0, "ls")
	for _, args := range looking(name) {
		want := 0
		if args[0] == "verify" {
			want = 1
		}
		call(t, want, args...)
		if !bytes.Equal(content(t, name), before) {
			t.Fatalf("shmtool %q changed the segment", args)
		}
	}
	// The comparison sees a change: a sweep is one.
	call(t, 0, "sweep", name)
	if bytes.Equal(content(t, name), before) {
		t.Error("a sweep changed nothing: this test sees nothing")
	}
}

// The segment is mapped without the right to write.
func TestLooking_ReadOnly(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no /proc")
	}
	name := closedShop(t)
	m, err := place{name, segments(), name, filepath.Join(segments(), name)}.inspect()
	must(t, err)
	defer m.Close()
	maps, err := os.ReadFile("/proc/self/maps")
	must(t, err)
	found := 0
	for line := range strings.Lines(string(maps)) {
		if strings.HasSuffix(strings.TrimSpace(line), "/"+name) {
			if found++; strings.Fields(line)[1] != "r--s" {
				t.Errorf("mapped as %s", line)
			}
		}
	}
	if found == 0 {
		t.Error("the segment is not mapped: this test sees nothing")
	}
}

// Text for people fits into 80 columns, where nothing of the user's is longer.
func TestLooking_Width(t *testing.T) {
	name := aotfSegment(t, 30)
	for _, args := range [][]string{{"stat", name}, {"stat", name, "--waits"}, {"dump", name}, {"top", name, "--count", "1"}, {"verify", name}} {
		out, _ := call(t, 0, args...)
		for line := range strings.Lines(strings.ReplaceAll(out, segments(), "")) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > wide {
				t.Errorf("%q: %d columns: %s", args, n, line)
			}
		}
	}
}

// aotfSegment makes a segment with AOTF's layout and some requests, one of them
// claimed, that a store of the test is attached to.
func aotfSegment(t *testing.T, requests int) string {
	t.Helper()
	name := shmtest.Name(t)
	m, err := objects.Create(name, &objects.Options{Capacity: map[string]int{"users": max(requests, 8)}, PerAddress: 16})
	must(t, err)
	t.Cleanup(func() { _ = m.Close() })
	for i := range requests {
		_, _, err := m.Users.Launch(t.Context(), objects.Query{
			URL: fmt.Sprintf("https://art.example.org/%d/%s", i, strings.Repeat("x", i*7)), Address: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})})
		must(t, err)
	}
	_, err = m.Threads.Register(t.Context(), "idle")
	must(t, err)
	worker, err := m.Threads.Register(t.Context(), "link finder 1")
	must(t, err)
	_, err = m.Users.Claim(t.Context(), worker, objects.Step1)
	must(t, err)
	return name
}

func TestDump_Tree(t *testing.T) {
	name := aotfSegment(t, 3)
	out, _ := call(t, 0, "dump", name)
	for _, want := range []string{"tree of AOTF's objects", "user_requests: User_Requests_Pipeline", "step_1_link_finder_queue",
		"step-1 2 waiting", "scan_requests: Scan_Requests_Pipeline", "indexing_ids_dict", "processes_registry", "users 3 of 8 (1 owned, 2 posted)"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	d := decode[struct{ Tree []treeNode }](t, 0, "dump", name)
	if len(d.Tree) != len(aotfTree) {
		t.Errorf("%+v", d.Tree)
	}
	other := closedShop(t)
	if out, _ := call(t, 0, "dump", other); strings.Contains(out, "tree of") {
		t.Error("a tree of AOTF in another program's segment")
	}
	if out, _ := call(t, 0, "get", name); !strings.Contains(out, "per-address=16\n") || !strings.Contains(out, "stop=no\n") {
		t.Error(out)
	}
}

func TestStat_Threads(t *testing.T) {
	name := aotfSegment(t, 3)
	for _, args := range [][]string{{"stat", name}, {"top", name, "--count", "1"}} {
		out, _ := call(t, 0, args...)
		at := strings.Index(out, "threads: 2, 1 with work")
		if at < 0 {
			t.Errorf("no threads in\n%s", out)
			continue
		}
		for _, want := range []string{`\n  idle +\d+ +- +-\n`, `\n  link finder 1 +\d+ +\d+s +users .*https://art.example.org/0/`} {
			if !regexp.MustCompile(want).MatchString(out[at:]) {
				t.Errorf("no %s in\n%s", want, out[at:])
			}
		}
	}
	if out, _ := call(t, 0, "stat", closedShop(t)); strings.Contains(out, "threads") {
		t.Error("threads of AOTF in another program's segment")
	}
}

func TestDump_Filters(t *testing.T) {
	a, name := openShop(t)
	a.fill(t)
	for _, c := range []struct {
		args      []string
		has, lack string
	}{
		{[]string{"--status", "owned"}, `"first"`, `"second"`},
		{[]string{"--status", "posted", "--limit", "1"}, `"second"`, `"third"`},
		{[]string{"--queue", "todo"}, `"first"`, "data-64"},
		{[]string{"--queue", "later"}, "segment", `"first"`},
		{[]string{"--where", "Name=third"}, `"third"`, `"second"`},
		{[]string{"--where", "Key.Name=third", "--where", "Level=low"}, `"third"`, `"second"`},
		{[]string{"--where", "Steps.Done=1"}, `"first"`, `"second"`},
		{[]string{"--where", "Name=third", "--where", "Level=high"}, "segment", `"third"`},
		{[]string{"--where", "Name=none"}, "segment", "jobs"},
	} {
		out, _ := call(t, 0, append([]string{"dump", name}, c.args...)...)
		if !strings.Contains(out, c.has) || strings.Contains(out, c.lack) {
			t.Errorf("%q: want %q and not %q in\n%s", c.args, c.has, c.lack, out)
		}
	}
	if out, _ := call(t, 0, "dump", name, "--status", "posted", "--limit", "1"); !strings.Contains(out, "and 1 more") {
		t.Error(out)
	}
	for _, c := range []struct {
		code int
		args []string
		want string
	}{
		{2, []string{"--status", "gone"}, "want one of new, posted"},
		{2, []string{"--where", "Name"}, "want FIELD=VALUE"},
		{1, []string{"--where", "Nmae=x"}, `did you mean`},
		{1, []string{"--queue", "jobs"}, "no queue"},
		{1, []string{"--queue", "tood"}, `did you mean "todo"?`},
	} {
		if _, errs := call(t, c.code, append([]string{"dump", name}, c.args...)...); !strings.Contains(errs, c.want) {
			t.Errorf("%q: %s", c.args, errs)
		}
	}
}

// What people wrote, and who they are, is in none of the answers.
func TestRedact(t *testing.T) {
	a, name := openShop(t)
	a.fill(t)
	secrets := []string{"first", "second", "10.1.2.3", "value of a blob", "abcd00"}
	open, _ := call(t, 0, "dump", name, "--all")
	for _, s := range secrets {
		if !strings.Contains(open, s) {
			t.Errorf("%q is not shown at all", s)
		}
	}
	for _, args := range [][]string{{"dump", name, "--all"}, {"dump", name, "--json"}, {"stat", name}, {"top", name, "--count", "1"},
		{"verify", name}, {"dump", name, "--object", "data-64"}} {
		out, _ := call(t, 0, append(args, "--redact")...)
		for _, s := range secrets {
			if strings.Contains(out, s) {
				t.Errorf("%q --redact: %q is in\n%s", args, s, out)
			}
		}
		if args[0] == "dump" && args[len(args)-1] != "data-64" && (!strings.Contains(out, "(text of 5 bytes)") || !strings.Contains(out, "(address)")) {
			t.Errorf("%q --redact: nothing in place of what is hidden:\n%s", args, out)
		}
	}
}

// Nor is what a worker of AOTF works on.
func TestRedact_Threads(t *testing.T) {
	name := aotfSegment(t, 3)
	secrets := []string{"art.example.org", "192.0.2."}
	for _, args := range [][]string{{"stat", name}, {"stat", name, "--json"}, {"top", name, "--count", "1"}, {"top", name, "--count", "1", "--json"}, {"dump", name, "--all"}} {
		open, _ := call(t, 0, args...)
		if !strings.Contains(open, secrets[0]) {
			t.Errorf("%q: no %q at all", args, secrets[0])
		}
		out, _ := call(t, 0, append(args, "--redact")...)
		for _, s := range secrets {
			if strings.Contains(out, s) {
				t.Errorf("%q --redact: %q is in\n%s", args, s, out)
			}
		}
	}
}

// The answer of a look is worth nothing if it is not of now.
func TestStat_Holders(t *testing.T) {
	a, name := openShop(t)
	p, err := a.Lock.TryLock()
	must(t, err)
	out, _ := call(t, 0, "stat", name)
	if !strings.Contains(out, fmt.Sprintf("held by process %d", os.Getpid())) {
		t.Error(out)
	}
	must(t, p.Release())
	if out, _ = call(t, 0, "stat", name); strings.Contains(out, "held by") {
		t.Error(out)
	}
}

func BenchmarkRefresh(b *testing.B) {
	for _, n := range []int{1000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint("records=", n), func(b *testing.B) {
			a := &heap{n: n}
			name := shmtest.Name(b)
			s, err := shm.Create(name, a, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			for range n {
				c, err := a.Items.TryNew()
				if err == nil {
					err = a.Todo.TryPut(c)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			v := &topView{t: &tool{}, every: time.Second, order: "rate", p: place{name, segments(), name, filepath.Join(segments(), name)}}
			defer v.close()
			for b.Loop() {
				sample := v.look()
				if lines := v.lines(sample, true); len(lines) < 5 || v.gone != nil {
					b.Fatal(lines)
				}
			}
		})
	}
}

// heap is an application with many small records.
type heap struct {
	Items shm.Arena[item]
	Todo  shm.Ring[item]
	n     int
}

type item struct{ Number uint64 }

func (a *heap) Define(l *shm.Layout) {
	a.Items.Define(l, "items", a.n)
	a.Todo.Define(l, "todo", &a.Items)
}

// Every value of every answer is encoded as JSON that a reader accepts.
func TestLooking_JSON(t *testing.T) {
	a, name := openShop(t)
	a.fill(t)
	for _, args := range looking(name) {
		if args[len(args)-1] != "--json" {
			continue
		}
		out, _ := call(t, 0, args...)
		dec, n := json.NewDecoder(strings.NewReader(out)), 0
		for dec.More() {
			var v map[string]any
			must(t, dec.Decode(&v))
			n++
		}
		if n == 0 {
			t.Errorf("%q says nothing", args)
		}
	}
}

// A segment's records may form a long list: each is named by the next few only.
type chain struct {
	Links shm.Arena[link]
	Ready shm.Ring[link]
}

type link struct {
	Next   shm.Ref[link]
	Number uint64
}

func (a *chain) Define(l *shm.Layout) {
	a.Links.Define(l, "links", 50_000)
	a.Ready.Define(l, "ready", &a.Links)
}

func TestDump_LongList(t *testing.T) {
	a := &chain{}
	name := shmtest.Name(t)
	s, err := shm.Create(name, a, nil)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	var next shm.Ref[link]
	for range a.Links.Cap() {
		c, err := a.Links.TryNew()
		must(t, err)
		c.Record().Next = next
		next = c.Ref()
		must(t, a.Ready.TryPut(c))
	}
	out, _ := call(t, 0, "dump", name, "--object", "links", "--limit", "0")
	if n := strings.Count(out, "Next"); n != a.Links.Cap()-1 && n != a.Links.Cap() {
		t.Errorf("%d of %d records", n, a.Links.Cap())
	}
	for line := range strings.Lines(out) {
		if len(line) > 200 {
			t.Fatalf("a line of %d bytes: %.200s", len(line), line)
		}
	}
}
