package objects

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aotf/sharedmem/shm"
)

// A Launched is what launching a scan did.
type Launched struct {
	ID            ScanID
	Created       bool
	ResetAccepted bool // the saved cursor of leg A will be cleared: it had not begun
}

// Scans is the pipeline of scans of accounts, and step C.
type Scans interface {
	// Launch returns the account's scan, or launches a new one: findable and both
	// legs queued, as one operation that a kill either completes or undoes. With
	// prior, legs of an existing scan that wait in the normal class move to the
	// priority class and keep their age; a started leg stays. With reset, leg A
	// clears its saved cursor, if it has not begun. A failed scan is replaced
	// after ten minutes, one that all tokens are blocked from after a day.
	// ErrBlacklisted, ErrFull, ErrInvalid. It does not block.
	Launch(ctx context.Context, account Account, prior, reset bool) (Launched, error)
	// Get finds an account's scan and never creates one.
	Get(ctx context.Context, account int64) (id ScanID, ok bool, err error)
	// Load copies a scan. ErrGone when it was shed.
	Load(ctx context.Context, id ScanID, dst *ScanRequest) error
	// ClaimListing waits for a leg that the token may list and claims it: the
	// priority class first, the oldest first in a class.
	ClaimListing(ctx context.Context, w Worker, leg Leg, token int) (ListingClaim, error)
	// ClaimIndexing waits for a tweet of step C, or for a save-cursor instruction
	// whose barrier is open, and claims it.
	ClaimIndexing(ctx context.Context, w Worker) (IndexingClaim, error)
	// Shed frees scans that finished a day ago.
	Shed(ctx context.Context) (int, error)
	// Count returns how many scans there are, and how many have not finished.
	Count(ctx context.Context) (total, processing int, err error)
	// Depths returns how many legs wait to be listed, tweets wait to be indexed,
	// and instructions wait for their barrier or an indexer.
	Depths(ctx context.Context) (listing, tweets, instructions int, err error)
}

type scans struct {
	m *SharedMemory
	witnesses
}

func (s *scans) Get(ctx context.Context, account int64) (ScanID, bool, error) {
	r, ok, err := s.m.tree.byAccount.Lookup(scanKey{account})
	return scanID(r), ok, err
}

func (s *scans) Launch(ctx context.Context, account Account, prior, reset bool) (Launched, error) {
	if slices.Contains(s.m.opt.Blacklist, account.ID) {
		return Launched{}, ErrBlacklisted
	}
	for range mostRetries {
		if err := ctx.Err(); err != nil {
			return Launched{}, err
		}
		r, ok, err := s.m.tree.byAccount.Lookup(scanKey{account.ID})
		if err != nil {
			return Launched{}, err
		}
		if ok {
			state, err := s.m.scanState(scanID(r))
			switch {
			case err != nil: // shed meanwhile
			case !s.replaceable(state):
				if st, err := s.m.tree.scans.Stat(r); err != nil || st.State() == shm.Retiring {
					break // on its way out: a new one takes its place
				}
				return s.existing(r, prior, reset), nil
			default:
				s.free(r)
			}
		}
		r, created, err := s.create(account, prior, reset)
		if errors.Is(err, ErrFull) {
			if n, e := s.Shed(ctx); n > 0 && e == nil {
				continue
			}
		}
		if err != nil {
			return Launched{}, err
		}
		if created {
			return Launched{scanID(r), true, reset}, nil
		}
		return s.existing(r, prior, reset), nil
	}
	return Launched{}, fmt.Errorf("%w: the scan of account %d comes and goes", ErrCorrupt, account.ID)
}

// mostRetries bounds loops that only a damaged segment can keep running.
const mostRetries = 1 << 16

// existing applies what a launch asks of a scan that is there.
func (s *scans) existing(r shm.Ref[scanRecord], prior, reset bool) Launched {
	l := Launched{ID: scanID(r)}
	var rec scanRecord
	if _, err := s.m.tree.scans.Load(r, &rec); err != nil {
		return l
	}
	for leg, ref := range rec.Legs {
		if prior {
			b := &s.m.tree.listing[leg]
			if b[0].Move(ref, &b[1]) != nil { // it has begun, is there already, or is not posted yet
				s.option(ref, legPrior)
				_ = b[0].Move(ref, &b[1]) // posted meanwhile, by somebody who did not see the bit
			}
		}
		if reset && Leg(leg) == LegA {
			l.ResetAccepted = s.option(ref, legReset)
		}
	}
	return l
}

// option sets a bit of a leg that has not begun. It decides against a lister that
// begins at the same time, because started is a bit of the same word.
func (s *scans) option(leg shm.Ref[legRecord], bit uint64) bool {
	rec, err := s.m.tree.legs.Words(leg)
	if err != nil {
		return false
	}
	for {
		v := rec.Options.Load()
		if v&legStarted != 0 || v>>legLife != leg.Life() {
			return false
		}
		if rec.Options.CompareAndSwap(v, v|bit) {
			return true
		}
	}
}

// create makes the three records of a scan. The scan's entry in the index is the
// launch: killed before it, the sweep frees all three; killed after it, the sweep
// posts the legs where they were aimed, because their scan is in the index.
func (s *scans) create(account Account, prior, reset bool) (shm.Ref[scanRecord], bool, error) {
	t := &s.m.tree
	none := shm.Ref[scanRecord]{}
	c, err := t.scans.TryNew()
	if err != nil {
		return none, false, err
	}
	rec := c.Record()
	if err := shm.PutText(rec.Name[:], account.Name); err != nil {
		return none, false, errors.Join(err, c.Free())
	}
	rec.Key.Account, rec.Started, rec.Begun = account.ID, time.Now().UnixNano(), s.m.seg.Now()
	rec.State.Store(c.Ref().Life() << scanLife)
	class := 0
	if prior {
		class = 1
	}
	var legs [2]shm.Claim[legRecord]
	drop := func(err error) (shm.Ref[scanRecord], bool, error) {
		for _, l := range legs {
			_ = l.Free() // of a claim that was never made: ErrStale
		}
		return none, false, err
	}
	for leg := range legs {
		if legs[leg], err = t.legs.TryNew(); err != nil {
			return drop(errors.Join(err, c.Free()))
		}
		f := legs[leg].Record()
		f.Scan, f.Account, f.Leg = c.Ref(), account.ID, uint8(leg)
		options := legs[leg].Ref().Life() << legLife
		if reset && Leg(leg) == LegA {
			options |= legReset
		}
		f.Options.Store(options)
		if err := legs[leg].Aim(&t.listing[leg][class]); err != nil {
			return drop(errors.Join(err, c.Free()))
		}
		rec.Legs[leg] = legs[leg].Ref()
	}
	r, created, err := t.byAccount.Insert(c, nil) // the decision
	if err != nil {
		return drop(err)
	}
	if !created {
		_, _, _ = drop(nil)
		return r, false, nil
	}
	for leg := range legs {
		ref, f := legs[leg].Ref(), legs[leg].Record()
		if err := t.listing[leg][class].Put(legs[leg]); err != nil {
			return r, true, err
		}
		// Promoted before it was posted: the promoter set the bit, and then found
		// nothing to move. f is another leg's when this one has ended: then
		// nothing of this Ref is to be moved.
		if class == 0 && f.Options.Load()&legPrior != 0 {
			_ = t.listing[leg][0].Move(ref, &t.listing[leg][1])
		}
	}
	return r, true, nil
}

func (s *scans) Load(ctx context.Context, id ScanID, dst *ScanRequest) error {
	var rec scanRecord
	if _, err := s.m.tree.scans.Load(id.ref(), &rec); err != nil {
		return err
	}
	state := rec.State.Plain()
	*dst = ScanRequest{
		ID: id, Account: Account{rec.Key.Account, shm.Text(rec.Name[:])}, Started: unixTime(rec.Started),
		Closed: [2]bool{state&scanClosedA != 0, state&scanClosedB != 0},
		Failed: state&scanFailed != 0, Unfound: state&scanUnfound != 0, Blocked: state&scanBlocked != 0,
		Finished: state&scanFinished == scanFinished,
	}
	if dst.Finished {
		dst.Took = finishedAt(state) - rec.Begun
	}
	for leg, r := range rec.Legs {
		st, err := s.m.tree.legs.Stat(r)
		switch {
		case dst.Closed[leg]:
			dst.Legs[leg] = "closed"
		case err != nil:
			dst.Legs[leg] = "closing"
		case st.State() == shm.Owned && st.Queue() == "save-cursor":
			dst.Legs[leg] = "saving"
		case st.State() == shm.Owned:
			dst.Legs[leg] = "listing"
		case st.Queue() == "save-cursor":
			dst.Legs[leg] = "barrier"
		default:
			dst.Legs[leg] = "queued"
		}
	}
	return nil
}

func (s *scans) Count(ctx context.Context) (total, processing int, err error) {
	for r := range s.m.tree.scans.All() {
		state, err := s.m.scanState(scanID(r))
		if err != nil {
			continue
		}
		total++
		if state&scanFinished != scanFinished {
			processing++
		}
	}
	return total, processing, nil
}

func (s *scans) Depths(ctx context.Context) (listing, tweets, instructions int, err error) {
	t := &s.m.tree
	for leg := range t.listing {
		for class := range t.listing[leg] {
			listing += t.listing[leg][class].Len()
		}
	}
	return listing, t.stepC.Len(), t.save.Len(), nil
}
