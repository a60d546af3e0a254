package main

import (
	"flag"
	"fmt"

	"github.com/aotf/sharedmem/shm"
)

// redactFlag is declared by every command that shows content.
func (t *tool) redactFlag(fs *flag.FlagSet) {
	fs.BoolVar(&t.redact, "redact", t.redact, "hide texts, addresses and values, for a bug report; numbers stay")
}

// A hidden value says only that there is one.
type hidden string

// redacted hides what people wrote or are known by: texts (URLs, names),
// network addresses, blobs, and bytes that nobody knows the meaning of. Empty
// ones stay visible as empty.
func redacted(t shm.Field, v any) any {
	switch x := v.(type) {
	case []shm.Value:
		list := []shm.Value{}
		if t.Kind == "array" {
			for _, e := range x {
				list = append(list, shm.Value{Value: redacted(t.Fields[0], e.Value)})
			}
			return list
		}
		pair(t.Fields, x, func(t shm.Field, v shm.Value) {
			list = append(list, shm.Value{Name: v.Name, Value: redacted(t, v.Value)})
		})
		return list
	case string:
		if isZero(t.Kind, x) {
			return x
		}
		switch t.Kind {
		case "text":
			return hidden(fmt.Sprintf("(text of %d bytes)", len(x)))
		case "addr":
			return hidden("(address)")
		case "blob":
			return hidden("(value)")
		case "bytes":
			return hidden(fmt.Sprintf("(%d bytes)", len(x)/2))
		}
	}
	return v
}

func redactedValues(types []shm.Field, values []shm.Value) (list []shm.Value) {
	pair(types, values, func(t shm.Field, v shm.Value) {
		list = append(list, shm.Value{Name: v.Name, Value: redacted(t, v.Value)})
	})
	return list
}
