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

// drive makes the others turn everything round: at least so many cycles, and on
// until no word on which a stalled step could still decide has come back to its
// old value. That it does, by an exact number of wraps, is the coincidence that
// the widths of the counts make rare; TestCoincidence is about those. drive
// returns the number of wraps.
func drive(t *testing.T, name string, o company) (wraps int) {
	t.Helper()
	const least, most = 24, 1000
	words, objects := protocolWords(t, name)
	before := words()
	changed := make([]bool, len(before))
	look := func() (object string) {
		for i, v := range words() {
			changed[i] = changed[i] || v != before[i]
			if changed[i] && v == before[i] {
				object = objects[i]
			}
		}
		return object
	}
	for range least {
		o.cycle(func() { look() })
	}
	for n := range most {
		object := look()
		if object == "" {
			return least * perCycle / widest
		}
		if o.nudge(object); n%16 == 15 {
			o.cycle(func() {})
		}
	}
	t.Fatalf("no total without a coincidence: %s has an old value", look())
	return 0
}

// A cycle allocates, posts and inserts at least so many times, and the widest of
// the short counts comes round after so many.
const (
	perCycle = 2
	widest   = 16
)

// protocolWords returns a function that reads the words on which a stalled step
// may decide: headers of records that were in use, bitmaps of bags, ring slots,
// control words of the index. A header that was free is only ever allocated from,
// and does not lie if it is free again; entries of the index are written by who
// has the record; a free bit that is lost costs a look at all headers.
func protocolWords(t *testing.T, name string) (read func() []uint64, of []string) {
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
	return read, of
}

// part is a run of words in the file, of which every step-th counts.
type part struct {
	at, words, step uint64
	headers         bool
}
