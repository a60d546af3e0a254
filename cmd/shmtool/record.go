package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/aotf/sharedmem/shm"
)

// A record is one record of an arena, with what a person wants to know of it.
type record struct {
	Ref     string  `json:"ref"`
	State   string  `json:"state"`
	Queue   string  `json:"queue,omitempty"`
	Slot    *int    `json:"slot,omitempty"` // of its owner or poster
	PID     int     `json:"pid,omitempty"`  // of the process in that slot now
	Attempt int     `json:"attempt,omitempty"`
	Fields  members `json:"fields"`

	process string      // owner or poster, in words
	dead    bool        // the owner is
	types   []shm.Field // of the arena's records
	values  []shm.Value // the published ones
}

func newRecord(r shm.Record, types []shm.Field, o owners, redact bool) record {
	if redact {
		r.Values = redactedValues(types, r.Values)
	}
	rec := record{Ref: r.Ref, State: r.State, Queue: r.Queue, Attempt: r.Attempt,
		Fields: jsonFields(types, r.Values), types: types, values: r.Values}
	if r.Process >= 0 {
		rec.Slot = &r.Process
		if r.State == "posted" { // who posted it may have left, and another be in its slot
			rec.process = fmt.Sprintf("by slot %d", r.Process)
		} else {
			rec.PID, rec.process = o[r.Process].PID, o.name(r.Process)
			rec.dead = o[r.Process].State != "alive"
		}
	}
	return rec
}

// title is the record's own line in a text.
func (r record) title() string {
	parts := []string{r.State}
	switch {
	case r.Queue == "":
	case r.State == "posted":
		parts[0] += " in " + r.Queue
	case r.State == "new":
		parts[0] += " for " + r.Queue
	default:
		parts[0] += " from " + r.Queue
	}
	if r.process != "" {
		parts = append(parts, r.process)
	}
	if r.Attempt > 0 {
		parts = append(parts, fmt.Sprintf("attempt %d", r.Attempt))
	}
	return strings.Join(parts, ", ")
}

// members are named values that become a JSON object in their own order.
type members []shm.Value

// MarshalJSON writes an object.
func (m members) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, v := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := enc.Encode(v.Name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := enc.Encode(v.Value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// pair calls f for each value with the description of its field. Values come in
// the order of the fields, the unpublished ones missing.
func pair(types []shm.Field, values []shm.Value, f func(shm.Field, shm.Value)) {
	for _, v := range values {
		for len(types) > 0 && types[0].Name != v.Name {
			types = types[1:]
		}
		if len(types) == 0 {
			return
		}
		f(types[0], v)
		types = types[1:]
	}
}

func jsonFields(types []shm.Field, values []shm.Value) members {
	list := members{}
	pair(types, values, func(t shm.Field, v shm.Value) {
		list = append(list, shm.Value{Name: v.Name, Value: jsonValue(t, v.Value)})
	})
	return list
}

func jsonValue(t shm.Field, v any) any {
	switch x := v.(type) {
	case []shm.Value:
		if t.Kind != "array" {
			return jsonFields(t.Fields, x)
		}
		list := []any{}
		for _, e := range x {
			list = append(list, jsonValue(t.Fields[0], e.Value))
		}
		return list
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) { // JSON has no number for it
			return strconv.FormatFloat(x, 'g', -1, 64)
		}
	}
	return v
}

// A line is one field in a text, with the dotted name of it.
type line struct {
	name, text string
	ref        bool // text is a reference
}

// lines flattens the record's fields; all tells to keep those that are zero and
// not to shorten values.
func (r record) lines(all bool) (list []line) {
	pair(r.types, r.values, func(t shm.Field, v shm.Value) { list = addLines(list, t, escape(v.Name), v.Value, all) })
	return list
}

func addLines(list []line, t shm.Field, name string, v any, all bool) []line {
	name = strings.TrimPrefix(name, ".")
	nested, ok := v.([]shm.Value)
	switch {
	case !ok:
		if all || !isZero(t.Kind, v) {
			list = append(list, line{name, valueText(t.Kind, v, all), t.Kind == "ref"})
		}
	case t.Kind == "array":
		for i, e := range nested {
			list = addLines(list, t.Fields[0], fmt.Sprintf("%s[%d]", name, i), e.Value, all)
		}
	default:
		pair(t.Fields, nested, func(t shm.Field, v shm.Value) {
			list = addLines(list, t, name+"."+escape(v.Name), v.Value, all)
		})
	}
	return list
}

// isZero tells whether a value says nothing. An enum's zero does: it is a name.
func isZero(kind string, v any) bool {
	switch x := v.(type) {
	case nil:
		return true
	case bool:
		return !x
	case uint64:
		return x == 0 && kind != "enum"
	case int64:
		return x == 0
	case float64:
		return x == 0
	case string:
		switch kind {
		case "bytes":
			return strings.Trim(x, "0") == ""
		case "ref":
			return x == "none"
		case "addr":
			return x == "::"
		case "duration":
			return x == "0s"
		}
		return x == ""
	}
	return false
}

const longestHex = 32 // digits of a byte array that are shown without --all

func valueText(kind string, v any, all bool) string {
	s, ok := v.(string)
	if h, isHidden := v.(hidden); isHidden {
		return string(h)
	}
	switch {
	case v == nil, ok && s == "" && kind != "text":
		return "-"
	case !ok:
		return escape(fmt.Sprint(v))
	case kind == "boot":
		return bootText(s)
	case kind == "text":
		return strconv.Quote(s)
	case kind == "bytes" && len(s) > longestHex && !all:
		return fmt.Sprintf("%s... (%d bytes)", s[:longestHex], len(s)/2)
	}
	return escape(s)
}
