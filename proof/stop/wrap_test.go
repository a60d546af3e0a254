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
// until no word of a protocol that changed has its old value again. Such a word
// is what the stopped process may have read; that it has the old value by a wrap
// is the coincidence that the widths of the counts make rare, and that
// TestCoincidence is about. drive returns the number of wraps.
func drive(t *testing.T, name string, o company) (wraps int) {
	t.Helper()
	const least, most = 24, 400
	words := protocolWords(t, name)
	before := words()
	changed := make([]bool, len(before))
	look := func() (same int) {
		for i, v := range words() {
			changed[i] = changed[i] || v != before[i]
			if changed[i] && v == before[i] {
				same++
			}
		}
		return same
	}
	for n := 1; n <= most; n++ {
		o.cycle(func() { look() })
		if look() == 0 && n >= least {
			return n * perCycle / widest
		}
	}
	t.Fatalf("%d words have their old value after %d cycles: no total without a coincidence", look(), most)
	return 0
}

// A cycle allocates, posts and inserts at least so many times, and the widest of
// the short counts comes round after so many.
const (
	perCycle = 2
	widest   = 16
)

// protocolWords returns a function that reads all words on which the protocols
// decide: headers, bitmaps, ring slots, index buckets.
func protocolWords(t *testing.T, name string) func() []uint64 {
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
		switch o.Kind {
		case shm.KindArena:
			at := o.Offset + line
			n := 8
			for n*8 < o.Capacity*8 && n < o.Capacity {
				n *= 2
			}
			parts = append(parts, part{at, uint64(n) * 8})
			at += (uint64(n)*8 + line - 1) / line * line
			parts = append(parts, part{at, uint64(o.Capacity+47) / 48 * 8})
		case shm.KindRing:
			parts = append(parts, part{o.Offset + 3*line, o.Bytes - 3*line})
		case shm.KindBag:
			parts = append(parts, part{o.Offset + line, o.Bytes - line})
		case shm.KindIndex:
			parts = append(parts, part{o.Offset, o.Bytes})
		}
	}
	return func() (words []uint64) {
		for _, p := range parts {
			b := make([]byte, p.bytes)
			if _, err := f.ReadAt(b, int64(p.at)); err != nil {
				t.Fatal(err)
			}
			for ; len(b) >= 8; b = b[8:] {
				words = append(words, binary.LittleEndian.Uint64(b))
			}
		}
		return words
	}
}

type part struct{ at, bytes uint64 }
