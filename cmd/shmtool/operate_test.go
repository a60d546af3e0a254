package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// claim NAME: claim a job and the lock, and wait to be killed.
	shmtest.Register("claim", func(args []string) {
		a := &shop{}
		_, err := shm.Attach(args[0], a, nil)
		if err == nil {
			_, err = a.Todo.TryGet()
		}
		if err == nil {
			_, err = a.Lock.TryLock()
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("ready")
		select {}
	})
	// claim-briefly NAME: claim a job, free it when told to, and wait to be killed.
	shmtest.Register("claim-briefly", func(args []string) {
		a := &shop{}
		_, err := shm.Attach(args[0], a, nil)
		if err == nil {
			var c shm.Claim[job]
			if c, err = a.Todo.TryGet(); err == nil {
				fmt.Println("ready")
				_, _ = fmt.Scanln()
				err = c.Free()
			}
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("freed")
		select {}
	})
	// claim-aotf NAME: claim a request of AOTF at step 1, and wait to be killed.
	shmtest.Register("claim-aotf", func(args []string) {
		m, err := objects.Open(args[0], &objects.Options{Attach: true})
		if err == nil {
			_, err = m.Users.Claim(context.Background(), nil, objects.Step1)
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("ready")
		select {}
	})
}

// guarded is heap with a function that tells which items are wanted: those that
// somebody's word names, of which there are none.
type guarded struct{ heap }

func (a *guarded) Define(l *shm.Layout) {
	a.Items.Anchored = func(shm.Ref[item], *item) bool { return false }
	a.heap.Define(l)
}

func init() {
	// make-item NAME heap|guarded: make a record of an arena without index, and wait
	// to be killed.
	shmtest.Register("make-item", func(args []string) {
		a := &guarded{heap{n: 8}}
		var app shm.Definer = a
		if args[1] == "heap" {
			app = &a.heap
		}
		_, err := shm.Attach(args[0], app, nil)
		if err == nil {
			_, err = a.Items.TryNew()
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("ready")
		select {}
	})
}

// unjudged creates a segment in which a process died that had made a record of
// which only its program can say whether something names it.
func unjudged(t *testing.T) string {
	t.Helper()
	name := shmtest.Name(t)
	s, err := shm.Create(name, &guarded{heap{n: 8}}, nil)
	must(t, err)
	must(t, s.Close())
	child := shmtest.Child(t, "make-item", name, "guarded")
	child.Want("ready")
	child.Kill()
	return name
}

// What only the program can judge is left to it, and said.
func TestSweep_Unjudged(t *testing.T) {
	name := unjudged(t)
	out, _ := call(t, 0, "sweep", name)
	if !strings.Contains(out, "left for the program: slots 0 of dead processes") {
		t.Error(out)
	}
	call(t, 1, "verify", name)
	s, err := shm.Attach(name, &guarded{heap{n: 8}}, nil)
	must(t, err)
	_, err = s.Sweep(t.Context())
	must(t, err)
	must(t, s.Close())
	call(t, 0, "verify", name)
}

// A record that was being made when the snapshot was taken, of a program without
// such a function, needs nobody's judgement.
func TestRestore_RecordsBeingMade(t *testing.T) {
	name := shmtest.Name(t)
	s, err := shm.Create(name, &heap{n: 8}, nil)
	must(t, err)
	must(t, s.Close())
	child := shmtest.Child(t, "make-item", name, "heap")
	child.Want("ready")
	child.Kill()
	file := filepath.Join(t.TempDir(), "copy")
	call(t, 0, "snapshot", name, file)
	call(t, 0, "rm", name)
	if out, _ := call(t, 0, "restore", file, name); !strings.Contains(out, "1 record that its process held, or nobody could reach, was freed") {
		t.Error(out)
	}
	call(t, 0, "verify", name)

	name = unjudged(t)
	file += "2"
	call(t, 0, "snapshot", name, file)
	call(t, 0, "rm", name)
	call(t, 0, "restore", file, name)
	if out, _ := call(t, 1, "verify", name); !strings.Contains(out, "any process of the program that attaches") {
		t.Error(out)
	}
	if out, _ := call(t, 0, "stat", name); !strings.Contains(out, "restored") {
		t.Error(out)
	}
}

// withJob creates a segment with one job in todo that nobody is attached to.
func withJob(t *testing.T) string {
	t.Helper()
	a, name := &shop{}, shmtest.Name(t)
	s, err := shm.Create(name, a, nil)
	must(t, err)
	a.launch(t, "first", nil)
	must(t, s.Close())
	return name
}

func TestSweep(t *testing.T) {
	name := withJob(t)
	if out, _ := call(t, 0, "sweep", name); !strings.Contains(out, "nothing to recover") {
		t.Error(out)
	}
	child := shmtest.Child(t, "claim", name)
	child.Want("ready")
	// A living process loses nothing, stopped or not.
	must(t, stopProcess(child.Cmd.Process))
	if s := decode[swept](t, 0, "sweep", name); s.Report != (shm.Report{}) || len(s.Left) != 0 {
		t.Errorf("a stopped process was robbed: %+v", s)
	}
	child.Kill()
	call(t, 1, "verify", name)
	out, _ := call(t, 0, "sweep", name)
	for _, want := range []string{"1 slot of a dead process is free", "1 record is back in its queue", "1 permit is free"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	call(t, 0, "verify", name)
	if out, _ := call(t, 0, "stat", name); !strings.Contains(out, "1 permit whose last holder died") {
		t.Error(out)
	}
	if _, errs := call(t, 1, "sweep", "shmtest-none"); !strings.Contains(errs, "no such segment") {
		t.Error(errs)
	}
}

// A segment of AOTF is swept by its own rules, and a stopped one stays so.
func TestSweep_AOTF(t *testing.T) {
	name := shmtest.Name(t)
	m, err := objects.Create(name, nil)
	must(t, err)
	_, _, err = m.Users.Launch(t.Context(), objects.Query{URL: "https://example.org/1"})
	must(t, err)
	must(t, m.Close())
	child := shmtest.Child(t, "claim-aotf", name)
	child.Want("ready")
	child.Kill()
	s := decode[swept](t, 0, "sweep", name)
	if s.Report.Dead != 1 || s.Report.Posted != 1 || len(s.Left) != 0 {
		t.Errorf("%+v", s)
	}
	call(t, 0, "verify", name)
	child = shmtest.Child(t, "claim-aotf", name)
	child.Want("ready")
	call(t, 0, "set", name, "stop")
	child.Kill()
	if s := decode[swept](t, 0, "sweep", name); s.Report.Posted != 1 {
		t.Errorf("%+v", s)
	}
	if out, _ := call(t, 0, "get", name, "stop"); out != "yes\n" {
		t.Errorf("the sweep started a stopped segment: stop is %q", out)
	}
}

func TestGetSet(t *testing.T) {
	a := &shop{}
	s := shmtest.New(t, a, nil)
	a.Root.CompareAndSwap(0, 42)
	if out, _ := call(t, 0, "get", s.Name()); out != "stop=no\nstate=open\nprocesses=1\nroot=42\n" {
		t.Error(out)
	}
	if v := decode[map[string]string](t, 0, "get", s.Name()); v["root"] != "42" || v["stop"] != "no" {
		t.Error(v)
	}
	if _, errs := call(t, 1, "get", s.Name(), "rot"); !strings.Contains(errs, `did you mean "root"?`) {
		t.Error(errs)
	}
	before := content(t, s.Name())
	if _, errs := call(t, 2, "set", s.Name(), "root"); !strings.Contains(errs, "want stop, or KEY=N") {
		t.Error(errs)
	}
	if _, errs := call(t, 2, "set", s.Name(), "root=3"); !strings.Contains(errs, "cannot be set") { // no setting
		t.Error(errs)
	}
	if !bytes.Equal(before, content(t, s.Name())) {
		t.Error("a refused set changed the segment")
	}
	if out, _ := call(t, 0, "set", s.Name(), "stop"); !strings.Contains(out, fmt.Sprintf("process %d", os.Getpid())) {
		t.Error(out)
	}
	if <-s.Done(); !errors.Is(s.Err(), shm.ErrStopped) {
		t.Errorf("the attached see %v", s.Err())
	}
	if out, _ := call(t, 0, "get", s.Name(), "stop"); out != "yes\n" {
		t.Error(out)
	}
	must(t, s.Close())
	if _, errs := call(t, 1, "set", s.Name(), "stop"); !strings.Contains(errs, "nobody to tell") {
		t.Error(errs)
	}
}

// Traffic is no finding.
func TestVerify_Live(t *testing.T) {
	a, name := openShop(t)
	for _, n := range []string{"one", "two", "three", "four"} {
		a.launch(t, n, nil)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	for range 2 {
		go func() {
			for ctx.Err() == nil {
				c, err := a.Todo.TryGet()
				if err == nil {
					err = a.Todo.TryPut(c)
				}
				if err != nil && !errors.Is(err, shm.ErrEmpty) {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	m, err := shm.Inspect(filepath.Join(segments(), name), nil)
	must(t, err)
	defer m.Close()
	for n, taken := 0, uint64(0); n < 20 || taken < 10_000; n++ { // there is traffic meanwhile
		if out, _ := call(t, 0, "verify", name); out != "OK\n" {
			t.Error(out)
		}
		q, err := m.Queue("todo")
		must(t, err)
		taken = q.Taken
	}
	cancel()
	for range 2 {
		must(t, <-done)
	}
}

// AOTF's limits are set while nobody is attached, and outlive a reset.
func TestSet_Limits(t *testing.T) {
	name := shmtest.Name(t)
	call(t, 0, "create", name, "--tokens", "5", "--per-address", "3")
	call(t, 0, "set", name, "tokens=7")
	if out, _ := call(t, 0, "reset", name); !strings.Contains(out, "keeps tokens=7\n") || !strings.Contains(out, "keeps per-address=3\n") {
		t.Error(out)
	}
	if v := decode[map[string]any](t, 0, "set", name, "per-address=2"); v["key"] != "per-address" || v["value"] != 2.0 {
		t.Error(v)
	}
	if out, _ := call(t, 0, "get", name); !strings.Contains(out, "tokens=7\nper-address=2\n") {
		t.Error(out)
	}
	for _, word := range []string{"tokens=129", "per-address=17"} {
		call(t, 1, "set", name, word)
	}
	for _, word := range []string{"tokens=0", "tokens=x", "tokens", "limits=5", "counts-current=1", "token=3"} {
		call(t, 2, "set", name, word)
	}
	m, err := objects.Open(name, &objects.Options{Attach: true})
	must(t, err)
	defer m.Close()
	if _, errs := call(t, 1, "set", name, "tokens=8"); !strings.Contains(errs, "in use by process") {
		t.Error(errs)
	}
	if m.Tokens() != 7 {
		t.Errorf("%d tokens", m.Tokens())
	}
}
