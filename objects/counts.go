package objects

import (
	"context"
	"errors"
	"time"

	"github.com/aotf/sharedmem/shm"
)

// Counts are the numbers of tweets and accounts in the database, as somebody
// read them at some time.
type Counts struct {
	Tweets   int64     `json:"tweets"`
	Accounts int64     `json:"accounts"` // 0 until first set: check before dividing
	ReadAt   time.Time `json:"read_at"`
}

// SetCounts publishes counts, all three as one; older ones than the current
// change nothing.
func (m *SharedMemory) SetCounts(ctx context.Context, n Counts) error {
	t := &m.tree
	c, err := t.counts.TryNew()
	if err != nil {
		return err
	}
	*c.Record() = countsRecord{n.Tweets, n.Accounts, n.ReadAt.UnixNano()}
	for {
		old := t.current.Load()
		var rec countsRecord
		if _, err := t.counts.Load(shm.RefOf[countsRecord](old), &rec); err == nil && rec.ReadAt >= n.ReadAt.UnixNano() {
			return c.Free()
		}
		// From the CAS on the cell names the record, also before it is settled.
		// Killed after it: the sweep settles the new one and frees the old.
		if t.current.CompareAndSwap(old, c.Ref().Uint64()) {
			err := c.Settle()
			m.dropCounts(old)
			if t.current.Load() != c.Ref().Uint64() { // replaced before it was settled
				m.dropCounts(c.Ref().Uint64())
			}
			return err
		}
	}
}

func (m *SharedMemory) dropCounts(v uint64) {
	if c, err := m.tree.counts.Retire(shm.RefOf[countsRecord](v)); err == nil {
		_ = c.Free()
	}
}

// Counts returns the current counts; zero before the first SetCounts.
func (m *SharedMemory) Counts(ctx context.Context) (Counts, error) {
	var rec countsRecord
	for {
		v := m.tree.current.Load()
		if v == 0 {
			return Counts{}, nil
		}
		_, err := m.tree.counts.Load(shm.RefOf[countsRecord](v), &rec)
		if errors.Is(err, ErrGone) && m.tree.current.Load() != v {
			continue // replaced while we looked
		}
		return Counts{rec.Tweets, rec.Accounts, unixTime(rec.ReadAt)}, err
	}
}
