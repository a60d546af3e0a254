package objects

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aotf/sharedmem/shm"
)

type userClaim struct {
	u   *users
	c   shm.Claim[userRecord]
	w   *worker
	req UserRequest
}

func (c *userClaim) ID() UserID            { return userID(c.c.Ref()) }
func (c *userClaim) Request() *UserRequest { return &c.req }
func (c *userClaim) Attempt() int          { return c.c.Attempt() }
func (c *userClaim) Open() bool            { return c.c.Valid() }

// at refuses a transition that does not follow from the claimed status.
func (c *userClaim) at(want Status) error {
	if c.req.Status != want {
		return invalid("transition", c.req.Status, "the request was claimed at another step")
	}
	if !c.c.Valid() {
		return ErrStale
	}
	if c.c.Record().Outcome.Load()&outcomeKind == outcomeForced {
		return c.end(ProcessingError) // a watchdog ended it: let go; this is ErrStale
	}
	return nil
}

// ended is called after the transition that spent the claim.
func (c *userClaim) ended(err error) error {
	if err == nil {
		c.w.works(0)
	}
	return err
}

func (c *userClaim) LinkFound(ctx context.Context, accounts []Account, imageURLs []string, published time.Time) error {
	if err := c.at(LinkFinder); err != nil {
		return err
	}
	t := &c.u.m.tree
	f := &c.c.Record().Link
	f.Images = 0
	if len(imageURLs) > len(f.ImageURLs) {
		return fmt.Errorf("%w: %d image URLs, want at most %d", ErrTooLarge, len(imageURLs), len(f.ImageURLs))
	}
	for i, url := range imageURLs {
		if url == "" || len(url) > mostURL {
			return fmt.Errorf("%w: image URL of %d bytes, want 1 to %d", ErrTooLarge, len(url), mostURL)
		}
		if err := c.u.setBlob(c.c, &f.ImageURLs[i], []byte(url)); err != nil {
			return err
		}
	}
	f.Images = uint32(len(imageURLs))
	if err := c.u.setAccounts(c.c, accounts); err != nil {
		return err
	}
	f.Published = 0
	if !published.IsZero() {
		f.Published = published.UnixNano()
	}
	return c.ended(t.step2.Put(ctx, c.c))
}

func (c *userClaim) WaitFor(ctx context.Context, scans []ScanID, firstScan bool) error {
	if err := c.at(IndexTweets); err != nil {
		return err
	}
	if len(scans) == 0 {
		return c.Indexed(ctx)
	}
	if len(c.req.Scans) > 0 { // they are published: pollers read them
		return invalid("transition", c.req.Status, "the request waited for its scans already: Indexed or Fail")
	}
	if err := c.u.setScans(c.c, scans); err != nil {
		return err
	}
	c.c.Record().Wait.FirstScan = 0
	if firstScan {
		c.c.Record().Wait.FirstScan = 1
	}
	return c.ended(c.u.m.tree.waiting.Put(c.c))
}

func (c *userClaim) Indexed(ctx context.Context) error {
	if err := c.at(IndexTweets); err != nil {
		return err
	}
	return c.ended(c.u.m.tree.step3.Put(ctx, c.c))
}

var foundLists = sync.Pool{New: func() any { return new([]Found) }}

func (c *userClaim) Finish(ctx context.Context, found []Found) error {
	if err := c.at(ReverseSearch); err != nil {
		return err
	}
	sorted := foundLists.Get().(*[]Found)
	defer foundLists.Put(sorted)
	*sorted = append((*sorted)[:0], found...)
	slices.SortFunc(*sorted, func(a, b Found) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.Images, b.Images), cmp.Compare(a.Tweet, b.Tweet))
	})
	if err := c.u.setFound(c.c, *sorted); err != nil {
		return err
	}
	return c.end(NoProblem)
}

func (c *userClaim) Fail(ctx context.Context, p Problem) error {
	if p == NoProblem || p >= numProblems {
		return invalid("problem", p, "want one of the list")
	}
	if !c.c.Valid() {
		return ErrStale
	}
	if err := c.u.setFound(c.c, nil); err != nil {
		return err
	}
	return c.end(p)
}

// end is the one CAS to END. Whatever derives from it (the address's quota, the
// counts, what pollers see) derives from the header; nothing else is to be done.
// A watchdog may have ended the request before: the outcome word decides, and the
// late worker only lets go of the record.
func (c *userClaim) end(p Problem) error {
	rec := c.c.Record()
	late := !c.u.m.decide(c.c.Ref(), rec, outcomeByWorker)
	if late {
		p = ProcessingError
		if err := c.u.setFound(c.c, nil); err != nil {
			return err
		}
	}
	rec.End.Problem = uint8(p)
	rec.End.Finished, rec.End.Ended = time.Now().UnixNano(), c.u.m.seg.Now()
	took := max(0, rec.End.Ended-rec.Begun) // our clock may be behind for a moment
	ref, image := c.c.Ref(), rec.Image
	if err := c.ended(c.c.Settle()); err != nil {
		return err
	}
	if image != 0 {
		c.u.dropImage(ref)
	}
	if late {
		return ErrStale
	}
	if p == NoProblem {
		return c.u.m.Metrics.Add(context.Background(), UserFullTime, 1, took)
	}
	return nil
}

func (c *userClaim) Release(ctx context.Context) error { return c.ended(c.c.Release()) }
