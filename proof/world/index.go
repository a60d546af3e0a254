package world

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/aotf/sharedmem/shm"
	"github.com/cespare/xxhash/v2"
)

var indexActs = []act{
	{name: "insert", ready: func(w *World) func(func(string)) {
		c := newNamed(w, "new", 10)
		Check(c.SetBlob(&w.Data, &c.Record().Data, []byte("payload")))
		return func(ack func(string)) {
			ack(may(10, "queue"))
			insert(w, c, &w.Queue)
			ack(is(10, "queue"))
		}
	}},
	{name: "insert-settled", ready: func(w *World) func(func(string)) {
		c := newNamed(w, "new", 10)
		return func(ack func(string)) {
			ack(may(10, "settled"))
			insert(w, c, nil)
			ack(is(10, "settled"))
		}
	}},
	{name: "insert-existing", ready: func(w *World) func(func(string)) {
		c := newNamed(w, "k", 10)
		return func(func(string)) {
			if _, ok, err := w.ByName.Insert(c, &w.Queue); ok || err != nil {
				panic(fmt.Sprint("two records of one key ", err))
			}
		}
	}},
	{name: "insert-held", ready: func(w *World) func(func(string)) {
		c := newNamed(w, "held", 10)
		return func(func(string)) {
			_, _, ok, err := w.ByName.InsertHeld(c)
			Check(err)
			if !ok {
				panic("not inserted")
			}
		}
	}},
	{name: "insert-over", ready: func(w *World) func(func(string)) { // a record on its way out
		_, err := w.Named.Retire(named(w, "s"))
		Check(err)
		c := newNamed(w, "s", 10)
		return func(ack func(string)) {
			ack(is(5, "free"))
			ack(may(10, "queue"))
			insert(w, c, &w.Queue)
			ack(is(10, "queue"))
		}
	}},
	{name: "insert-second", capacity: manyNamed, more: crowd(7), ready: func(w *World) func(func(string)) {
		c := newNamed(w, crowdedKey(w.segment, 7), 10)
		return func(ack func(string)) {
			crowdIs(7, ack)
			ack(may(10, "settled"))
			insert(w, c, nil)
			ack(is(10, "settled"))
		}
	}},
	{name: "insert-refused", capacity: manyNamed, more: crowd(15), ready: func(w *World) func(func(string)) {
		c := newNamed(w, crowdedKey(w.segment, 15), 10)
		return func(ack func(string)) {
			crowdIs(15, ack)
			if _, ok, err := w.ByName.Insert(c, nil); ok || !errors.Is(err, shm.ErrFull) {
				panic(fmt.Sprint("a sixteenth key on one bucket: ", err))
			}
		}
	}},
	{name: "lookup", ready: func(w *World) func(func(string)) {
		return func(func(string)) { named(w, "k") }
	}},
}

func insert(w *World, c shm.Claim[Job], to shm.Queue[Job]) {
	_, ok, err := w.ByName.Insert(c, to)
	Check(err)
	if !ok {
		panic("the key is there already")
	}
}

var manyNamed = map[string]int{"named": 24}

const (
	namedBuckets = 16 // of an index over up to 32 records
	crowdFrom    = 100
)

// crowdedKey is the n-th of the keys that fall on one bucket of a segment's index:
// the first bucket without a staged record.
func crowdedKey(segment string, n int) string {
	seed := seedOf(segment)
	at := uint64(0)
	for at == bucket(seed, "k") || at == bucket(seed, "s") {
		at++
	}
	for k := 0; ; k++ {
		key := fmt.Sprint("crowded ", k)
		if bucket(seed, key) != at {
			continue
		}
		if n == 0 {
			return key
		}
		n--
	}
}

func bucket(seed uint64, key string) uint64 {
	name := KeyOf(key).Name
	d := xxhash.NewWithSeed(seed)
	_, _ = d.Write(name[:])
	return d.Sum64() % namedBuckets
}

// seedOf reads the seed of a segment's hashes; see docs/format.md.
func seedOf(segment string) uint64 {
	head := make([]byte, 40)
	f, err := os.Open(filepath.Join(dir(), segment))
	Check(err)
	_, err = io.ReadFull(f, head)
	Check(errors.Join(err, f.Close()))
	return binary.LittleEndian.Uint64(head[32:])
}

func crowd(n int) func(t testing.TB, w *World) {
	return func(t testing.TB, w *World) {
		for i := range n {
			insert(w, newNamed(w, crowdedKey(w.segment, i), crowdFrom+uint64(i)), nil)
		}
	}
}

func crowdIs(n int, ack func(string)) {
	for i := range n {
		ack(is(crowdFrom+uint64(i), "settled"))
	}
}
