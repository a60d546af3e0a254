package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The scripts name every command and flag, and their shells can read them.
func TestCompletion_Scripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		out, _ := call(t, 0, "completion", shell)
		for _, c := range commands() {
			for _, f := range flagsOf(c) {
				if !strings.Contains(out, c.name) || !strings.Contains(out, f.Name) {
					t.Errorf("%s: no %s --%s", shell, c.name, f.Name)
				}
			}
		}
		bin, err := exec.LookPath(shell)
		if err != nil {
			t.Logf("no %s here: its script was not run", shell)
			continue
		}
		check := exec.Command(bin, "-n")
		check.Stdin = strings.NewReader(out)
		if text, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s -n: %v\n%s", shell, err, text)
		}
	}
	call(t, 2, "completion", "tcsh")
}

// What is offered for a line, in a folder where the names of files are commands
// of a shell: none of them runs, and only names of segments are offered.
func TestCompletion_Bash(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	dir, other, work := t.TempDir(), t.TempDir(), t.TempDir()
	for _, f := range []string{dir + "/alpha", dir + "/beta", dir + "/b$(touch pwned)", dir + "/b`touch pwned`", dir + "/b*", dir + "/b;touch pwned",
		dir + "/$(touch pwned)", other + "/elsewhere", work + "/saved file.shm", work + "/b$(touch pwned)"} {
		must(t, os.WriteFile(f, nil, 0o600))
	}
	script, _ := call(t, 0, "completion", "bash")
	for _, c := range []struct{ words, want string }{ // words as bash splits them
		{"shmtool ver", "verify version"}, {"shmtool dump --wh", "--where"}, {"shmtool stat --js", "--json"}, {"shmtool completion f", "fish"},
		{"shmtool dump x --re", "--redact"}, {"shmtool help swe", "sweep"}, {"shmtool stat ''", "alpha beta"}, {"shmtool stat b", "beta"},
		{"shmtool stat alpha ''", ""}, {"shmtool get alpha st", "stop state"}, {"shmtool set alpha ''", "stop"},
		{"shmtool --dir " + other + " sta", "stat stacks"}, {"shmtool --dir " + other + " stat ''", "elsewhere"},
		{"shmtool stat --dir = " + other + " ''", "elsewhere"}, {"shmtool stat -dir " + other + " ''", "elsewhere"},
		{"shmtool restore sav", "saved file.shm"}, {"shmtool restore x al", "alpha"}, {"shmtool snapshot al", "alpha"}, {"shmtool snapshot alpha sav", "saved file.shm"},
		{"shmtool snapshot alpha b", "b$(touch pwned)"}, {"shmtool stat ./sav", "./saved file.shm"},
		{"shmtool dump alpha --status ''", strings.Join(recordStates, " ")}, {"shmtool dump alpha --object al", ""}, {"shmtool top alpha --order =", "segment name use rate"},
		{"shmtool dump --limit 3 al", "alpha"}, {"shmtool --json --r", ""}, {"shmtool --j", "--json"},
	} {
		cmd := exec.Command(bash)
		cmd.Stdin = strings.NewReader(fmt.Sprintf("%s\nCOMP_WORDS=(%s)\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_shmtool\nprintf '%%s\\n' \"${COMPREPLY[@]}\"\n", script, c.words))
		cmd.Env, cmd.Dir = append(os.Environ(), "SHM_DIR="+dir), work
		out, err := cmd.CombinedOutput()
		if got := strings.ReplaceAll(strings.TrimSuffix(string(out), "\n"), "\n", " "); err != nil || !sameWords(got, c.want) {
			t.Errorf("%s: %q %v, want %q", c.words, got, err, c.want)
		}
	}
	if _, err := os.Stat(filepath.Join(work, "pwned")); err == nil {
		t.Error("the name of a file was run as a command")
	}
}

func sameWords(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// fish says itself what it would offer.
func TestCompletion_Fish(t *testing.T) {
	fish, err := exec.LookPath("fish")
	if err != nil {
		t.Skip("no fish here")
	}
	dir, other := t.TempDir(), t.TempDir()
	for _, f := range []string{dir + "/alpha", dir + "/b$(touch pwned)", other + "/elsewhere"} {
		must(t, os.WriteFile(f, nil, 0o600))
	}
	script, _ := call(t, 0, "completion", "fish")
	for line, want := range map[string]string{
		"shmtool ver": "verify version", "shmtool stat ": "alpha", "shmtool --dir " + other + " stat ": "elsewhere", "shmtool restore x ": "alpha",
		"shmtool dump alpha --status r": "retiring", "shmtool dump alpha --object a": "", "shmtool completion f": "fish", "shmtool dump alpha --wh": "--where",
	} {
		cmd := exec.Command(fish, "--no-config")
		cmd.Stdin = strings.NewReader(script + "\ncomplete -C '" + line + "'\n")
		cmd.Env = append(os.Environ(), "SHM_DIR="+dir, "HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		var got []string
		for l := range strings.Lines(string(out)) {
			word, _, _ := strings.Cut(strings.TrimSpace(l), "\t")
			got = append(got, word)
		}
		if err != nil || !sameWords(strings.Join(got, " "), want) {
			t.Errorf("%s: %q %v, want %q", line, got, err, want)
		}
	}
}
