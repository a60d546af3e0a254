//go:build linux && (amd64 || arm64)

// Package hostile gives the library segments of any content: valid ones with
// work under way, of which some words or some of the description were changed,
// at rest and while processes work on them. Whatever is in a segment, nobody may
// crash, hang, or allocate what an attacker's numbers ask for; what is refused
// is refused with a typed error.
//
//	go test ./hostile                          a few hundred mutations, 15 s of a live mutator
//	PROOF_FULL=1 go test -timeout 0 ./hostile  100,000 mutations, and what else has a long form
//	PROOF_SEED=17 go test -run Seeds ./hostile one mutation again
//	go test -run '^$' -fuzz FuzzSweep ./hostile
package hostile

import (
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func TestMain(m *testing.M) { shmtest.Main(m) }

var full = os.Getenv("PROOF_FULL") != ""

// dir is where the tests' segments lie.
func dir() string {
	if d := os.Getenv("SHM_DIR"); d != "" {
		return d
	}
	return shm.DefaultDir
}

func pathOf(name string) string { return filepath.Join(dir(), name) }

// Words of the header page; docs/format.md has them all.
const (
	textAt, textLen, textSum, stateWord = 6, 7, 8, 32
	pageWords, slotWords                = 512, 32
)

// An image is the content of a segment file.
type image struct {
	b       []byte
	objects []shm.Object
	areas   [][]area // by kind, in the order of areaKinds
}

// An area is the words of one kind in one object.
type area []int

// areaKinds are the kinds of words, each a place of its own for damage.
var areaKinds = []string{"header page", "registry", "description", "event", "record header", "free bitmap", "ticket",
	"record", "blob head", "blob field", "ring position", "ring slot", "bag bitmap", "index control", "index entry", "permit", "counter", "cell"}

func newImage(b []byte) *image {
	m := &image{b: b, areas: make([][]area, len(areaKinds))}
	world.Check(json.Unmarshal(m.text(), &m.objects))
	m.add("header page", 0, pageWords, 1)
	m.add("registry", pageWords, int(m.word(5))*slotWords, 1)
	m.add("description", int(m.word(textAt))/8, int(m.word(textLen))/8, 1)
	for _, o := range m.objects {
		m.addObject(o)
	}
	return m
}

func (m *image) add(kind string, from, n, step int) {
	k := 0
	for areaKinds[k] != kind {
		k++
	}
	var a area
	for i := from; i < from+n; i += step {
		a = append(a, i)
	}
	if len(a) > 0 {
		m.areas[k] = append(m.areas[k], a)
	}
}

// line is the words of an object's event line: 128 bytes.
const line = 16

func up(n, to int) int { return (n + to - 1) / to * to }

// addObject finds the parts of an object, as docs/format.md describes them.
func (m *image) addObject(o shm.Object) {
	at, n := int(o.Offset)/8, o.Capacity
	if o.Kind != shm.KindIndex && o.Kind != shm.KindCounters && o.Kind != shm.KindCell {
		m.add("event", at, 1, 1)
	}
	of := o
	for _, x := range m.objects {
		if x.Name == o.Of {
			of = x
		}
	}
	switch end := at + int(o.Bytes)/8; o.Kind {
	case shm.KindArena:
		at += line
		columns := 8 << bits.Len(uint((n+7)/8-1))
		m.add("record header", at, columns, 1)
		at += up(columns, line)
		words := (n + 47) / 48
		m.add("free bitmap", at, words, 1)
		at += up(words, line)
		if o.Tickets {
			m.add("ticket", at, 1, 1)
			m.add("ticket", at+line, n, 1)
			at += line + up(n, line)
		}
		m.add("record", at, end-at, 1)
		size := up(o.Record.Size, 64) / 8
		for p := at; p < end; p += size {
			if o.Holder {
				m.add("blob head", p, 2, 1)
			}
			for _, word := range blobFields(o.Record.Fields, 0) {
				m.add("blob field", p+word, 1, 1)
			}
		}
	case shm.KindRing:
		m.add("ring position", at+line, 2*line, line)
		m.add("ring slot", at+3*line, end-at-3*line, 1)
	case shm.KindBag:
		m.add("bag bitmap", at+line, (of.Capacity+47)/48, 1)
	case shm.KindIndex:
		m.add("index control", at, end-at, 16)
		for p := 1; p < 16; p++ {
			m.add("index entry", at+p, end-at-p, 16)
		}
	case shm.KindSemaphore:
		m.add("permit", at+line, n, 1)
	case shm.KindCounters:
		m.add("counter", at, end-at, 1)
	case shm.KindCell:
		m.add("cell", at, 1, 1)
	}
}

// blobFields returns the words of a record that name blobs, but for arrays.
func blobFields(fields []shm.Field, base int) (words []int) {
	for _, f := range fields {
		switch f.Kind {
		case "blob":
			words = append(words, (base+f.Offset)/8)
		case "struct":
			words = append(words, blobFields(f.Fields, base+f.Offset)...)
		}
	}
	return words
}

func (m *image) word(i int) uint64   { return binary.LittleEndian.Uint64(m.b[8*i:]) }
func (m *image) set(i int, v uint64) { binary.LittleEndian.PutUint64(m.b[8*i:], v) }
func (m *image) text() []byte        { return m.b[m.word(textAt):][:m.word(textLen)] }

// describe replaces the description, with the right hash.
func (m *image) describe(text []byte) {
	if copy(m.b[m.word(textAt):], text) < len(text) {
		return
	}
	m.set(textLen, uint64(len(text)))
	m.set(textSum, xxhash.Sum64(text))
}

// damaged is a copy of the image with the edits made.
func (m *image) damaged(edits, fields []byte) *image {
	d := *m
	d.b = append([]byte(nil), m.b...)
	if len(fields) > 0 {
		d.describe(redescribe(m.objects, fields))
	}
	for ; len(edits) >= editSize; edits = edits[editSize:] {
		_, at := m.aim(edits)
		d.set(at, binary.LittleEndian.Uint64(edits[4:]))
	}
	return &d
}

// An edit is {kind of area, which of them, word in it: 16 bits, new value}: it
// means the same whatever else the segment declares.
const editSize = 12

func (m *image) aim(edit []byte) (kind, at int) {
	for kind = int(edit[0]) % len(m.areas); len(m.areas[kind]) == 0; {
		kind = (kind + 1) % len(m.areas) // the tree has no permits
	}
	a := m.areas[kind][int(edit[1])%len(m.areas[kind])]
	return kind, a[int(binary.LittleEndian.Uint16(edit[2:]))%len(a)]
}

// randomEdits aims at each kind of area alike, mostly at words in use, and
// changes what makes a word plausible: a bit, a part of it, another word's value.
func (m *image) randomEdits(rng *rand.Rand) (edits []byte) {
	for range 1 + rng.IntN(12) {
		e := make([]byte, editSize)
		e[0] = byte(rng.IntN(len(m.areas)))
		if areaKinds[e[0]] == "description" && rng.IntN(8) != 0 {
			continue // refused at once: its hash is wrong
		}
		at := 0
		for range 30 {
			e[1] = byte(rng.IntN(256))
			binary.LittleEndian.PutUint16(e[2:], uint16(rng.IntN(1<<16)))
			if _, at = m.aim(e); m.word(at) != 0 {
				break
			}
		}
		v := m.word(at)
		switch rng.IntN(7) {
		case 0:
			v ^= 1 << rng.IntN(64)
		case 1:
			v = rng.Uint64()
		case 2:
			v = rng.Uint64N(100)
		case 3:
			v = ^uint64(0)
		case 4:
			v = m.word(rng.IntN(len(m.b) / 8))
		case 5:
			v += rng.Uint64N(5) - 2
		case 6: // a header, an entry or a slot with one part of it changed
			shift := []int{0, 16, 24, 31, 32, 34, 40, 42, 44, 50, 53, 54, 60}[rng.IntN(13)]
			v = v&^(63<<shift) | rng.Uint64N(64)<<shift
		}
		binary.LittleEndian.PutUint64(e[4:], v)
		edits = append(edits, e...)
	}
	return edits
}
