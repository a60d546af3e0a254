//go:build crashpoint

package stop

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
)

// A stand is what the words of a segment were when a process was stopped in it: it
// may have read any of them.
type stand struct {
	words   func() []uint64
	tails   func() []ringTail
	objects []string // of the words
	before  []uint64
	from    []ringTail
	changed []bool
}

func standing(t *testing.T, name string) *stand {
	t.Helper()
	s := &stand{}
	s.words, s.tails, s.objects = protocolWords(t, name)
	s.before, s.from = s.words(), s.tails()
	s.changed = make([]bool, len(s.before))
	return s
}

// coincidence names an object with a word that has changed, and has the value
// again that it had; or a ring whose slots are in a lap of the same number again for
// a put that has read the tail.
func (s *stand) coincidence() (object string) {
	for i, now := range s.tails() {
		for _, read := range []uint64{s.from[i].position, s.from[i].position - 1} {
			n := int(now.position - read)
			if used := (n + now.slots - 1) / now.slots; used > 0 && used%laps == 0 {
				object = now.ring
			}
		}
	}
	for i, v := range s.words() {
		s.changed[i] = s.changed[i] || v != s.before[i]
		if s.changed[i] && v == s.before[i] {
			object = s.objects[i]
		}
	}
	return object
}

// drive makes the others turn short counts round: so often that each ring has come
// through all its laps, and on until no word on which the stalled step could still
// decide has come back to its old value. That it does, by an exact number of wraps,
// is the coincidence that the widths of the counts make rare; TestCoincidence is
// about those. drive returns how often rings came round, and whether it came to a
// total without one: now and then, where a word has but a few values, it does not.
func (s *stand) drive(t *testing.T, o company) (wraps int, sure bool) {
	t.Helper()
	const least, most = 24, 1000
	for n := 0; n < least || wraps == 0; n++ {
		if n == most {
			t.Fatalf("in %d cycles not every ring has come round: from %v to %v", n, s.from, s.tails())
		}
		o.cycle(func() { s.coincidence() })
		wraps = turned(s.from, s.tails())
	}
	for n := range most {
		object := s.coincidence()
		if object == "" {
			return turned(s.from, s.tails()), true
		}
		if o.nudge(object); n%16 == 15 {
			o.cycle(func() {})
		}
	}
	t.Logf("no total without a coincidence: %s has an old value", s.coincidence())
	return turned(s.from, s.tails()), false
}

// laps is how many a ring goes through before a slot has its old lap again.
const laps = 8

// turned counts how often rings have come round, 0 if one of them has not yet.
func turned(from, to []ringTail) (wraps int) {
	for i := range to {
		n := int(to[i].position-from[i].position) / (to[i].slots * laps)
		if n == 0 {
			return 0
		}
		wraps += n
	}
	return wraps
}

// ringTail is the position at which a ring is filled next.
type ringTail struct {
	ring     string
	slots    int
	position uint64
}

// protocolWords returns a function that reads the words on which a stalled step may
// decide, one that reads the tails of all rings, and the objects of the words: headers of records that were in use, bitmaps of bags, ring slots,
// control words of the index. A header that was free is only ever allocated from,
// and does not lie if it is free again; entries of the index are written by who
// has the record; a free bit that is lost costs a look at all headers.
func protocolWords(t *testing.T, name string) (read func() []uint64, tails func() []ringTail, of []string) {
	t.Helper()
	img, err := shm.Inspect(name, nil)
	world.Must(t, err)
	objects := img.Objects()
	world.Must(t, img.Close())
	f, err := os.Open(filepath.Join(shm.DefaultDir, name))
	world.Must(t, err)
	t.Cleanup(func() { f.Close() })
	const line = 128
	var parts []part
	for _, o := range objects {
		had := len(parts)
		switch o.Kind {
		case shm.KindArena:
			n := uint64(8)
			for n < uint64(o.Capacity) {
				n *= 2
			}
			parts = append(parts, part{o.Offset + line, n, 1, true})
		case shm.KindRing:
			parts = append(parts, part{o.Offset + 3*line, o.Bytes/8 - 3*line/8, 1, false})
		case shm.KindBag:
			parts = append(parts, part{o.Offset + line, o.Bytes/8 - line/8, 1, false})
		case shm.KindIndex:
			parts = append(parts, part{o.Offset, o.Bytes / 8, 16, false})
		}
		for _, p := range parts[had:] {
			for i := uint64(0); i < p.words; i += p.step {
				of = append(of, o.Name)
			}
		}
	}
	wasFree := map[int64]bool{}
	first := true
	read = func() (words []uint64) {
		for _, p := range parts {
			b := make([]byte, p.words*8)
			if _, err := f.ReadAt(b, int64(p.at)); err != nil {
				t.Fatal(err)
			}
			for i := uint64(0); i < p.words; i += p.step {
				at := int64(p.at + i*8)
				v := binary.LittleEndian.Uint64(b[i*8:])
				if first && p.headers && v>>60 == uint64(shm.Free) {
					wasFree[at] = true
				}
				if wasFree[at] {
					v = 0 // never changes
				}
				words = append(words, v)
			}
		}
		first = false
		return words
	}
	tails = func() (list []ringTail) {
		for _, o := range objects {
			if o.Kind != shm.KindRing {
				continue
			}
			var b [8]byte
			if _, err := f.ReadAt(b[:], int64(o.Offset)+line); err != nil {
				t.Fatal(err)
			}
			list = append(list, ringTail{o.Name, int(o.Bytes/8 - 3*line/8), binary.LittleEndian.Uint64(b[:])})
		}
		return list
	}
	return read, tails, of
}

// part is a run of words in the file, of which every step-th counts.
type part struct {
	at, words, step uint64
	headers         bool
}
