package objects

import (
	"context"
	"errors"

	"github.com/aotf/sharedmem/shm"
)

// The state word of a scan; see scanClosedA and its neighbours.

// scanState reads a scan's state word. ErrGone when it was shed.
func (m *SharedMemory) scanState(id ScanID) (uint64, error) {
	rec, err := m.tree.scans.Words(id.ref())
	if err != nil {
		return 0, err
	}
	state := rec.State.Load()
	if _, err := m.tree.scans.Stat(id.ref()); err != nil {
		return 0, err // freed while we read: it was another's word
	}
	return state, nil
}

// mark sets bits of a scan's state; a leg that is closed already changes nothing.
// The CAS that sets the second closed bit is the finish, and carries its time. It
// returns whether this call was it. ErrGone when the scan was shed: its word may
// be another scan's by now, which the life in it tells.
func (s *scans) mark(r shm.Ref[scanRecord], bits uint64) (finished bool, err error) {
	rec, err := s.m.tree.scans.Words(r)
	if err != nil {
		return false, err
	}
	for {
		old := rec.State.Load()
		if old>>scanLife&(1<<26-1) != r.Life() {
			return false, ErrGone
		}
		if old&bits&scanFinished != 0 {
			return false, nil
		}
		v := old | bits
		finished = v&scanFinished == scanFinished && old&scanFinished != scanFinished
		if finished {
			v |= uint64(s.m.seg.Now()/scanTick) << scanTime
		}
		if v == old {
			return false, nil
		}
		if rec.State.CompareAndSwap(old, v) {
			return finished, nil
		}
	}
}

// closeLeg ends a leg: its bit in the scan, then its record. Killed in between,
// the leg is delivered again, its bit is set already, and only the record is
// left to end. The scan cannot be freed before both bits are set.
func (s *scans) closeLeg(c shm.Claim[legRecord], bits uint64) error {
	if !c.Valid() {
		return ErrStale
	}
	rec := c.Record()
	scan := rec.Scan
	finished, err := s.mark(scan, bits|scanClosedA<<rec.Leg)
	if err != nil && !errors.Is(err, ErrGone) {
		return err
	}
	if finished {
		var full scanRecord
		if _, err := s.m.tree.scans.Load(scan, &full); err == nil {
			took := max(0, s.m.seg.Now()-full.Begun) // our clock may be behind for a moment
			if err := s.m.Metrics.Add(context.Background(), ScanFullTime, 1, took); err != nil {
				return err
			}
		}
	}
	err = c.Free()
	s.m.tree.change2.Signal() // who waits for this scan
	s.m.tree.changeC.Signal() // the other leg's instruction, when this one failed
	return err
}
