package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// shop2 is a later version of shop: its jobs have lost Sum and won Extra.
type job2 struct {
	Key     jobKey `shm:"key"`
	Number  uint64
	Extra   uint64
	Payload shm.Blob
}

type shop2 struct {
	Jobs   shm.Arena[job2]
	ByName shm.Index[job2, jobKey]
	Todo   shm.Ring[job2]
	Later  shm.Bag[job2]
	Data   shm.Blobs
	Count  shm.Counters
}

func (a *shop2) Define(l *shm.Layout) {
	a.Jobs.Define(l, "jobs", 32)
	a.ByName.Define(l, "by-name", &a.Jobs)
	a.Todo.Define(l, "todo", &a.Jobs)
	a.Later.Define(l, "later", &a.Jobs)
	a.Data.Define(l, "data", shm.BlobClass{Size: 128, Count: 4})
	a.Count.Define(l, "count", "put", "got")
}

func TestSnapshotAndRestore(t *testing.T) {
	name := shmtest.Name(t)
	a := &shop{}
	s, err := shm.Create(name, a, nil)
	must(t, err)
	a.fill(t)
	file := filepath.Join(t.TempDir(), "shop.shm")
	if _, errs := call(t, 1, "snapshot", name, file); !strings.Contains(errs, "in use by process") {
		t.Error(errs)
	}
	if out, _ := call(t, 0, "snapshot", name, file, "--force"); !strings.Contains(out, "attached meanwhile: process") {
		t.Error(out)
	}
	if _, errs := call(t, 1, "snapshot", name, file, "--force"); !strings.Contains(errs, "is not replaced") {
		t.Error(errs)
	}
	_ = s.Close() // gives back what it had claimed
	// The file is looked at like a segment.
	if out, _ := call(t, 0, "dump", file, "--queue", "todo"); !strings.Contains(out, `Key.Name       "first"`) || !strings.Contains(out, "DEAD") {
		t.Error(out)
	}
	if out, _ := call(t, 0, "stat", file); !strings.Contains(out, "1 dead and not swept") {
		t.Error(out)
	}
	call(t, 1, "verify", file)

	// Without another layout: its own, with another capacity.
	again := shmtest.Name(t)
	r := decode[restored](t, 0, "restore", file, again, "--capacity", "jobs=100")
	if r.Layout != "the snapshot's own" || r.Records["jobs"] != 3 || r.Blobs != 1 || r.Swept.Posted != 1 {
		t.Errorf("%+v", r)
	}
	call(t, 0, "verify", again)
	if out, _ := call(t, 0, "stat", again); !strings.Contains(out, "3     100") {
		t.Error(out)
	}
	if _, errs := call(t, 1, "restore", file, again); !strings.Contains(errs, "not empty") {
		t.Error(errs)
	}
	if _, errs := call(t, 1, "restore", file, again, "--capacity", "jobs=7"); !strings.Contains(errs, "for a new segment") {
		t.Error(errs)
	}

	// Into the new program's.
	next := shmtest.Name(t)
	s, err = shm.Create(next, &shop2{}, nil)
	must(t, err)
	if _, errs := call(t, 1, "restore", file, next); !strings.Contains(errs, "end its processes") {
		t.Error(errs)
	}
	must(t, s.Close())
	out, _ := call(t, exitPartly, "restore", file, next)
	for _, want := range []string{"3 records of jobs", "1 blob", "new, and empty: field jobs.Extra", "NOT brought over: jobs.Sum: a field that is gone (1)",
		"gone, and was empty: jobs.Result: a field that is gone", "NOT brought over: root: a cell that is gone (1)"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	call(t, 0, "verify", next)
	b := &shop2{}
	s, err = shm.Attach(next, b, nil)
	must(t, err)
	defer s.Close()
	c, err := b.Todo.TryGet() // second, third, and first, which was claimed
	must(t, err)
	if shm.Text(c.Record().Key.Name[:]) != "second" {
		t.Errorf("%s", c.Record().Key.Name)
	}
	must(t, c.Free())
}

func TestRestore_AOTF(t *testing.T) {
	name := shmtest.Name(t)
	m, err := objects.Create(name, &objects.Options{Capacity: map[string]int{"users": 8}, PerAddress: 16})
	must(t, err)
	ref, _, err := m.Users.Launch(t.Context(), objects.Query{Direct: true, URL: "https://example.org/1", Image: []byte("picture")})
	must(t, err)
	must(t, m.Close())
	file := filepath.Join(t.TempDir(), "aotf.shm")
	if out, _ := call(t, 0, "snapshot", name, file); !strings.Contains(out, "with 1 side file beside it") {
		t.Error(out)
	}
	call(t, 0, "rm", name)
	r := decode[restored](t, 0, "restore", file, name, "--capacity", "users=64")
	if !strings.HasPrefix(r.Layout, "AOTF's") || r.SideFiles != 1 || r.Moved != 0 {
		t.Errorf("%+v", r)
	}
	m, err = objects.Open(name, &objects.Options{Attach: true})
	must(t, err)
	defer m.Close()
	c, err := m.Users.Claim(t.Context(), nil, objects.Step3)
	must(t, err)
	if b, err := c.Image(t.Context()); err != nil || string(b) != "picture" || c.Request().ID != ref {
		t.Errorf("%q %v %v", b, err, c.Request().ID)
	}
}

func init() {
	// serve-stacks NAME: be a process of AOTF that answers.
	shmtest.Register("serve-stacks", func(args []string) {
		m, err := objects.Open(args[0], &objects.Options{Attach: true})
		fmt.Println(err)
		if err == nil {
			_ = m.ServeMessages(context.Background(), "")
		}
	})
	// mute NAME: be one that does not.
	shmtest.Register("mute", func(args []string) {
		_, err := objects.Open(args[0], &objects.Options{Attach: true})
		fmt.Println(err)
		select {}
	})
}

func TestStacks(t *testing.T) {
	name := shmtest.Name(t)
	call(t, 0, "create", name)
	if _, errs := call(t, 1, "stacks", name); !strings.Contains(errs, "no process is attached") {
		t.Error(errs)
	}
	for range 2 {
		shmtest.Child(t, "serve-stacks", name).Want("<nil>")
	}
	for range 2 { // what was answered before is not taken for an answer
		out, _ := call(t, 0, "stacks", name, "--timeout", "1m")
		if strings.Count(out, "ServeMessages(") < 2 || strings.Count(out, "(shmtool.test, slot ") != 2 {
			t.Error(out)
		}
	}
	if left, err := filepath.Glob(filepath.Join(segments(), "."+name+",*")); err != nil || len(left) != 0 {
		t.Errorf("left: %v %v", left, err)
	}
	mute := shmtest.Child(t, "mute", name)
	mute.Want("<nil>")
	_, errs := call(t, exitPartly, "stacks", name, "--timeout", "1s")
	if !strings.Contains(errs, fmt.Sprintf("process %d (shmtool.test, slot 2) did not answer: no answer", mute.Cmd.Process.Pid)) {
		t.Error(errs)
	}
	if _, errs := call(t, 1, "stacks", closedShop(t)); !strings.Contains(errs, "is not AOTF's") {
		t.Error(errs)
	}
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("stacks-%d.txt", mute.Cmd.Process.Pid)), []byte("old"), fs.FileMode(0o600)))
	if out, _ := call(t, exitPartly, "stacks", name, "--timeout", "10ms", "--from", dir); strings.Contains(out, "old") {
		t.Error("an old answer was taken for a new one")
	}
	const slotNamespace = 4096 + 2*256 + 16 // docs/format.md
	poke(t, name, slotNamespace, 1)
	_, errs = call(t, exitPartly, "stacks", name, "--timeout", "1m") // which it does not wait for
	if !strings.Contains(errs, "slot 2) did not answer: it is in another PID namespace") {
		t.Error(errs)
	}
}

// A group's segment is asked like any other.
func TestStacks_OfAGroup(t *testing.T) {
	name := shmtest.Name(t)
	t.Cleanup(func() { call(t, 0, "rm", name) })
	call(t, 0, "create", name, "--mode", "0660")
	m, err := objects.Open(name, &objects.Options{Attach: true, Mode: 0o660})
	must(t, err)
	defer m.Close()
	done := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- m.ServeMessages(ctx, "") }()
	if out, _ := call(t, 0, "stacks", name, "--timeout", "1m"); !strings.Contains(out, "ServeMessages(") {
		t.Error(out)
	}
	cancel()
	<-done
}

// askSnapshots is the part of TestSchema that needs files.
func askSnapshots(t *testing.T, ask func(command string, args ...string), note func(command, out string)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "snapshot")
	a, name := openShop(t)
	a.fill(t)
	ask("snapshot", "snapshot", name, file, "--force")
	next, same := shmtest.Name(t), shmtest.Name(t)
	s, err := shm.Create(next, &shop2{}, &shm.Options{Capacity: map[string]int{"jobs": 2}})
	must(t, err)
	must(t, s.Close())
	ask("restore", "restore", file, next) // too small: refused
	must(t, shm.Remove(next, nil, false))
	s, err = shm.Create(next, &shop2{}, nil)
	must(t, err)
	must(t, s.Close())
	ask("restore", "restore", file, next)
	moving := filepath.Join(t.TempDir(), "moving")
	b, many := &shop{}, shmtest.Name(t)
	s, err = shm.Create(many, b, nil)
	must(t, err)
	for i := range 12 {
		b.launch(t, fmt.Sprint(i), nil)
	}
	for range 8 {
		c, err := b.Todo.TryGet()
		must(t, err)
		must(t, c.Free())
	}
	for r, st := range b.Jobs.All() {
		if st.State() == shm.Posted {
			b.Root.CompareAndSwap(0, r.Uint64())
		}
	}
	must(t, s.Close())
	ask("snapshot", "snapshot", many, moving)
	ask("restore", "restore", moving, same, "--capacity", "jobs=5")
	aotf := aotfSegment(t, 1)
	shmtest.Child(t, "serve-stacks", aotf).Want("<nil>")
	ask("stacks", "stacks", aotf, "--timeout", "1s")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	run(ended, []string{"serve", aotf, "--json"}, nil, &out, io.Discard)
	note("serve", out.String())
}

// A group's segment stays one over create, snapshot and restore.
func TestSharing(t *testing.T) {
	name := shmtest.Name(t)
	path := filepath.Join(segments(), name)
	group := strconv.Itoa(os.Getegid())
	t.Cleanup(func() { call(t, 0, "rm", name) })
	want := func(mode fs.FileMode) {
		t.Helper()
		st, err := os.Stat(path)
		must(t, err)
		if st.Mode().Perm() != mode {
			t.Errorf("mode %o, want %o", st.Mode().Perm(), mode)
		}
	}
	call(t, 2, "create", name, "--mode", "0666")
	call(t, 2, "create", name, "--group", "12345")
	call(t, 2, "create", name, "--mode", "0660", "--group", "no such group")
	call(t, 0, "create", name, "--mode", "0660", "--group", group)
	want(0o660)
	file := filepath.Join(t.TempDir(), "copy")
	call(t, 0, "snapshot", name, file)
	call(t, 0, "restore", file, name)
	want(0o660)
	if _, stderr := call(t, 1, "restore", file, name, "--mode", "0600"); !strings.Contains(stderr, "for a new segment") {
		t.Error(stderr)
	}
	call(t, 0, "rm", name)
	call(t, 0, "restore", file, name)
	want(0o660)
	call(t, 0, "rm", name)
	call(t, 0, "restore", file, name, "--mode", "0600")
	want(0o600)
}
