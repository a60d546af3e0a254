package world

import (
	"context"
	"strings"
)

var (
	long     = []byte(strings.Repeat("long ", 20))
	fewBlobs = map[string]int{"data-64": 2, "data-256": 1}
)

var blobActs = []act{
	{name: "blob-set", ready: func(w *World) func(func(string)) {
		c := newJob(w, 10)
		return func(func(string)) { Check(c.SetBlob(&w.Data, &c.Record().Data, []byte("new"))) }
	}},
	{name: "blob-swing", ready: func(w *World) func(func(string)) {
		c := some(w.Todo.TryGet)
		fill(w, c)
		return func(func(string)) { Check(c.SetBlob(&w.Data, &c.Record().Result.Text, long)) }
	}},
	{name: "blob-empty", ready: func(w *World) func(func(string)) {
		c := newJob(w, 10)
		fill(w, c)
		return func(func(string)) { Check(c.SetBlob(&w.Data, &c.Record().Result.Text, nil)) }
	}},
	{name: "blob-wait", capacity: fewBlobs, ready: func(w *World) func(func(string)) {
		c := newJob(w, 10)
		for c.SetBlob(&w.Data, &c.Record().Data, long) != nil {
		}
		return func(func(string)) {
			text := &c.Record().Result.Text
			briefly(func(ctx context.Context) error { return c.WaitBlob(ctx, &w.Data, text, []byte("none")) })
		}
	}},
}
