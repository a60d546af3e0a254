package objects

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/aotf/sharedmem/shm"
)

// scanRetention is how long a finished scan answers for its account. A failed
// one may be launched again after scanRetryAfter, unless every token is blocked.
const (
	scanTick       = 16 * time.Millisecond
	scanRetention  = 24 * time.Hour
	scanRetryAfter = 10 * time.Minute
)

func (u *users) Shed(ctx context.Context) (n int, err error) {
	if err := u.sweepImages(); err != nil {
		return 0, err
	}
	now := u.m.seg.Now()
	var rec userRecord
	for r, st := range u.m.tree.users.All() {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		if st.State() != shm.Settled {
			continue
		}
		if _, err := u.m.tree.users.Load(r, &rec); err != nil {
			continue // gone meanwhile
		}
		if now-rec.End.Ended >= Problem(rec.End.Problem).retention(rec.Key.Direct != 0) && u.free(r) {
			n++
		}
	}
	return n, nil
}

func (u *users) free(r shm.Ref[userRecord]) bool {
	c, err := u.m.tree.users.Retire(r)
	if err != nil || c.Free() != nil {
		return false
	}
	u.m.tree.events.Add(evShedUsers, 1)
	return true
}

// shedOldest makes room when there is none: the oldest sixteenth of the finished
// requests goes, whatever its age. What finishes later is younger than all that
// had finished before, so one look at all of them serves for many calls.
func (u *users) shedOldest() (n int) {
	u.shedding.Lock()
	defer u.shedding.Unlock()
	for range 2 { // all that this process knows of may have been freed by others
		if len(u.oldest) == 0 {
			u.oldest = u.finishedByAge()
			u.atOnce = (len(u.oldest) + 15) / 16
		}
		for n == 0 && len(u.oldest) > 0 {
			some := u.oldest[:min(u.atOnce, len(u.oldest))]
			u.oldest = u.oldest[len(some):]
			for _, r := range some {
				if u.free(r) {
					n++
				}
			}
		}
		if n > 0 {
			break
		}
	}
	return n
}

func (u *users) finishedByAge() (refs []shm.Ref[userRecord]) {
	type aged struct {
		r     shm.Ref[userRecord]
		ended time.Duration
	}
	var all []aged
	var rec userRecord
	for r, st := range u.m.tree.users.All() {
		if st.State() == shm.Settled {
			if _, err := u.m.tree.users.Load(r, &rec); err == nil {
				all = append(all, aged{r, rec.End.Ended})
			}
		}
	}
	slices.SortFunc(all, func(a, b aged) int { return cmp.Compare(a.ended, b.ended) })
	for _, a := range all {
		refs = append(refs, a.r)
	}
	return refs
}

func (s *scans) Shed(ctx context.Context) (n int, err error) {
	now := s.m.seg.Now()
	for r, st := range s.m.tree.scans.All() {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		if st.State() != shm.Settled {
			continue
		}
		state, err := s.m.scanState(scanID(r))
		if err == nil && state&scanFinished == scanFinished && now-finishedAt(state) >= scanRetention && s.free(r) {
			n++
		}
	}
	return n, nil
}

func (s *scans) free(r shm.Ref[scanRecord]) bool {
	c, err := s.m.tree.scans.Retire(r)
	if err != nil || c.Free() != nil {
		return false
	}
	s.m.tree.events.Add(evShedScans, 1)
	return true
}

// replaceable tells whether a launch may put a new scan in this one's place.
func (s *scans) replaceable(state uint64) bool {
	if state&scanFinished != scanFinished || state&(scanFailed|scanUnfound) == 0 {
		return false
	}
	age := s.m.seg.Now() - finishedAt(state)
	if state&scanBlocked != 0 {
		return age >= scanRetention
	}
	return age >= scanRetryAfter
}

func finishedAt(state uint64) time.Duration { return time.Duration(state>>scanTime) * scanTick }
