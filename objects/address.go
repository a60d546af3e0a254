package objects

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/aotf/sharedmem/shm"
)

// addresses keeps what the limits know of each address: a record found by the
// address, made when first needed, and closed when nothing in it matters any
// more and the room is wanted.
type addresses struct{ m *SharedMemory }

func (m *SharedMemory) addresses() addresses { return addresses{m} }

func (m *SharedMemory) unlimited(a netip.Addr) bool {
	return slices.Contains(m.opt.Unlimited, a.Unmap())
}

// The closing word of a record is {epoch, phase:2}. To close, its phase goes from
// open to asked; the closer then sees that the record is idle, and decides by the
// CAS from asked to closed. Whoever uses the record writes first, and then looks
// at the word: open, his use counts; asked, he takes the question back, and the
// closer's decision fails; closed, he undoes his use and begins anew. A question
// has its own epoch, so an old one cannot be decided late. Killed after the
// decision: whoever meets the record finishes it.
const (
	closeOpen   = 0
	closeAsked  = 1
	closeClosed = 2
)

// entry finds or makes the record of an address.
func (a addresses) entry(addr netip.Addr) (r shm.Ref[addressRecord], rec *addressRecord, err error) {
	t := &a.m.tree
	key := addressKey{addr.As16()}
	for range mostRetries {
		r, ok, err := t.byAddress.Lookup(key)
		if err != nil {
			return r, nil, err
		}
		if st, err := t.addresses.Stat(r); !ok || err != nil || st.State() == shm.Retiring {
			c, err := t.addresses.TryNew()
			if errors.Is(err, ErrFull) && a.evict() > 0 {
				continue
			}
			if err != nil {
				return r, nil, err
			}
			c.Record().Key = key
			if r, _, err = t.byAddress.Insert(c, nil); err != nil {
				return r, nil, err
			}
		}
		if rec, err := t.addresses.Words(r); err == nil {
			return r, rec, nil
		}
	}
	return r, nil, fmt.Errorf("%w: the record of address %v comes and goes", ErrCorrupt, addr)
}

// settle is called after a use was written: it tells whether the use counts.
func (a addresses) settle(r shm.Ref[addressRecord], rec *addressRecord) bool {
	for {
		v := rec.Closing.Load()
		switch v & 3 {
		case closeOpen:
			_, err := a.m.tree.addresses.Stat(r)
			return err == nil // freed since: the words are another address's
		case closeAsked:
			rec.Closing.CompareAndSwap(v, v-closeAsked)
		default:
			a.finish(r)
			return false
		}
	}
}

// finish frees a record that was decided closed.
func (a addresses) finish(r shm.Ref[addressRecord]) bool {
	c, err := a.m.tree.addresses.Retire(r)
	return err == nil && c.Free() == nil
}

// charge takes a cell for a request that is being launched. The cell frees itself
// when the request ends, is freed, or is never launched.
func (a addresses) charge(addr netip.Addr, user shm.Ref[userRecord]) error {
	for range mostRetries {
		r, rec, err := a.entry(addr)
		if err != nil {
			return err
		}
		cell := a.take(rec, user.Uint64())
		if cell == nil {
			if a.settle(r, rec) {
				return ErrLimit
			}
			continue
		}
		if a.settle(r, rec) {
			return nil
		}
		cell.CompareAndSwap(user.Uint64(), 0)
	}
	return fmt.Errorf("%w: the record of address %v stays closed", ErrCorrupt, addr)
}

func (a addresses) take(rec *addressRecord, v uint64) *shm.Word {
	for i := range a.m.perAddress() {
		cell := &rec.Cells[i]
		for {
			old := cell.Load()
			if a.unfinished(old) {
				break
			}
			if cell.CompareAndSwap(old, v) {
				return cell
			}
		}
	}
	return nil
}

func (a addresses) unfinished(v uint64) bool {
	return v != 0 && a.m.unfinished(shm.RefOf[userRecord](v))
}

// evict closes idle records and returns how many it freed.
func (a addresses) evict() (n int) {
	for r, st := range a.m.tree.addresses.All() {
		if st.State() == shm.Settled && a.close(r) {
			n++
		}
	}
	return n
}

func (a addresses) close(r shm.Ref[addressRecord]) bool {
	rec, err := a.m.tree.addresses.Words(r)
	if err != nil {
		return false
	}
	v := rec.Closing.Load()
	if v&3 == closeClosed {
		return a.finish(r)
	}
	asked := v&^3 + 4 + closeAsked
	if !a.idle(rec) || !rec.Closing.CompareAndSwap(v, asked) {
		return false
	}
	if !a.idle(rec) {
		rec.Closing.CompareAndSwap(asked, asked-closeAsked)
		return false
	}
	return rec.Closing.CompareAndSwap(asked, asked+closeClosed-closeAsked) && a.finish(r)
}

func (a addresses) idle(rec *addressRecord) bool {
	if last := rec.Last.Load(); last != 0 && a.m.seg.Now()-time.Duration(last) <= httpInterval {
		return false
	}
	for i := range rec.Cells {
		if a.unfinished(rec.Cells[i].Load()) {
			return false
		}
	}
	return true
}

// HTTPLimiter lets one HTTP request per second and address through.
type HTTPLimiter interface {
	// Allow reports whether the address has had no accepted request for more than
	// a second; only an accepted one counts. Time is since boot and does not jump.
	// When more addresses than the table holds were seen within a second: ErrFull.
	Allow(ctx context.Context, addr netip.Addr) (bool, error)
	// Unfinished returns how many unfinished requests are charged to an address.
	Unfinished(ctx context.Context, addr netip.Addr) (int, error)
}

const httpInterval = time.Second

type limiter struct{ m *SharedMemory }

func (h *limiter) Allow(ctx context.Context, addr netip.Addr) (bool, error) {
	if !addr.IsValid() {
		return false, invalid("address", addr, "want an IP address")
	}
	a := h.m.addresses()
	for range mostRetries {
		r, rec, err := a.entry(addr)
		if err != nil {
			return false, err
		}
		old := rec.Last.Load()
		now := h.m.seg.Now()
		if old != 0 && now-time.Duration(old) <= httpInterval {
			return false, nil
		}
		if rec.Last.CompareAndSwap(old, uint64(now)) && a.settle(r, rec) {
			return true, nil
		}
	}
	return false, fmt.Errorf("%w: the record of address %v stays closed", ErrCorrupt, addr)
}

func (h *limiter) Unfinished(ctx context.Context, addr netip.Addr) (n int, err error) {
	r, ok, err := h.m.tree.byAddress.Lookup(addressKey{addr.As16()})
	if err != nil || !ok {
		return 0, err
	}
	rec, err := h.m.tree.addresses.Words(r)
	if err != nil {
		return 0, nil
	}
	for i := range rec.Cells {
		if h.m.addresses().unfinished(rec.Cells[i].Load()) {
			n++
		}
	}
	return n, nil
}
