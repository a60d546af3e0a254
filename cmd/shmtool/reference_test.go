package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/shmtool-reference.md anew")

// The reference in docs is what help says, so it cannot say anything else.
func TestReference(t *testing.T) {
	var b strings.Builder
	b.WriteString("# shmtool: reference\n\nWhat `shmtool help` and `shmtool help COMMAND` say. " +
		"`go test ./cmd/shmtool -run Reference -update` writes this page; [shmtool.md](shmtool.md) shows the commands at work.\n")
	section := func(title, text string) {
		fmt.Fprintf(&b, "\n## %s\n\n```text\n%s\n```\n", title, strings.TrimSpace(text))
	}
	section("shmtool", overview())
	for _, c := range commands() {
		section(c.name, c.usage())
	}
	path := filepath.Join("..", "..", "docs", "shmtool-reference.md")
	if *update {
		must(t, os.WriteFile(path, []byte(b.String()), 0o644))
	}
	is, err := os.ReadFile(path)
	must(t, err)
	if string(is) != b.String() {
		t.Error("docs/shmtool-reference.md is not what help says: go test ./cmd/shmtool -run Reference -update")
	}
}
