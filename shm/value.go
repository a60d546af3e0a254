package shm

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"
)

// A Value is one field of a record by name, for people: numbers, text, names of
// enum values, structs and arrays of values.
type Value struct {
	Name  string `json:"name,omitempty"`
	Value any    `json:"value"` // nil, bool, integer, float, string or []Value
}

// fieldValues renders the fields that are published in the given phase.
func fieldValues(fields []Field, b []byte, phase int, c *core) (values []Value) {
	for _, f := range fields {
		if f.Phase > phase {
			continue
		}
		values = append(values, Value{f.Name, fieldValue(f, b[f.Offset:f.Offset+f.Size], phase, c)})
	}
	return values
}

func fieldValue(f Field, b []byte, phase int, c *core) any {
	switch f.Kind {
	case "struct":
		return fieldValues(f.Fields, b, phase, c)
	case "array":
		var list []Value
		elem := f.Fields[0]
		for at := 0; at+elem.Size <= len(b); at += elem.Size {
			list = append(list, Value{"", fieldValue(elem, b[at:at+elem.Size], phase, c)})
		}
		return list
	case "text":
		return Text(b)
	case "bytes":
		return hex.EncodeToString(b)
	case "addr":
		return netip.AddrFrom16([16]byte(b)).Unmap().String()
	case "bool":
		return b[0] != 0
	case "f32":
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case "f64":
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	var wide [8]byte
	copy(wide[:], b)
	n := binary.LittleEndian.Uint64(wide[:])
	if f.Low > 0 {
		n &= 1<<f.Low - 1
	}
	switch f.Kind {
	case "ref":
		return ref(n).String()
	case "blob":
		return c.blobText(ref(n))
	case "word":
		return n
	case "enum":
		if n < uint64(len(f.Values)) {
			return f.Values[n]
		}
		return n
	case "flags":
		return flagNames(n, f.Values)
	case "time":
		if n == 0 {
			return nil
		}
		return time.Unix(0, int64(n)).UTC().Format(time.RFC3339Nano)
	case "duration":
		return time.Duration(n).String()
	case "boot":
		switch {
		case n == 0:
			return nil
		case c.otherBoot: // nobody can say how long ago that is
			return time.Duration(n).String() + " after an earlier boot"
		}
		return time.Duration(n).String()
	}
	if strings.HasPrefix(f.Kind, "i") {
		shift := 64 - 8*len(b)
		return int64(n) << shift >> shift
	}
	return n
}

func flagNames(n uint64, names []string) string {
	var set []string
	for i := 0; n != 0 && i < 64; i++ {
		if n&(1<<i) == 0 {
			continue
		}
		n &^= 1 << i
		if i < len(names) {
			set = append(set, names[i])
		} else {
			set = append(set, fmt.Sprintf("bit%d", i))
		}
	}
	return strings.Join(set, "|")
}

// blobText shows what a blob field holds: its text, or its length.
func (c *core) blobText(r ref) string {
	a := c.arenas[r.arena()]
	if r == 0 || a == nil || !a.obj.Holder || r.index() >= a.n || a.size8 < blobHead/8 {
		return ""
	}
	b, err := a.appendBlob(nil, r)
	if err != nil {
		return fmt.Sprintf("(%v)", err)
	}
	for _, x := range b {
		if x < ' ' || x > '~' {
			return fmt.Sprintf("(%d bytes)", len(b))
		}
	}
	return string(b)
}
