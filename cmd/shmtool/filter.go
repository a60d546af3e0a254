package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aotf/sharedmem/shm"
)

// A filter chooses the records that dump shows. Everything asked for must be so.
type filter struct {
	object string
	state  string
	queue  string
	where  []condition
	limit  int // records of each arena; 0 all, -1 the default
}

// A condition wants a field to have a value, as dump shows it.
type condition struct{ field, value string }

var recordStates = []string{"new", "posted", "owned", "settled", "retiring"}

func (f *filter) setState(s string) error {
	if !slices.Contains(recordStates, s) {
		return fmt.Errorf("want one of %s", strings.Join(recordStates, ", "))
	}
	f.state = s
	return nil
}

func (f *filter) setWhere(s string) error {
	field, value, ok := strings.Cut(s, "=")
	if !ok || field == "" {
		return fmt.Errorf("want FIELD=VALUE")
	}
	f.where = append(f.where, condition{field, value})
	return nil
}

func (f *filter) setLimit(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return fmt.Errorf("want a number, 0 for all")
	}
	f.limit = n
	return nil
}

// chooses tells whether some records are left out for what they are.
func (f *filter) chooses() bool { return f.state != "" || f.queue != "" || len(f.where) > 0 }

// check refuses names that the segment does not have: else a typing error would
// look like an empty segment.
func (f *filter) check(list []objectInfo) error {
	if f.object != "" {
		o, err := find(list, f.object)
		if err != nil {
			return err
		}
		queue := o.Kind == shm.KindRing || o.Kind == shm.KindBag
		if queue && (f.state != "" && f.state != "posted" || f.queue != "" && f.queue != f.object) {
			return usagef("--object %s shows what waits there: posted records, and no others. For those that were claimed from it: --queue %s --status owned",
				f.object, f.object)
		}
	}
	if f.queue != "" {
		q, err := find(list, f.queue)
		if err != nil {
			return err
		}
		if q.Kind != shm.KindRing && q.Kind != shm.KindBag {
			return fmt.Errorf("object %s is no queue: its kind is %s", f.queue, q.Kind)
		}
	}
	var names []string
	for _, o := range list {
		if r := o.described.Record; r != nil {
			names = fieldNames(names, "", r.Fields)
		}
	}
	for _, c := range f.where {
		if !slices.ContainsFunc(names, func(n string) bool { return sameField(n, c.field) }) {
			return fmt.Errorf("no record has a field %q%s", c.field, didYouMean(c.field, append(names, lastNames(names)...)))
		}
	}
	return nil
}

func fieldNames(names []string, prefix string, fields []shm.Field) []string {
	for _, f := range fields {
		inner := f
		name := prefix + f.Name
		if f.Kind == "array" {
			inner = f.Fields[0]
		}
		if inner.Kind == "struct" {
			names = fieldNames(names, name+".", inner.Fields)
		} else {
			names = append(names, name)
		}
	}
	return names
}

// sameField compares a dotted name without the indices of arrays with what the
// user typed: the whole name, or the end of it.
func sameField(name, typed string) bool { return name == typed || strings.HasSuffix(name, "."+typed) }

// wants tells whether a record is to be shown.
func (f *filter) wants(r shm.Record, fields []shm.Field) bool {
	if f.state != "" && r.State != f.state || f.queue != "" && r.Queue != f.queue {
		return false
	}
	for _, c := range f.where {
		if !slices.ContainsFunc(plainLines(nil, shm.Field{Kind: "struct", Fields: fields}, "", r.Values), func(l line) bool {
			return sameField(l.name, c.field) && l.text == c.value
		}) {
			return false
		}
	}
	return true
}

// plainLines flattens values as addLines does, with names without indices and
// texts as they are.
func plainLines(list []line, t shm.Field, name string, v any) []line {
	nested, ok := v.([]shm.Value)
	switch {
	case !ok && v == nil:
		return append(list, line{name: name})
	case !ok:
		return append(list, line{name: name, text: fmt.Sprint(v)})
	case t.Kind == "array":
		for _, e := range nested {
			list = plainLines(list, t.Fields[0], name, e.Value)
		}
	default:
		pair(t.Fields, nested, func(t shm.Field, v shm.Value) {
			list = plainLines(list, t, strings.TrimPrefix(name+"."+v.Name, "."), v.Value)
		})
	}
	return list
}

// lastNames are what may be typed of dotted names.
func lastNames(names []string) (last []string) {
	for _, n := range names {
		last = append(last, n[strings.LastIndexByte(n, '.')+1:])
	}
	return last
}
