package main

import (
	"fmt"
	"strings"

	"github.com/aotf/sharedmem/shm"
)

// A namer says what references lead to.
type namer struct {
	m      *shm.Image
	redact bool
	arenas map[string]arenaNames
	known  map[string]string
	depth  int // of references that are being followed
}

type arenaNames struct {
	fields []shm.Field
	key    string // the key field of its index, "" without one
}

func newNamer(m *shm.Image, redact bool) *namer {
	n := &namer{m, redact, map[string]arenaNames{}, map[string]string{}, 0}
	for _, o := range m.Objects() {
		switch {
		case o.Record != nil:
			n.arenas[o.Name] = arenaNames{fields: o.Record.Fields}
		case o.Kind == shm.KindIndex:
			a := n.arenas[o.Of]
			a.key = o.Key
			n.arenas[o.Of] = a
		}
	}
	return n
}

const (
	longestKey = 48 // characters of a key that is shown beside a reference
	mostNamed  = 3  // references that are followed for a name: records may form a long list
)

// of is "users illustration \"https://...\"": the arena and the key of the record,
// or, without an index, the first record that it names itself, and so on for a few.
func (n *namer) of(ref string) string {
	if text, ok := n.known[ref]; ok {
		return text
	}
	if len(n.known) > 10000 {
		clear(n.known)
	}
	if n.depth == mostNamed {
		return ref
	}
	n.known[ref] = "a circle of references" // unless it is none
	n.depth++
	text := n.look(ref)
	n.depth--
	if n.known[ref] = text; n.depth > 0 { // cut short for whoever asked
		delete(n.known, ref)
	}
	return text
}

func (n *namer) look(ref string) string {
	arena, rec, err := n.m.Find(ref)
	if err != nil {
		return "gone"
	}
	if text := n.label(arena, rec); text != "" {
		return arena + " " + text
	}
	return arena + ", " + rec.State
}

// label is a record's key; without one, the first record that it names.
func (n *namer) label(arena string, rec shm.Record) (text string) {
	a := n.arenas[arena]
	values := rec.Values
	if n.redact {
		values = redactedValues(a.fields, values)
	}
	pair(a.fields, values, func(t shm.Field, v shm.Value) {
		switch s, isText := v.Value.(string); {
		case text != "":
		case a.key != "" && v.Name == a.key:
			text = clipMiddle(keyText(t, v.Value), longestKey)
		case a.key == "" && t.Kind == "ref" && isText && s != "none" && s != rec.Ref:
			text = "of " + n.of(s)
		}
	})
	return text
}

// keyText is the parts of a key that are not zero.
func keyText(t shm.Field, v any) string {
	var parts []string
	for _, l := range addLines(nil, t, "", v, false) {
		parts = append(parts, l.text)
	}
	if len(parts) == 0 {
		return "0"
	}
	return strings.Join(parts, " ")
}

// moment is the first time that a record says of itself, as "Started 3m2s ago":
// the nearest thing to an age that a segment has.
func (n *namer) moment(ref string) string {
	arena, rec, err := n.m.Find(ref)
	if err != nil {
		return ""
	}
	text := ""
	pair(n.arenas[arena].fields, rec.Values, func(t shm.Field, v shm.Value) {
		if s, ok := v.Value.(string); ok && t.Kind == "time" && text == "" {
			if d, ok := sinceText(s); ok {
				text = v.Name + " " + d
			}
		}
	})
	return text
}

// clip shortens text to n characters.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n || n < 4 {
		return s
	}
	return string(r[:n-3]) + "..."
}

// clipMiddle shortens text to n characters: of URLs, the end says which it is.
func clipMiddle(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n/2-2]) + "..." + string(r[len(r)-(n-n/2-1):])
}

func plural(n int, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, one)
	}
	return fmt.Sprintf("%d %s", n, many)
}
