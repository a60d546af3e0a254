package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// wait NAME: own a record and a permit, and wait for a change that never comes.
	shmtest.Register("wait", func(args []string) {
		a := &shop{}
		_, err := shm.Attach(args[0], a, nil)
		if err == nil {
			_, err = a.Jobs.TryNew()
		}
		if err == nil {
			_, err = a.Slots.TryAcquire()
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("ready")
		_ = a.Change.Wait(context.Background(), func() (bool, error) { return false, nil })
		select {}
	})
}

// schema reads the list of docs/shmtool.md: the paths of each command's JSON.
func schema(t *testing.T) map[string]map[string]bool {
	t.Helper()
	doc, err := os.ReadFile("../../docs/shmtool.md")
	if err != nil {
		t.Skip("the documents are not here: ", err)
	}
	_, text, _ := strings.Cut(string(doc), "```schema\n")
	text, _, ok := strings.Cut(text, "```")
	if !ok {
		t.Fatal("docs/shmtool.md has no schema")
	}
	types, commands := map[string][]string{}, map[string]map[string]bool{}
	var expand func(prefix string, words []string) []string
	expand = func(prefix string, words []string) (paths []string) {
		for _, w := range words {
			path, name, typed := strings.Cut(w, ":")
			switch {
			case typed && types[name] != nil:
				paths = append(paths, expand(prefix+path+".", types[name])...)
			case types[w] != nil:
				paths = append(paths, expand(prefix, types[w])...)
			default:
				paths = append(paths, prefix+w)
			}
		}
		return paths
	}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if strings.ToUpper(words[0]) == words[0] {
			types[words[0]] = words[1:]
			continue
		}
		commands[words[0]] = map[string]bool{}
		for _, p := range expand("", words[1:]) {
			commands[words[0]][p] = true
		}
	}
	return commands
}

// paths are the names in a JSON value; names that are the segment's own are *.
func paths(all map[string]bool, prefix string, v any) {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			p := strings.TrimPrefix(prefix+"."+k, ".")
			if k == "fields" || k == "states" || k == "counters" || k == "records" && prefix == "" {
				if m, ok := e.(map[string]any); ok && len(m) > 0 {
					all[p+".*"] = true
				}
				continue
			}
			paths(all, p, e)
		}
	case []any:
		for _, e := range x {
			paths(all, prefix+"[]", e)
		}
	default:
		all[prefix] = true
	}
}

func TestSchema(t *testing.T) {
	documented := schema(t)
	seen := map[string]map[string]bool{}
	note := func(command, out string) {
		t.Helper()
		if seen[command] == nil {
			seen[command] = map[string]bool{}
		}
		for dec := json.NewDecoder(strings.NewReader(out)); dec.More(); {
			var v any
			must(t, dec.Decode(&v))
			if m, ok := v.(map[string]any); ok && command == "get" {
				for range m {
					seen[command]["*"] = true
				}
				continue
			}
			paths(seen[command], "", v)
		}
	}
	ask := func(command string, args ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		run(t.Context(), append(args, "--json"), strings.NewReader(""), &out, &errs)
		note(command, out.String())
	}
	waitFor := func(command string, want string, args ...string) {
		t.Helper()
		for start := time.Now(); !seen[command][want]; time.Sleep(time.Millisecond) {
			if ask(command, args...); time.Since(start) > time.Minute {
				t.Fatalf("%s never says %s", command, want)
			}
		}
	}

	// A segment with everything, a process that waits, and later is dead.
	name := closedShop(t)
	watched := &lineReader{}
	ctx, cancel := context.WithCancel(t.Context())
	code, _ := begin(ctx, nil, watched, "watch", name, "--every", "10ms", "--json")
	watched.want(t, "watching")
	filler, own := shmtest.Child(t, "fill", name), shmtest.Child(t, "wait", name)
	filler.Want("ready")
	own.Want("ready")
	watched.want(t, `"claimed"`)
	waitFor("stat", "processes[].waiting", "stat", name)
	waitFor("stat", "objects[].waiters[]", "stat", name)
	waitFor("dump", "objects[].waiters[]", "dump", name, "--limit", "1")
	waitFor("top", "objects[].waiters[]", "top", name, "--count", "2", "--every", "10ms")
	must(t, os.WriteFile(filepath.Join(segments(), "."+name+",x"), nil, 0o600))
	ask("ls", "ls")
	ask("get", "get", name)
	aotf := aotfSegment(t, 2)
	ask("dump", "dump", aotf)
	ask("stat", "stat", aotf)
	ask("top", "top", aotf, "--count", "1")
	filler.Kill() // the other one is attached, and puts back what it had
	watched.want(t, `"returned"`)
	ask("reset", "reset", name, "--force")
	ended(t, code, exitGone)
	cancel()
	note("watch", watched.String())
	own.Kill()

	damaged := withJob(t)
	owner := shmtest.Child(t, "wait", damaged)
	owner.Want("ready")
	untilWaiting(t, damaged)
	ask("set", "set", damaged, "stop")
	owner.Kill()
	for _, args := range [][]string{{"ls"}, {"stat", damaged}, {"dump", damaged}, {"top", damaged, "--count", "1"}, {"verify", damaged}, {"verify", "shmtest-none"}} {
		ask(args[0], args...)
	}
	poke(t, damaged, 8, 99)
	ask("ls", "ls")
	poke(t, damaged, 8, shm.FormatVersion)
	ask("sweep", "sweep", damaged)

	ask("sweep", "sweep", unjudged(t))

	gone := closedShop(t)
	out := &lineReader{}
	code, _ = begin(t.Context(), nil, out, "top", gone, "--every", "10ms", "--count", "50", "--json")
	out.want(t, "time")
	must(t, shm.Remove(gone, nil, false))
	ended(t, code, exitGone)
	note("top", out.String())

	circle := shmtest.Name(t)
	s, err := shm.Create(circle, &locks{}, nil)
	must(t, err)
	must(t, s.Close())
	ab, ba := shmtest.Child(t, "deadlock", circle, "a", "b"), shmtest.Child(t, "deadlock", circle, "b", "a")
	ab.Want("locked")
	ba.Want("locked")
	ab.Say("")
	ba.Say("")
	waitFor("stat-waits", "waits[].circle[]", "stat", circle, "--waits")
	waitFor("stat-waits", "waits[].circle_possible", "stat", possibleCircle(t), "--waits")
	ask("kill-owner", "kill-owner", circle, "--slot", "0", "--yes")
	busy := withJob(t)
	for range 2 {
		p := shmtest.Child(t, "wait", busy)
		p.Want("ready")
		untilWaiting(t, busy)
		ask("kill-owner", "kill-owner", busy, "--slot", "0", "--yes")
		p.Kill()
	}
	p := shmtest.Child(t, "wait", busy)
	p.Want("ready")
	untilWaiting(t, busy)
	ask("rm", "rm", busy, "--force")
	p.Kill()
	ask("create", "create", shmtest.Name(t))
	ask("version", "version")
	askSnapshots(t, ask, note)

	for command, want := range documented {
		for _, p := range slices.Sorted(maps.Keys(seen[command])) {
			if !want[p] {
				t.Errorf("%s says %s, which docs/shmtool.md does not list", command, p)
			}
		}
	}
	// What is listed is said, by some command.
	all := map[string]bool{}
	last := func(p string) string { return p[strings.LastIndexByte(p, '.')+1:] }
	for _, paths := range seen {
		for p := range paths {
			all[last(strings.TrimSuffix(p, ".*"))] = true
		}
	}
	for command, want := range documented {
		if seen[command] == nil {
			t.Errorf("%s was not asked", command)
		}
		for p := range want {
			if !all[last(strings.TrimSuffix(p, ".*"))] {
				t.Errorf("%s: docs/shmtool.md lists %s, which no command says", command, p)
			}
		}
	}
	for _, c := range commands() {
		if documented[c.name] == nil && c.name != "help" && c.name != "completion" {
			t.Errorf("docs/shmtool.md has no schema of %s", c.name)
		}
	}
}

// untilWaiting waits until a process of the segment is seen waiting.
func untilWaiting(t *testing.T, name string) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		for _, p := range decode[seenProcesses](t, 0, "stat", name).Processes {
			if p.Waiting != "" {
				return
			}
		}
		if time.Since(start) > time.Minute {
			t.Fatal("no process waits")
		}
	}
}

// Every exit code that a command can end with is in its help.
func TestExitCodes(t *testing.T) {
	for _, c := range commands() {
		_, codes, ok := strings.Cut(c.help, "Exit codes: ")
		want := []string{"0 ", "1 ", "2 "}
		if c.name == "verify" || c.name == "top" || c.name == "watch" {
			want = append(want, "3 ")
		}
		codes = strings.ReplaceAll(codes, "\n", " ") + " "
		for _, w := range want {
			if !ok || !strings.Contains(" "+codes, " "+w) {
				t.Errorf("%s --help does not say what exit code %sis", c.name, w)
			}
		}
	}
}
