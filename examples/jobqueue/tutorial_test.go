package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The commands of docs/tutorial.md, run in its order by a shell. One that shows
// something is repeated until it shows what the page says: what was started
// before it may need a moment.
func TestTutorial(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(filepath.Join(root, "docs", "tutorial.md"))
	if err != nil {
		t.Skip("the documents are not here: ", err)
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	dir, err := os.MkdirTemp("/dev/shm", "shmtest-tutorial-")
	if err != nil {
		t.Skip("no /dev/shm here: ", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./examples/jobqueue", "./cmd/shmtool")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var script strings.Builder
	script.WriteString(`set -m
trap 'kill -KILL $(jobs -p) 2>/dev/null' EXIT
plain() { sed -E -e 's#/dev/shm/[^ :]*jobqueue#PATH#' -e 's/[0-9]{4}-[0-9T:.-]*Z/TIME/g' -e 's/ (process|alive|stopped) +/ \1 /g' -e 's/process [0-9]+/process N/g' \
  -e 's/^(  [0-9]+ +)[0-9]+( +(alive|stopped) ).*MiB/\1N\2/' -e 's/\([A-Z][a-z]+ [0-9ms]+ ago\)/(AGO)/' -e 's/^  SLOT.*/  SLOT/' -e 's/ +/ /g' -e 's/layout ?[0-9a-f]+/layout N/'; }
want() { local w i got; w=$(plain <"$1"); shift
  for ((i = 0; i < 600; i++)); do got=$("$@" 2>&1 | plain); [ "$got" = "$w" ] && return; case "$1 $2" in "shmtool stat"|"shmtool dump"|"shmtool verify"|"cat "*) sleep 0.1;; *) break;; esac; done
  printf 'FAIL %s\ngot:\n%s\nwant:\n%s\n' "$*" "$got" "$w"; exit 1; }
`)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	commands := 0
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(doc), -1) {
		for _, part := range strings.Split("\n"+block[1], "\n$ ")[1:] {
			command, output, _ := strings.Cut(part, "\n")
			commands++
			file := filepath.Join(bin, fmt.Sprintf("want-%d", commands))
			if err := os.WriteFile(file, []byte(output), 0o600); err != nil {
				t.Fatal(err)
			}
			if strings.TrimSpace(output) == "" {
				fmt.Fprintln(&script, command)
				if strings.HasSuffix(command, "&") && strings.Contains(command, "work") { // its slot comes first
					fmt.Fprintln(&script, `for ((i = 0; i < 600; i++)); do shmtool stat jobqueue 2>/dev/null | grep -q alive && break; sleep 0.1; done`)
				}
			} else {
				fmt.Fprintln(&script, "want", file, command)
			}
		}
	}
	if commands < 20 {
		t.Fatalf("only %d commands found: this test sees nothing", commands)
	}
	cmd := exec.CommandContext(ctx, bash)
	cmd.WaitDelay = time.Second
	cmd.Stdin = strings.NewReader(script.String())
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "SHM_DIR="+dir, "PATH="+bin+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
