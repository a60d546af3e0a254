package shm

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// A RecordType describes the records of an arena.
type RecordType struct {
	Size   int     `json:"size"` // bytes, a multiple of 8
	Fields []Field `json:"fields"`
}

// A Field describes one field of a record. Kinds are bool, u8 to u64, i8 to
// i64, f32, f64, bytes, text, addr, enum, flags, time, duration, ref, blob,
// boot, word, struct and array, and nothing else.
type Field struct {
	Name   string   `json:"name"`
	Kind   string   `json:"kind"`
	Offset int      `json:"offset"` // from the start of the record, or of the enclosing struct or element
	Size   int      `json:"size"`
	Phase  int      `json:"phase,omitempty"`  // published from this phase on
	Count  int      `json:"count,omitempty"`  // array: elements, described by Fields[0]
	Values []string `json:"values,omitempty"` // enum: by number; flags: by bit
	Bits   string   `json:"bits,omitempty"`   // enum, flags, time, duration, boot: the integer below
	Low    int      `json:"low,omitempty"`    // the value is that many of the lowest bits; the others are the program's own
	Fields []Field  `json:"fields,omitempty"` // struct: its fields
}

func (f Field) String() string {
	f.Name = ""
	b, _ := json.Marshal(f)
	return string(b)
}

// text is a field's type and place for people.
func (f Field) text() string {
	s := f.Kind
	switch {
	case f.Kind == "array" && len(f.Fields) == 1:
		elem := f.Fields[0].text()
		s = fmt.Sprintf("array of %d %s", f.Count, elem[:strings.LastIndex(elem, " at byte")])
	case f.Kind == "text" || f.Kind == "bytes" || f.Kind == "struct":
		s += fmt.Sprintf(" of %d bytes", f.Size)
	case f.Bits != "":
		s += " of " + f.Bits
	}
	if len(f.Values) > 0 {
		s += " (" + strings.Join(f.Values, "|") + ")"
	}
	if f.Low > 0 {
		s += fmt.Sprintf(" in its lowest %d bits", f.Low)
	}
	s += fmt.Sprintf(" at byte %d", f.Offset)
	if f.Phase > 0 {
		s += fmt.Sprintf(" from phase %d", f.Phase)
	}
	return s
}

// recordType derives the description of T. It refuses what must not lie in
// shared memory (pointers, slices, strings, maps, int and uint, hidden padding)
// and names it. key is the name of the field tagged key, if any.
func recordType(t reflect.Type) (rt *RecordType, key string, err error) {
	if t.Kind() != reflect.Struct {
		return nil, "", fmt.Errorf("%w: record type %s is not a struct", ErrDeclaration, t)
	}
	if t.Size()%8 != 0 || t.Size() == 0 {
		return nil, "", fmt.Errorf("%w: size of %s is %d, want a multiple of 8: add explicit padding (_ [n]byte)",
			ErrDeclaration, t, t.Size())
	}
	fields, key, err := structFields(t, topLevel)
	return &RecordType{int(t.Size()), fields}, key, err
}

// topLevel is the phase of fields that may say one of their own: those of the record
// itself. A nested field has that of the field around it.
const topLevel = -1

func structFields(t reflect.Type, phase int) (fields []Field, key string, err error) {
	end := uintptr(0)
	for sf := range fieldsOf(t) {
		if sf.Offset != end {
			return nil, "", fmt.Errorf("%w: %s.%s: %d bytes of hidden padding before it: make them explicit (_ [n]byte)",
				ErrDeclaration, t, sf.Name, sf.Offset-end)
		}
		end = sf.Offset + sf.Type.Size()
		if sf.Name == "_" {
			continue
		}
		f, isKey, err := field(sf, phase)
		if err != nil {
			return nil, "", fmt.Errorf("%w: %s.%s: %w", ErrDeclaration, t, sf.Name, err)
		}
		if isKey {
			if f.Phase != 0 { // it is written before the record is found by it
				return nil, "", fmt.Errorf("%w: %s.%s: a key has phase 0", ErrDeclaration, t, sf.Name)
			}
			key = sf.Name
		}
		fields = append(fields, f)
	}
	if end != t.Size() {
		return nil, "", fmt.Errorf("%w: %s: %d bytes of hidden padding at its end: make them explicit (_ [n]byte)",
			ErrDeclaration, t, t.Size()-end)
	}
	return fields, key, nil
}

func fieldsOf(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

var (
	typeWord     = reflect.TypeFor[Word]()
	typeBlob     = reflect.TypeFor[Blob]()
	typeDuration = reflect.TypeFor[time.Duration]()
	typeRef      = reflect.TypeFor[interface{ isRef() }]()
)

var plainKinds = map[reflect.Kind]string{
	reflect.Bool: "bool", reflect.Uint8: "u8", reflect.Uint16: "u16", reflect.Uint32: "u32", reflect.Uint64: "u64",
	reflect.Int8: "i8", reflect.Int16: "i16", reflect.Int32: "i32", reflect.Int64: "i64",
	reflect.Float32: "f32", reflect.Float64: "f64",
}

func field(sf reflect.StructField, phase int) (f Field, key bool, err error) {
	t := sf.Type
	f = Field{Name: sf.Name, Offset: int(sf.Offset), Size: int(t.Size()), Phase: max(phase, 0), Kind: plainKinds[t.Kind()]}
	switch {
	case t == typeWord:
		f.Kind = "word"
	case t == typeBlob:
		f.Kind = "blob"
	case t.Implements(typeRef):
		f.Kind = "ref"
	case t == typeDuration:
		f.Kind, f.Bits = "duration", "i64"
	case t.Kind() == reflect.Array && t.Elem().Kind() == reflect.Uint8:
		f.Kind = "bytes"
	}
	for opt := range strings.SplitSeq(sf.Tag.Get("shm"), ",") {
		name, value, _ := strings.Cut(opt, "=")
		if f.Kind == "" && t.Kind() == reflect.Array && name != "key" && name != "phase" {
			continue // said of the elements
		}
		switch name {
		case "":
		case "key":
			key = true
		case "phase":
			if phase != topLevel && sf.Name == "" {
				continue // of an element: said of the array, and passed on
			}
			if phase != topLevel {
				return f, false, errors.New("tag phase inside of a field: tag the whole field of the record")
			}
			if f.Phase, err = strconv.Atoi(value); err != nil || f.Phase < 0 || f.Phase > maxPhase {
				return f, false, fmt.Errorf("phase %q: want 0 to %d", value, maxPhase)
			}
		case "text", "addr":
			if f.Kind != "bytes" || name == "addr" && f.Size != 16 {
				return f, false, fmt.Errorf("tag %s on %s: want a byte array (addr: of 16)", name, t)
			}
			f.Kind = name
		case "ref":
			if f.Kind != "word" {
				return f, false, fmt.Errorf("tag ref on %s: want a Word", t)
			}
			f.Kind = "ref"
		case "enum", "flags", "time", "boot":
			if f.Kind == "duration" && name == "boot" {
				f.Kind = f.Bits
			}
			if f.Kind == "" || f.Kind[0] != 'u' && f.Kind[0] != 'i' && f.Kind != "word" {
				return f, false, fmt.Errorf("tag %s on %s: want an integer or a Word", name, t)
			}
			f.Bits, f.Kind = f.Kind, name
			if value != "" {
				f.Values = strings.Split(value, "|")
			}
		case "low":
			f.Low, err = strconv.Atoi(value)
			if err != nil || f.checkLow() != nil {
				return f, false, fmt.Errorf("tag %s on %s: want 1 to %d bits of an unsigned integer or a Word", opt, t, 8*f.Size-1)
			}
		default:
			return f, false, fmt.Errorf("unknown tag %q", opt)
		}
	}
	switch {
	case f.Kind != "":
	case t.Kind() == reflect.Struct:
		f.Kind = "struct"
		f.Fields, _, err = structFields(t, f.Phase)
	case t.Kind() == reflect.Array && t.Len() > 0:
		f.Kind, f.Count = "array", t.Len()
		var elem Field
		elem, _, err = field(reflect.StructField{Type: t.Elem(), Tag: sf.Tag}, f.Phase)
		f.Fields = []Field{elem}
	default:
		err = fmt.Errorf("type %s cannot lie in shared memory: use fixed-size integers, floats, byte arrays, structs, Word, Ref or Blob", t)
	}
	return f, key, err
}

// checkLow refuses a part that is not of the integer.
func (f Field) checkLow() error {
	below := cmp.Or(f.Bits, f.Kind)
	if f.Low < 1 || f.Low >= 8*f.Size || below[0] != 'u' && below != "word" {
		return fmt.Errorf("field %s: the lowest %d bits of %s", f.Name, f.Low, below)
	}
	return nil
}

const maxPhase = 15

// A span is a run of words of a record.
type span struct{ at, n int }

// publishedSpans returns, for each phase up to the largest one used, the words
// that are published in it. Words are published whole: a group of fields with
// its own phase starts and ends on a multiple of 8. Fields are in ascending order.
func (rt *RecordType) publishedSpans() ([][]span, error) {
	most := 0
	for _, f := range rt.Fields {
		most = max(most, f.Phase)
	}
	spans := make([][]span, most+1)
	for p := range spans {
		end, hiddenEnd := 0, 0 // in words, of what is published so far and of what is not
		for _, f := range rt.Fields {
			from, to := f.Offset/8, (f.Offset+f.Size+7)/8
			if f.Phase > p {
				hiddenEnd = to
				if from >= end {
					continue
				}
			} else if from >= hiddenEnd {
				if k := len(spans[p]); k > 0 && from <= end {
					spans[p][k-1].n = to - spans[p][k-1].at
				} else {
					spans[p] = append(spans[p], span{from, to - from})
				}
				end = to
				continue
			}
			return nil, fmt.Errorf("%w: field %s at byte %d: fields of different phases share a word: align the groups to 8 bytes",
				ErrDeclaration, f.Name, f.Offset)
		}
	}
	return spans, nil
}

// blobFields returns the word offsets of all blob fields, and the phase of each.
func (rt *RecordType) blobFields() (at []int, phase []int) {
	var walk func(fields []Field, base int, ph int)
	walk = func(fields []Field, base, ph int) {
		for _, f := range fields {
			p := max(ph, f.Phase)
			switch f.Kind {
			case "blob":
				at, phase = append(at, (base+f.Offset)/8), append(phase, p)
			case "struct":
				walk(f.Fields, base+f.Offset, p)
			case "array":
				for i := range f.Count {
					walk(f.Fields, base+f.Offset+i*f.Fields[0].Size, p)
				}
			}
		}
	}
	walk(rt.Fields, 0, 0)
	return at, phase
}
