package primitives

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// table is an arena with an index, as large as the options say.
type table struct {
	Rows  shm.Arena[row]
	Index shm.Index[row, uint64]
}

type row struct {
	Key uint64 `shm:"key"`
	_   [56]byte
}

func (t *table) Define(l *shm.Layout) {
	t.Rows.Define(l, "rows", 1000)
	t.Index.Define(l, "index", &t.Rows)
}

// keyOf scatters keys, as a random number would, and without repeating one.
func keyOf(i uint64) uint64 { return i * 0x9e3779b97f4a7c15 }

// BenchmarkLookup looks random keys up, each after the bucket of the one before has
// been read: without that, the processor fetches the lines of many at a time.
//
//	index  shm.Index: a line of a bucket, a line of a record
//	array  an index into an array of 128-byte buckets, then one into an array
//	       of records, compared with the key: as many lines as cold
func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1e3, 1e4, 1e5, 1e6} {
		var t *table
		order := make([]uint32, 1<<20)
		for i := range order {
			order[i] = uint32(rand.IntN(n))
		}
		b.Run(fmt.Sprintf("kind=index/records=%d", n), func(sub *testing.B) {
			if t == nil {
				t = filled(b, n)
			}
			var chain, at uint64
			var err error
			for sub.Loop() {
				if chain, err = t.lookup(order, at, chain); err != nil {
					sub.Fatal(err)
				}
				at++
			}
		})
		var buckets, rows []uint64
		b.Run(fmt.Sprintf("kind=array/records=%d", n), func(sub *testing.B) {
			if rows == nil {
				buckets, rows = arrays(b, n)
			}
			bare(sub, buckets, rows, order)
		})
	}
}

// filled makes a table of n rows in a segment that lives as long as b.
func filled(b *testing.B, n int) *table {
	var t table
	s, err := shm.Create(shmtest.Name(b), &t, &shm.Options{Capacity: map[string]int{"rows": n}})
	if errors.Is(err, shm.ErrUnsupported) || errors.Is(err, shm.ErrNoSpace) {
		b.Skip("not measured: ", err)
	}
	must(b, err)
	b.Cleanup(func() { _ = s.Close() })
	must(b, t.fill(n))
	return &t
}

func (t *table) fill(n int) error {
	for i := range n {
		c, err := t.Rows.TryNew()
		if err != nil {
			return err
		}
		c.Record().Key = keyOf(uint64(i))
		if _, ok, err := t.Index.Insert(c, nil); err != nil || !ok {
			return fmt.Errorf("insert key %d: %v, %w", i, ok, err)
		}
	}
	return nil
}

// lookup looks up the key whose turn it is; the next one depends on what it returns.
func (t *table) lookup(order []uint32, at, chain uint64) (uint64, error) {
	r, ok, err := t.Index.Lookup(keyOf(uint64(order[(at+chain)&(1<<20-1)])))
	if err != nil || !ok {
		return 0, fmt.Errorf("lookup: %v, %w", ok, err)
	}
	return r.Uint64() >> 63, nil // 0, and the processor cannot know
}

const (
	bucketWords = 128 / 8
	rowWords    = 64 / 8
)

// arrays makes two arrays on the same kind of memory, so that pages count alike:
// half as many buckets as rows, each of which leads to a row.
func arrays(b *testing.B, n int) (buckets, rows []uint64) {
	buckets = bareWords(place(b), n*bucketWords/2)
	rows = bareWords(place(b), n*rowWords)
	for i := range n {
		rows[i*rowWords] = keyOf(uint64(i))
	}
	for i := range buckets {
		buckets[i] = uint64(i / bucketWords)
	}
	b.Cleanup(func() { unmapWords(buckets); unmapWords(rows) })
	return buckets, rows
}

func bare(b *testing.B, buckets, rows []uint64, order []uint32) {
	var chain, at uint64
	half := uint64(len(buckets) / bucketWords)
	for b.Loop() {
		i := uint64(order[(at+chain)&(1<<20-1)])
		first := i - i%half
		leads := buckets[i%half*bucketWords]
		if rows[(first+leads)*rowWords] != keyOf(i) {
			b.Fatal("another row")
		}
		chain = leads >> 63
		at++
	}
}
