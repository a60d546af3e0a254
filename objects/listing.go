package objects

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aotf/sharedmem/shm"
)

// A ListingClaim is a claimed leg of a scan. Exactly one of its ending methods
// (Done, Blocked, Fail, Release) succeeds; a late call returns ErrStale.
type ListingClaim interface {
	Scan() ScanID
	Account() Account
	Leg() Leg
	Attempt() int // deliveries, this one included
	Open() bool   // the claim has not been ended
	Reset() bool  // clear the saved cursor before listing
	// PutTweet puts a tweet of the account into step C, behind the leg's earlier
	// ones. It waits while step C is full. Killed after a part of the tweets: they
	// are indexed, and the leg is listed again.
	PutTweet(ctx context.Context, tw Tweet) error
	// Done ends the listing: the cursor is to be saved when every tweet that was
	// put before it has left the indexers.
	Done(ctx context.Context, c Cursor) error
	// Blocked says that the account blocks the token: the leg waits for another
	// one. When it blocks all, the leg fails, and Blocked returns false.
	Blocked(ctx context.Context, token int) (again bool, err error)
	// Fail closes the leg without a cursor; unfound when the account does not
	// exist. The whole scan has failed then.
	Fail(ctx context.Context, unfound bool) error
	// Release gives the leg back to its queue; the attempt does not count.
	Release(ctx context.Context) error
}

type listingClaim struct {
	s       *scans
	c       shm.Claim[legRecord]
	w       *worker
	bag     *shm.Bag[legRecord]
	scan    ScanID
	leg     Leg
	account Account
	reset   bool
}

func (s *scans) ClaimListing(ctx context.Context, w Worker, leg Leg, token int) (ListingClaim, error) {
	if leg > LegB || token < 0 || token >= s.m.Tokens() {
		return nil, invalid("leg and token", fmt.Sprint(leg, " ", token), "want leg 0 or 1 and a token below Tokens()")
	}
	bags := &s.m.tree.listing[leg]
	may := func(_ shm.Ref[legRecord], rec *legRecord) bool {
		// A leg that all tokens are blocked from is for anybody to close: its lister
		// was killed before he did.
		return rec.Blocks[token/64].Plain()&(1<<(token%64)) == 0 || s.blocksAll(rec.Blocks[0].Plain(), rec.Blocks[1].Plain())
	}
	for {
		var c shm.Claim[legRecord]
		var from *shm.Bag[legRecord]
		err := bags[0].Wakes().Wait(ctx, func() (bool, error) {
			for class := 1; class >= 0; class-- {
				from = &bags[class]
				var err error
				if c, err = from.TryGet(may); !errors.Is(err, shm.ErrEmpty) {
					return err == nil, err
				}
			}
			return false, nil
		})
		if err != nil {
			return nil, err
		}
		l := &listingClaim{s: s, c: c, w: local(w), bag: from, scan: scanID(c.Record().Scan), leg: leg}
		old := c.Record().Options.Or(legStarted)
		l.reset = old&legReset != 0
		if s.m.delivered(c.Attempt()) {
			if err := l.Fail(ctx, false); err != nil && !errors.Is(err, ErrStale) {
				return nil, err
			}
			continue
		}
		var scan ScanRequest
		if err := s.Load(ctx, l.Scan(), &scan); err != nil {
			if errors.Is(err, ErrGone) { // both legs were closed, this record remained
				_ = c.Free()
				continue
			}
			return nil, errors.Join(err, c.Release())
		}
		l.account = scan.Account
		if scan.Closed[leg] || scan.Failed {
			if err := s.closeLeg(c, 0); err != nil && !errors.Is(err, ErrStale) {
				return nil, err
			}
			continue
		}
		if rec := c.Record(); s.blocksAll(rec.Blocks[0].Load(), rec.Blocks[1].Load()) {
			if err := s.closeLeg(c, scanFailed|scanBlocked); err != nil && !errors.Is(err, ErrStale) {
				return nil, err
			}
			continue
		}
		l.w.works(c.Ref().Uint64())
		return l, nil
	}
}

// blocksAll tells whether the two words of a leg's blocks name every token; they
// may name others, of a time when there were more.
func (s *scans) blocksAll(low, high uint64) bool {
	n := s.m.Tokens()
	all := func(n int) uint64 { return 1<<min(max(n, 0), 64) - 1 }
	return ^low&all(n) == 0 && ^high&all(n-64) == 0
}

func (l *listingClaim) Scan() ScanID     { return l.scan }
func (l *listingClaim) Account() Account { return l.account }
func (l *listingClaim) Leg() Leg         { return l.leg }
func (l *listingClaim) Attempt() int     { return l.c.Attempt() }
func (l *listingClaim) Open() bool       { return l.c.Valid() }
func (l *listingClaim) Reset() bool      { return l.reset }

func (l *listingClaim) ended(err error) error {
	if err == nil {
		l.w.works(0)
	}
	return err
}

func (l *listingClaim) PutTweet(ctx context.Context, tw Tweet) error {
	if len(tw.Images) < 1 || len(tw.Images) > mostImages {
		return fmt.Errorf("%w: tweet %d has %d images, want 1 to %d", ErrTooLarge, tw.ID, len(tw.Images), mostImages)
	}
	total := len(tw.Images) - 1
	for _, name := range tw.Images {
		total += len(name)
	}
	if total > mostURL {
		return fmt.Errorf("%w: images of tweet %d have %d bytes, want at most %d", ErrTooLarge, tw.ID, total, mostURL)
	}
	t := &l.s.m.tree
	c, err := t.tweets.New(ctx) // waits for room: the back-pressure on listers
	if err != nil {
		return err
	}
	rec := c.Record()
	rec.Leg.Store(l.c.Ref().Uint64())
	rec.Scan, rec.Account, rec.ID, rec.Count = l.c.Record().Scan, l.account.ID, tw.ID, uint8(len(tw.Images))
	if tw.Retry {
		rec.Retry = 1
	}
	fits := true
	for i, name := range tw.Images {
		if strings.ContainsAny(name, "\n\x00") {
			return errors.Join(invalid("image", name, "no line breaks or zero bytes"), c.Free())
		}
		fits = fits && shm.PutText(rec.Images[i].Name[:], name) == nil
	}
	if !fits {
		if err := c.WaitBlob(ctx, &t.blobs, &rec.Long, []byte(strings.Join(tw.Images, "\n"))); err != nil {
			return errors.Join(err, c.Free())
		}
	}
	if !l.c.Valid() { // a claim given back must not add to its leg any more
		return errors.Join(ErrStale, c.Free())
	}
	return t.stepC.Put(ctx, c)
}

func (l *listingClaim) Done(ctx context.Context, cur Cursor) error {
	if !l.c.Valid() {
		return ErrStale
	}
	f := &l.c.Record().Cursor
	*f = cursorFields{}
	if err := shm.PutText(f.Value[:], cur.Value); err != nil {
		return fmt.Errorf("%w: cursor of %d bytes, want at most %d", err, len(cur.Value), cursorSize)
	}
	if cur.Set {
		f.Set = 1
	}
	if cur.Unchanged {
		f.Unchanged = 1
	}
	return l.ended(l.s.m.tree.save.Put(l.c))
}

func (l *listingClaim) Blocked(ctx context.Context, token int) (bool, error) {
	if token < 0 || token >= l.s.m.Tokens() {
		return false, invalid("token", token, "want one below Tokens()")
	}
	if !l.c.Valid() {
		return false, ErrStale
	}
	rec := l.c.Record()
	rec.Blocks[token/64].Or(1 << (token % 64))
	if l.s.blocksAll(rec.Blocks[0].Load(), rec.Blocks[1].Load()) {
		return false, l.ended(l.s.closeLeg(l.c, scanFailed|scanBlocked))
	}
	return true, l.ended(l.bag.Put(l.c))
}

func (l *listingClaim) Fail(ctx context.Context, unfound bool) error {
	flags := uint64(scanFailed)
	if unfound {
		flags |= scanUnfound
	}
	return l.ended(l.s.closeLeg(l.c, flags))
}

func (l *listingClaim) Release(ctx context.Context) error { return l.ended(l.c.Release()) }
