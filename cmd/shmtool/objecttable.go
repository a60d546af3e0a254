package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aotf/sharedmem/shm"
)

// wide is how many columns text for people has at most, where it can be helped.
const wide = 80

// title says what segment it is.
func (s segmentStat) title(c style) []string {
	return []string{
		fmt.Sprintf("%s %s, %s", c.heading("segment "+escape(s.Path)+":"), s.stateText(c), bytesText(s.Size)),
		fmt.Sprintf("layout %s, created %s by process %d", s.Layout, s.Created, s.Creator),
	}
}

func (s segmentInfo) stateText(c style) string {
	if s.State != "open" {
		return c.alarm(s.State)
	}
	return s.State
}

// objectLines are a table of the objects, and the counters below it. What says
// nothing is left out.
func objectLines(list []objectInfo, c style, rates bool) (lines []string) {
	var in []objectInfo
	for _, o := range list {
		idle := o.Kind == shm.KindEvent || o.Kind == shm.KindIndex && o.Index == nil
		if o.Kind != shm.KindCounters && (!idle || len(o.Waiters) > 0) {
			in = append(in, o)
		}
	}
	lines = objectTable(in, c, rates)
	for _, o := range list {
		if o.Kind != shm.KindCounters {
			continue
		}
		name := "counters " + o.Name
		if o.In != nil {
			name += " (" + rateText(o.In) + "/s)"
		}
		notes := counterNotes(o.Counters)
		if len(notes) == 0 {
			notes = []string{"all zero"}
		}
		lines = append(lines, name+":")
		for _, l := range wrap(notes, wide-2) {
			lines = append(lines, "  "+l)
		}
	}
	return lines
}

// objectTable has a line for each object; what there is to say of one stands in
// the last column, on more lines when it is long. With rates, it has two columns
// more.
func objectTable(list []objectInfo, c style, rates bool) (lines []string) {
	head := []string{"OBJECT", "KIND", "USED", "OF", "FULL"}
	if rates {
		head = append(head, "IN/S", "OUT/S")
	}
	rows, notes := [][]string{head}, [][]string{nil}
	for _, o := range list {
		rows, notes = append(rows, o.row(rates)), append(notes, o.notes())
	}
	width := make([]int, len(head))
	for _, r := range rows {
		for i, cell := range r {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	indent := 0
	for _, w := range width {
		indent += w + 2
	}
	indent = min(indent, wide-leastNotes)
	for i, r := range rows {
		var b strings.Builder
		for k, cell := range r {
			fmt.Fprintf(&b, "%-*s  ", width[k], cell)
		}
		line := b.String()
		for k, note := range wrap(notes[i], wide-indent) {
			if k == 0 && utf8.RuneCountInString(line)+utf8.RuneCountInString(note) > wide {
				lines = append(lines, strings.TrimRight(line, " "))
				line = strings.Repeat(" ", indent)
			} else if k > 0 {
				lines = append(lines, strings.TrimRight(line, " "))
				line = strings.Repeat(" ", indent)
			}
			line += note
		}
		line = strings.TrimRight(line, " ")
		if i > 0 && list[i-1].crowded() {
			line = c.alarm(line)
		}
		lines = append(lines, line)
	}
	return lines
}

const leastNotes = 40 // columns for what there is to say of an object

// wrap joins parts with commas to lines of at most n characters.
func wrap(parts []string, n int) (lines []string) {
	line := ""
	for _, p := range parts {
		if line != "" && utf8.RuneCountInString(line)+2+utf8.RuneCountInString(p) > n {
			lines, line = append(lines, line+","), ""
		}
		if line != "" {
			line += ", "
		}
		line += p
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// wrapWords breaks a text at spaces into lines of at most n characters.
func wrapWords(text string, n int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > n {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}

// crowded tells whether no room is left, or nearly none.
func (o objectInfo) crowded() bool {
	return o.Used != nil && o.Kind != shm.KindSemaphore && o.Capacity > 0 && *o.Used*10 >= o.Capacity*9
}

// row is an object's line in the table, without what there is to say of it.
func (o objectInfo) row(rates bool) []string {
	used, of, full := "-", "-", "-"
	if o.Used != nil {
		used, of = strconv.Itoa(*o.Used), strconv.Itoa(o.Capacity)
		if o.Capacity > 0 {
			full = fmt.Sprintf("%d%%", 100**o.Used/o.Capacity) // rounded down: 100 is full
		}
	}
	row := []string{o.Name, o.Kind, used, of, full}
	if rates {
		row = append(row, rateText(o.In), rateText(o.Out))
	}
	return row
}

func rateText(v *float64) string {
	switch {
	case v == nil:
		return "-"
	case *v >= 100 || *v == 0:
		return fmt.Sprintf("%.0f", *v)
	}
	return fmt.Sprintf("%.1f", *v)
}

// notes are what there is to say of an object besides its numbers.
func (o objectInfo) notes() (list []string) {
	if text := statesText(o.States); text != "" {
		list = strings.Split(text, ", ")
	}
	if o.Of != "" {
		list = append(list, "of "+o.Of)
	}
	if o.Oldest != "" {
		text := "oldest " + o.Oldest
		if o.Moment != "" {
			text += " (" + escape(o.Moment) + ")"
		}
		list = append(list, text)
	}
	if x := o.Index; x != nil && x.Places > 0 {
		list = append(list, fmt.Sprintf("%d entries", x.Entries), fmt.Sprintf("load %.1f%%", 100*float64(x.Entries)/float64(x.Places)))
		if x.Entries > 0 {
			list = append(list, fmt.Sprintf("fullest bucket %d of 15", x.Fullest))
		}
	}
	list = append(list, o.permitNotes()...)
	if o.Value != nil {
		list = append(list, fmt.Sprintf("= %d%s", *o.Value, o.decoded))
	}
	if n := len(o.Waiters); n > 0 {
		list = append(list, plural(n, "process waits", "processes wait"))
	}
	return list
}

const mostPermits = 4 // holders that a table names

func (o objectInfo) permitNotes() (list []string) {
	named, died := 0, 0
	for _, p := range o.Permits {
		switch {
		case !p.Held:
			died++
		case named < mostPermits:
			text := "held by " + p.who
			if p.Seen > 0 { // before the name, which may be cut off
				text = "held " + durationText(p.Seen) + " or more by " + p.who
			}
			list = append(list, text)
			named++
		default:
			named++
		}
	}
	if named > mostPermits {
		list = append(list, fmt.Sprintf("and %d more", named-mostPermits))
	}
	if died > 0 {
		list = append(list, plural(died, "permit whose last holder died with it", "permits whose last holder died with them"))
	}
	return list
}

func isTime(name string) bool { return strings.HasSuffix(name, "-ns") }

// counterNotes renders the counters that are not zero; a pair NAME-ns and NAME-count, a sum of
// times and how many, as its mean.
func counterNotes(counters members) (list []string) {
	for k, c := range counters {
		if mean, ok := meanOf(counters, k); ok {
			if mean != "" {
				list = append(list, mean)
			}
			continue
		}
		if _, ok := meanOf(counters, k-1); !ok && c.Value != uint64(0) {
			list = append(list, fmt.Sprintf("%s = %v", escape(c.Name), c.Value))
		}
	}
	return list
}

// meanOf renders the pair of counters at k; ok is false when there is none.
func meanOf(counters members, k int) (text string, ok bool) {
	if k < 0 || k+1 >= len(counters) {
		return "", false
	}
	name, isSum := strings.CutSuffix(counters[k].Name, "-ns")
	sum, ok1 := counters[k].Value.(uint64)
	count, ok2 := counters[k+1].Value.(uint64)
	if !isSum || counters[k+1].Name != name+"-count" || !ok1 || !ok2 {
		return "", false
	}
	if count == 0 {
		return "", true
	}
	return fmt.Sprintf("%s: mean %v of %d", escape(name), time.Duration(sum/count).Round(time.Microsecond), count), true
}
