//go:build linux && (amd64 || arm64)

package hostile

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/aotf/sharedmem/shm"
)

var (
	hostileKinds = []string{"bool", "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64", "bytes", "text", "addr",
		"enum", "flags", "time", "duration", "ref", "blob", "word", "struct", "array", "", "x"}
	hostileNumbers = []int{0, 1, 2, 3, 7, 8, 9, 15, 16, 24, 64, 4096, 65535, 1 << 24, 1 << 31, 1 << 40, 1<<63 - 1, -1, -8, -1 << 63}
)

// redescribe changes the description: edits are groups of four bytes, {object or
// field, attribute, value, more of the value}. Places depend on the length of the
// text, so what an edit adds is taken from the names of fields, as far as they go:
// most edits of a field reach what lies behind the check of the places.
func redescribe(objects []shm.Object, edits []byte) []byte {
	text, err := json.Marshal(objects)
	if err != nil {
		panic(err)
	}
	want := len(text)
	var all []shm.Object
	if err := json.Unmarshal(text, &all); err != nil { // a deep copy
		panic(err)
	}
	for ; len(edits) >= 4; edits = edits[4:] {
		if o := &all[int(edits[0])%len(all)]; edits[1] < 64 {
			editObject(o, all, edits)
		} else if o.Record != nil {
			editField(pick(o.Record.Fields, int(edits[0])/len(all)), edits)
		}
	}
	text, _ = json.Marshal(all)
	var names []*string
	for i := range all {
		if all[i].Record != nil {
			names = append(names, fieldNames(all[i].Record.Fields)...)
		}
	}
	for _, name := range names {
		switch d := want - len(text); {
		case d > 0:
			*name += strings.Repeat("x", d)
		case d < 0 && strings.IndexFunc(*name, func(r rune) bool { return r > 126 }) < 0:
			*name = (*name)[:max(0, len(*name)+d)]
		}
		if text, _ = json.Marshal(all); len(text) == want {
			break
		}
	}
	return text
}

func fieldNames(fields []shm.Field) (names []*string) {
	for i := range fields {
		names = append(names, &fields[i].Name)
		names = append(names, fieldNames(fields[i].Fields)...)
	}
	return names
}

// pick walks down to one of the fields.
func pick(fields []shm.Field, n int) *shm.Field {
	if len(fields) == 0 {
		return &shm.Field{}
	}
	f := &fields[n%len(fields)]
	if n /= len(fields); len(f.Fields) > 0 && n%3 != 0 {
		return pick(f.Fields, n/3)
	}
	return f
}

func editObject(o *shm.Object, all []shm.Object, e []byte) {
	other := all[int(e[2])%len(all)]
	n := hostileNumbers[int(e[3])%len(hostileNumbers)]
	switch e[1] % 12 {
	case 0:
		o.Phase = n
	case 1:
		o.Wakes = other.Name
	case 2:
		o.Key = ""
		if other.Record != nil {
			o.Key = pick(other.Record.Fields, int(e[3])).Name
		}
	case 3:
		o.Holder = !o.Holder
	case 4:
		o.Of = other.Name
	case 5:
		o.ID = n
	case 6:
		o.Capacity = n
	case 7:
		o.Kind = other.Kind
	case 8:
		o.Name = other.Name
	case 9:
		o.Tickets = !o.Tickets
	case 10:
		o.Record = other.Record
	case 11:
		if o.Record != nil {
			o.Record.Size = n
		}
	}
}

func editField(f *shm.Field, e []byte) {
	kind := hostileKinds[int(e[2])%len(hostileKinds)]
	n := hostileNumbers[int(e[3])%len(hostileNumbers)]
	switch e[1] % 9 {
	case 0, 1:
		f.Kind = kind
	case 2:
		f.Bits = kind
	case 3: // a kind on another, of a size that fits one of them
		f.Bits, f.Kind = kind, hostileKinds[int(e[3])%len(hostileKinds)]
	case 4:
		f.Offset = n
	case 5:
		f.Size = n
	case 6:
		f.Phase = n
	case 7: // an array of what it was
		elem := *f
		elem.Offset, elem.Name, elem.Fields = 0, "", slices.Clone(f.Fields)
		elem.Kind, elem.Size = kind, max(1, n%16)
		f.Kind, f.Count, f.Fields = "array", f.Size/elem.Size, []shm.Field{elem}
	case 8:
		f.Values = []string{strings.Repeat("v", int(e[3])), "w"}
	}
}
