package objects

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/aotf/sharedmem/shm"
)

// An IndexingClaim is a claimed tweet, or a claimed save-cursor instruction.
// Exactly one of Done, Fail and Release succeeds; a late call returns ErrStale.
type IndexingClaim interface {
	Scan() ScanID
	Account() int64
	Attempt() int
	Open() bool // the claim has not been ended
	// Tweet is the tweet, or nil for an instruction.
	Tweet() *Tweet
	// Cursor is what the instruction wants saved. save is false when the scan has
	// failed: then the cursor must not be saved, and Done is called all the same.
	Cursor() (leg Leg, c Cursor, save bool)
	// Done says that the tweet is stored, or the cursor is.
	Done(ctx context.Context) error
	// Fail says that it could not be: the scan has failed, and its cursors will
	// not be saved.
	Fail(ctx context.Context) error
	// Release gives it back; the attempt does not count.
	Release(ctx context.Context) error
}

// ClaimIndexing looks at the instructions first: one that is ready holds up a
// scan. An instruction waits in its bag, not in an indexer, so none is tied up.
func (s *scans) ClaimIndexing(ctx context.Context, w Worker) (IndexingClaim, error) {
	t := &s.m.tree
	for {
		var leg shm.Claim[legRecord]
		var tweet shm.Claim[tweetRecord]
		isTweet := false
		err := t.changeC.Wait(ctx, func() (bool, error) {
			var err error
			if leg, err = t.save.TryGet(s.passes); !errors.Is(err, shm.ErrEmpty) {
				isTweet = false
				return err == nil, err
			}
			if tweet, err = t.stepC.TryGet(); !errors.Is(err, shm.ErrEmpty) {
				isTweet = true
				return err == nil, err
			}
			return false, nil
		})
		if err != nil {
			return nil, err
		}
		if isTweet {
			c := &tweetClaim{s: s, c: tweet, w: local(w)}
			if s.m.delivered(tweet.Attempt()) {
				if err := c.Fail(ctx); err != nil && !errors.Is(err, ErrStale) {
					return nil, err
				}
				continue
			}
			if err := c.load(); err != nil {
				_ = c.Fail(ctx)
				continue
			}
			c.w.works(tweet.Ref().Uint64())
			return c, nil
		}
		c := &saveClaim{s: s, c: leg, w: local(w), scan: scanID(leg.Record().Scan), account: leg.Record().Account}
		if s.m.delivered(leg.Attempt()) {
			if err := c.Fail(ctx); err != nil && !errors.Is(err, ErrStale) {
				return nil, err
			}
			continue
		}
		c.w.works(leg.Ref().Uint64())
		return c, nil
	}
}

// witnesses remembers, for each instruction that waits, the tweet it waits for.
// It is this process's own: a hint that saves looking at all tweets again.
type witnesses struct {
	mu   sync.Mutex
	seen map[shm.Ref[legRecord]]shm.Ref[tweetRecord]
}

// passes is the barrier: an instruction may be claimed when no tweet of its leg
// is queued or claimed any more. A leg has one lister, which posted the
// instruction after its last tweet, so no new one can appear: one pass over the
// headers is enough, and it may stop at the first tweet found, its witness, and
// go on from there when that is gone. Tweets that a dead lister of the same leg
// had put before count too, which is right. An instruction of a failed scan
// passes at once; its cursor is not saved.
func (s *scans) passes(r shm.Ref[legRecord], leg *legRecord) bool {
	state, err := s.m.scanState(scanID(leg.Scan))
	if err != nil || state&scanFailed != 0 || state&(scanClosedA<<leg.Leg) != 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.m.tree
	from := s.seen[r]
	walk := t.tweets.All()
	if !from.IsZero() {
		walk = t.tweets.From(from)
	}
	for tw, st := range walk {
		if st.State() != shm.Posted && st.State() != shm.Owned && st.State() != shm.Retiring {
			continue // new ones are not put yet
		}
		rec, err := t.tweets.Words(tw)
		if err != nil || rec.Leg.Load() != r.Uint64() {
			continue
		}
		if _, err := t.tweets.Stat(tw); err != nil {
			continue // freed while we looked: the word was another's
		}
		if s.seen == nil {
			s.seen = map[shm.Ref[legRecord]]shm.Ref[tweetRecord]{}
		}
		s.seen[r] = tw
		return false
	}
	delete(s.seen, r)
	return true
}

type tweetClaim struct {
	s       *scans
	c       shm.Claim[tweetRecord]
	w       *worker
	tweet   Tweet
	scan    ScanID
	account int64
}

func (c *tweetClaim) load() error {
	rec := c.c.Record()
	c.scan, c.account = scanID(rec.Scan), rec.Account
	c.tweet = Tweet{ID: rec.ID, Retry: rec.Retry != 0}
	if rec.Count > mostImages {
		return fmt.Errorf("%w: tweet with %d images", ErrCorrupt, rec.Count)
	}
	long, err := c.s.m.tree.blobs.Append(nil, rec.Long)
	if err != nil {
		return err
	}
	if len(long) > 0 {
		c.tweet.Images = strings.Split(string(long), "\n")
		return nil
	}
	for i := range rec.Count {
		c.tweet.Images = append(c.tweet.Images, shm.Text(rec.Images[i].Name[:]))
	}
	return nil
}

func (c *tweetClaim) Scan() ScanID                  { return c.scan }
func (c *tweetClaim) Account() int64                { return c.account }
func (c *tweetClaim) Attempt() int                  { return c.c.Attempt() }
func (c *tweetClaim) Open() bool                    { return c.c.Valid() }
func (c *tweetClaim) Tweet() *Tweet                 { return &c.tweet }
func (c *tweetClaim) Cursor() (Leg, Cursor, bool)   { return 0, Cursor{}, false }
func (c *tweetClaim) Release(context.Context) error { return c.ended(c.c.Release()) }

func (c *tweetClaim) ended(err error) error {
	if err == nil {
		c.w.works(0)
	}
	return err
}

// Done frees the tweet: that is what the barrier waits for.
func (c *tweetClaim) Done(ctx context.Context) error {
	if err := c.ended(c.c.Free()); err != nil {
		return err
	}
	c.s.m.tree.changeC.Signal()
	return nil
}

// Fail marks the scan before the tweet leaves step C, so that an instruction
// which then passes the barrier sees it. Killed in between: the tweet comes
// again, to a scan that has failed.
func (c *tweetClaim) Fail(ctx context.Context) error {
	if !c.c.Valid() {
		return ErrStale
	}
	if _, err := c.s.mark(c.c.Record().Scan, scanFailed); err != nil && !errors.Is(err, ErrGone) {
		return err
	}
	c.s.m.tree.change2.Signal()
	return c.Done(ctx)
}

type saveClaim struct {
	s       *scans
	c       shm.Claim[legRecord]
	w       *worker
	scan    ScanID
	account int64
}

func (c *saveClaim) Scan() ScanID                  { return c.scan }
func (c *saveClaim) Account() int64                { return c.account }
func (c *saveClaim) Attempt() int                  { return c.c.Attempt() }
func (c *saveClaim) Tweet() *Tweet                 { return nil }
func (c *saveClaim) Open() bool                    { return c.c.Valid() }
func (c *saveClaim) Release(context.Context) error { return c.ended(c.c.Release()) }

func (c *saveClaim) ended(err error) error {
	if err == nil {
		c.w.works(0)
	}
	return err
}

func (c *saveClaim) Cursor() (Leg, Cursor, bool) {
	rec := c.c.Record()
	state, err := c.s.m.scanState(c.Scan())
	cur := Cursor{shm.Text(rec.Cursor.Value[:]), rec.Cursor.Set != 0, rec.Cursor.Unchanged != 0}
	return Leg(rec.Leg), cur, err == nil && state&scanFailed == 0
}

func (c *saveClaim) Done(ctx context.Context) error { return c.ended(c.s.closeLeg(c.c, 0)) }
func (c *saveClaim) Fail(ctx context.Context) error { return c.ended(c.s.closeLeg(c.c, scanFailed)) }
