package world

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/aotf/sharedmem/shm"
)

// What those leave who die between two steps, written into the file: for states that
// the next call of anybody would mend. See docs/format.md for the places.
const (
	stateAt   = 32 * 8 // of the segment
	retired   = 3
	hintAt    = 48 * 8 // who sweeps
	tailAt    = 128    // in a ring
	headAt    = 256
	freeAt    = 256 // in an arena of 8 records: the bits of free ones
	nobody    = 60  // a slot that no process has
	oneBefore = ^uint64(0)
)

// Hint says that a process sweeps which is not there.
func Hint(segment string) { poke(segment, hintAt, func(uint64) uint64 { return nobody << 32 }) }

// lag makes a position of a ring lag by one.
func lag(t testing.TB, w *World, ring string, word uint64) {
	t.Helper()
	pokeObject(t, w, ring, word, func(v uint64) uint64 { return v + oneBefore })
}

func pokeObject(t testing.TB, w *World, object string, word uint64, change func(uint64) uint64) {
	t.Helper()
	m, err := shm.Inspect(w.segment, nil)
	Must(t, err)
	for _, o := range m.Objects() {
		if o.Name == object {
			poke(w.segment, o.Offset+word, change)
		}
	}
	Must(t, m.Close())
}

func poke(segment string, at uint64, change func(uint64) uint64) {
	f, err := os.OpenFile(filepath.Join(dir(), segment), os.O_RDWR, 0)
	Check(err)
	b := make([]byte, 8)
	_, err = f.ReadAt(b, int64(at))
	Check(err)
	_, err = f.WriteAt(binary.LittleEndian.AppendUint64(nil, change(binary.LittleEndian.Uint64(b))), int64(at))
	Check(errors.Join(err, f.Close()))
}
