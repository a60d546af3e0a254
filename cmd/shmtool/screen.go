package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// orders compare two objects; nil is the segment's own order.
var orders = map[string]func(a, b objectInfo) int{
	"segment": nil,
	"name":    func(a, b objectInfo) int { return cmp.Compare(a.Name, b.Name) },
	"use":     func(a, b objectInfo) int { return cmp.Compare(b.share(), a.share()) },
	"rate":    func(a, b objectInfo) int { return cmp.Compare(b.rate(), a.rate()) },
}

func ordered(list []objectInfo, order string) []objectInfo {
	if f := orders[order]; f != nil {
		list = slices.Clone(list)
		slices.SortStableFunc(list, f)
	}
	return list
}

func (o objectInfo) share() float64 {
	if o.Used == nil || o.Capacity == 0 {
		return -1
	}
	return float64(*o.Used) / float64(o.Capacity)
}

func (o objectInfo) rate() (v float64) {
	for _, r := range []*float64{o.In, o.Out} {
		if r != nil {
			v += *r
		}
	}
	return v
}

// A screen is a terminal that a live view can use.
type screen struct{ in, out *os.File }

// screenOf is nil when the answer does not go to a terminal, keys do not come
// from one, or it can do nothing but print.
func screenOf(t *tool) *screen {
	in, ok1 := t.in.(*os.File)
	out, ok2 := t.stdout.(*os.File)
	if term := os.Getenv("TERM"); !ok1 || !ok2 || term == "" || term == "dumb" {
		return nil
	}
	if _, _, ok := terminalSize(in); !ok {
		return nil
	}
	if _, _, ok := terminalSize(out); !ok {
		return nil
	}
	return &screen{in, out}
}

const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // the alternate screen, no cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// live fills the screen until it is told to end. However it ends, the terminal
// is what it was.
func (v *topView) live(ctx context.Context, s *screen) error {
	restore, err := keyMode(s.in)
	if err != nil {
		return v.plain(ctx)
	}
	defer restore()
	v.t.print(enterScreen)
	defer func() {
		v.t.print(leaveScreen)
		_ = v.t.out.Flush() // run asks for the error
	}()
	keys := make(chan byte)
	go func() {
		defer close(keys)
		for b := make([]byte, 1); ; {
			if n, err := s.in.Read(b); n != 1 || err != nil {
				return
			}
			select {
			case keys <- b[0]:
			case <-ctx.Done():
				return
			}
		}
	}()
	resized := make(chan os.Signal, 1)
	notifyResized(resized)
	defer signal.Stop(resized)
	sample, n := v.look(), 1
	for {
		v.draw(s, sample)
		if err := v.t.out.Flush(); err != nil || n == v.count {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-resized:
		case key, ok := <-keys:
			switch {
			case !ok || key == 'q' || key == 'Q' || key == 3 || key == 4:
				return nil
			case key == ' ':
				sample, n = v.look(), n+1
			case key == 'j':
				v.down++
			case key == 'k':
				v.down = max(v.down-1, 0)
			case orderKeys[key] != "":
				v.order = orderKeys[key]
			}
		case <-time.After(v.every - time.Since(v.at)%v.every):
			sample, n = v.look(), n+1
		}
	}
}

var orderKeys = map[byte]string{'o': "segment", 'n': "name", 'u': "use", 'r': "rate"}

// draw writes as many lines as there is room for, below the title. Not scrolled
// down, the objects give way to the processes, down to a third.
func (v *topView) draw(s *screen, sample segmentStat) {
	columns, rows, ok := terminalSize(s.out)
	if !ok || columns < 1 || rows < 1 {
		columns, rows = wide, 24
	}
	lines := v.lines(sample, v.t.style)
	room := max(rows-1, 1) // the last line is for the keys
	v.down = min(v.down, max(len(lines)-room, 0))
	if v.down > 0 {
		lines = slices.Concat(lines[:2], lines[2+v.down:])
	} else if over := len(lines) - room; over > 0 && v.gone == nil {
		at := slices.Index(lines[2:], "") + 2 // the end of the table
		first := max(at-over-1, 2+room/3, 3)
		if first < at {
			lines = slices.Concat(lines[:first], []string{v.t.style.quiet("...")}, lines[at:])
		}
	}
	if over := len(lines) - room; over > 0 {
		lines = append(lines[:room-1:room-1], v.t.style.quiet(fmt.Sprintf("... and %s", plural(over+1, "more line", "more lines"))))
	}
	var b strings.Builder
	b.WriteString(home)
	for _, l := range lines {
		b.WriteString(clipColumns(l, columns) + clearLine + "\r\n")
	}
	b.WriteString(clearBelow)
	if rows > 1 {
		b.WriteString(v.t.style.quiet(clipColumns(hintOfTop+" (now "+v.order+")", columns)))
	}
	v.t.print(b.String())
}

// clipColumns cuts a line of text with colours to n characters.
func clipColumns(s string, n int) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] == 0x1b {
			end := strings.IndexByte(s[i:], 'm')
			if end < 0 {
				break
			}
			b.WriteString(s[i : i+end+1])
			i += end + 1
			continue
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		if n > 0 {
			b.WriteString(s[i : i+size])
			n--
		}
		i += size
	}
	return b.String()
}
