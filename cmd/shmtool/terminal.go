package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aotf/sharedmem/shm"
)

// wantsColor tells whether w is a terminal of a user who has nothing against
// colours (no-color.org).
func wantsColor(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// A style colours text, if true. What it gets is escaped already.
type style bool

func (s style) heading(text string) string { return s.sgr("1", text) }
func (s style) alarm(text string) string   { return s.sgr("31", text) }
func (s style) quiet(text string) string   { return s.sgr("2", text) }

func (s style) sgr(code, text string) string {
	if !s || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// escape makes text from a segment harmless for a terminal and for a table:
// whatever does not print (control characters, bytes that are no UTF-8, marks
// that turn the direction of writing) appears as an escape sequence of Go.
func escape(s string) string {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			quoted := strconv.Quote(s)
			return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
		}
	}
	return s
}

// print and printf write text. Write errors stay in t.out until the end.
func (t *tool) print(s string) { _, _ = t.out.WriteString(s) }

func (t *tool) printf(format string, args ...any) { _, _ = fmt.Fprintf(t.out, format, args...) }

// printJSON writes v. encoding/json escapes the control characters of ASCII;
// the others, which a terminal may obey too, are escaped here.
func (t *tool) printJSON(v any) error { return t.encode(v, "  ") }

// printJSONLine is printJSON on one line.
func (t *tool) printJSONLine(v any) error { return t.encode(v, "") }

func (t *tool) encode(v any, indent string) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	for _, r := range b.String() {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			_, _ = t.out.WriteRune(r)
		case r > 0xffff:
			high, low := (r-0x10000)>>10+0xd800, (r-0x10000)&0x3ff+0xdc00
			t.printf(`\u%04x\u%04x`, high, low)
		default:
			t.printf(`\u%04x`, r)
		}
	}
	return nil
}

// table aligns the columns of rows.
func table(rows [][]string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t")) // a strings.Builder does not fail
	}
	_ = w.Flush()
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// bytesText is a size for people.
func bytesText(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	size, unit := float64(n), 0
	for size >= 1024 && unit < 5 {
		size, unit = size/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", size, " KMGTP"[unit])
}

// sinceText says how long a time, as records show it, is past.
func sinceText(s string) (text string, ok bool) {
	at, err := time.Parse(time.RFC3339Nano, s)
	d := time.Since(at)
	if err != nil || d < 0 {
		return "", false
	}
	return durationText(d) + " ago", true
}

// bootText is a time since boot as "3m2s ago"; as it is when that cannot be said.
func bootText(s string) string {
	at, err := time.ParseDuration(s)
	if now := shm.Now(); err == nil && at <= now {
		return durationText(now-at) + " ago"
	}
	return escape(s)
}

// timeText is a Unix time in nanoseconds, for people and for JSON.
func timeText(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05Z") }

// count is "1 record", "2 records".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
