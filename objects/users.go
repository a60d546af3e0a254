package objects

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aotf/sharedmem/shm"
)

// Step is one of the three steps of the user pipeline.
type Step uint8

const (
	Step1 Step = 1 + iota // link finder
	Step2                 // tweets indexer: launches scans and waits for them
	Step3                 // reverse search
)

// Users is the pipeline of user requests.
type Users interface {
	// Launch returns the request with the query's identity, finished or not, or
	// launches a new one: charged to its address, findable and queued, as one
	// operation that a kill either completes or undoes. An existing request is
	// returned whatever the address's limit. ErrLimit, ErrFull, ErrTooLarge,
	// ErrInvalid. It does not block.
	Launch(ctx context.Context, q Query) (id UserID, created bool, err error)
	// Lookup finds a request and never creates one.
	Lookup(ctx context.Context, q Query) (id UserID, ok bool, err error)
	// Load copies the request into dst, as of one instant, reusing its slices, and its
	// strings where they say the same: who polls with one dst makes no garbage.
	// ErrGone when it was shed.
	Load(ctx context.Context, id UserID, dst *UserRequest) error
	// Claim waits for a request at the given step and claims it for the worker
	// (nil: an anonymous one). A request that was delivered too often is failed
	// with ProcessingError and passed over. At Step2 a request that waits for
	// scans is claimed again when one failed or all have finished.
	Claim(ctx context.Context, w Worker, s Step) (UserClaim, error)
	// Expire ends requests that were launched longer ago than given and have not
	// ended: with ProcessingError, as their pollers and the address's quota see
	// it. One that a live worker holds keeps its memory until the worker lets go;
	// the worker's late ending returns ErrStale. Those that wait for a step leave
	// slots of its ring taken until somebody claims from that step: where nobody
	// does, the steps before it may block in the end. It returns how many.
	Expire(ctx context.Context, age time.Duration) (int, error)
	// Shed frees finished requests that were kept long enough, and returns how
	// many. Any process may call it, at any time.
	Shed(ctx context.Context) (int, error)
	// Count returns how many requests there are, and how many are not at END.
	Count(ctx context.Context) (total, processing int, err error)
	// Queued returns how many requests wait for a step.
	Queued(ctx context.Context, s Step) (int, error)
}

// A UserClaim is a claimed user request. Exactly one of its ending methods
// succeeds; a late call returns ErrStale and changes nothing.
type UserClaim interface {
	ID() UserID
	Request() *UserRequest // as it was when claimed
	Attempt() int          // deliveries at this step, this one included
	Open() bool            // the claim has not been ended
	// Image reads the query image. ErrInvalid when the request has none.
	Image(ctx context.Context) ([]byte, error)
	// LinkFound ends step 1: accounts (1 to 256), image URLs (0 to 2, up to 4 KiB
	// each) and the illustration's date are published, and step 2 follows.
	LinkFound(ctx context.Context, accounts []Account, imageURLs []string, published time.Time) error
	// WaitFor ends the first visit of step 2: the request is claimed again when
	// one of the scans failed or all have finished. Without scans, step 3 follows.
	WaitFor(ctx context.Context, scans []ScanID, firstScan bool) error
	// Indexed ends step 2: step 3 follows.
	Indexed(ctx context.Context) error
	// Finish ends the request: results, nearest first, become visible with END.
	// More than 2,600 are cut, and the request says so.
	Finish(ctx context.Context, found []Found) error
	// Fail ends the request with a problem.
	Fail(ctx context.Context, p Problem) error
	// Release gives the request back to its queue; the attempt does not count.
	Release(ctx context.Context) error
}

type users struct {
	m *SharedMemory

	shedding sync.Mutex
	oldest   []shm.Ref[userRecord] // finished ones, as shedOldest found them
	atOnce   int
}

func (u *users) Lookup(ctx context.Context, q Query) (UserID, bool, error) {
	k, _, err := q.key()
	if err != nil {
		return UserID{}, false, err
	}
	r, ok, err := u.m.tree.byURL.Lookup(k)
	return userID(r), ok, err
}

func (u *users) Load(ctx context.Context, id UserID, dst *UserRequest) error {
	var rec userRecord
	var err error
	for range 100 {
		var st shm.Status
		if st, err = u.m.tree.users.Load(id.ref(), &rec); err != nil {
			return err
		}
		if st.State() == shm.Retiring { // being shed: its blobs go first
			return ErrGone
		}
		if err = u.copyOut(id, &rec, st, dst); !errors.Is(err, ErrGone) {
			return err
		}
		// A blob went with the state it belonged to: look again.
	}
	return fmt.Errorf("%w: user request %v names a blob that is gone: %w", ErrCorrupt, id, err)
}

// status is the public name of where a record is.
func (u *users) status(st shm.Status) Status {
	owned := st.State() == shm.Owned
	switch st.Queue() {
	case "step-1":
		if owned {
			return LinkFinder
		}
		return WaitLinkFinder
	case "step-2":
		if owned {
			return IndexTweets
		}
		return WaitIndexTweets
	case "step-2-waiting":
		return IndexTweets
	case "step-3":
		if owned {
			return ReverseSearch
		}
		return WaitReverseSearch
	}
	return End
}

func (u *users) Claim(ctx context.Context, w Worker, s Step) (UserClaim, error) {
	t := &u.m.tree
	for {
		var c shm.Claim[userRecord]
		var err error
		switch s {
		case Step1:
			c, err = t.step1.Get(ctx)
		case Step2:
			err = t.change2.Wait(ctx, func() (bool, error) {
				if c, err = t.waiting.TryGet(u.ready); errors.Is(err, shm.ErrEmpty) {
					c, err = t.step2.TryGet()
				}
				if errors.Is(err, shm.ErrEmpty) {
					return false, nil
				}
				return err == nil, err
			})
		case Step3:
			c, err = t.step3.Get(ctx)
		default:
			return nil, invalid("step", s, "want 1 to 3")
		}
		if err != nil {
			return nil, err
		}
		claim := &userClaim{u: u, c: c, w: local(w)}
		if c.Record().Outcome.Load()&outcomeKind == outcomeForced {
			_ = claim.end(ProcessingError) // ended for everybody already: this lets go of it
			continue
		}
		if u.m.delivered(c.Attempt()) {
			if err := claim.Fail(ctx, ProcessingError); err != nil && !errors.Is(err, ErrStale) {
				return nil, err
			}
			continue
		}
		if err := u.Load(ctx, claim.ID(), &claim.req); err != nil {
			if errors.Is(err, ErrGone) || errors.Is(err, ErrCorrupt) {
				_ = claim.Fail(ctx, ProcessingError)
				continue
			}
			return nil, errors.Join(err, c.Release())
		}
		if claim.req.Status == End { // by force, since we looked: as above
			_ = claim.end(ProcessingError)
			continue
		}
		claim.w.works(c.Ref().Uint64())
		return claim, nil
	}
}

// ready tells whether a waiting request's scans have ended.
func (u *users) ready(_ shm.Ref[userRecord], rec *userRecord) bool {
	var few [fewItems]ScanID
	ids, err := u.scanIDs(few[:0], &rec.Wait)
	if err != nil {
		return true // whoever claims it fails it
	}
	finished := true
	for _, id := range ids {
		state, err := u.m.scanState(id)
		if err != nil {
			continue // shed: finished long ago
		}
		if state&scanFailed != 0 {
			return true
		}
		finished = finished && state&scanFinished == scanFinished
	}
	return finished
}

func (u *users) Count(ctx context.Context) (total, processing int, err error) {
	for r := range u.m.tree.users.All() {
		total++
		if u.m.unfinished(r) {
			processing++
		}
	}
	return total, processing, nil
}

func (u *users) Queued(ctx context.Context, s Step) (int, error) {
	t := &u.m.tree
	switch s {
	case Step1:
		return t.step1.Len(), nil
	case Step2:
		return t.step2.Len() + t.waiting.Len(), nil
	case Step3:
		return t.step3.Len(), nil
	}
	return 0, invalid("step", s, "want 1 to 3")
}
