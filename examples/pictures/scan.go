package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/aotf/sharedmem/examples/pictures/internal/gallery"
	"github.com/aotf/sharedmem/objects"
)

// The scan pipeline: listers put an account's pictures into step C, indexers
// hash and store them.

// timelineLength is how far back leg B sees.
const timelineLength = 3200

// list is the lister of one leg: A lists all pictures, B the newest.
func (w *worker) list(leg objects.Leg) func(context.Context, objects.Worker) error {
	return func(ctx context.Context, me objects.Worker) error {
		for {
			c, err := w.m.Scans.ClaimListing(ctx, me, leg, 0)
			if err != nil {
				return err
			}
			if err := w.guard(ctx, c, func(ctx context.Context) error { return w.listAccount(ctx, c) }); err != nil {
				return err
			}
		}
	}
}

func (w *worker) listAccount(ctx context.Context, c objects.ListingClaim) error {
	start := time.Now()
	a, ok, err := gallery.Find(w.dir, c.Account().Name)
	if err != nil || !ok {
		return c.Fail(ctx, true)
	}
	if err := w.cat.AddAccount(ctx, a.ID, a.Name); err != nil {
		return err
	}
	pictures, err := a.Pictures()
	if err != nil {
		return c.Fail(ctx, false)
	}
	metric := objects.StepATime
	if c.Leg() == objects.LegB {
		metric, pictures = objects.StepBTime, pictures[:min(len(pictures), timelineLength)]
	}
	for _, p := range pictures {
		if err := c.PutTweet(ctx, objects.Tweet{ID: p.ID, Images: []string{p.Name}}); err != nil {
			return err
		}
	}
	if err := w.m.Metrics.Add(ctx, metric, len(pictures), time.Since(start)); err != nil {
		return err
	}
	cur := objects.Cursor{}
	if len(pictures) > 0 {
		cur = objects.Cursor{Value: fmt.Sprint(pictures[0].ID), Set: true}
	}
	return c.Done(ctx, cur)
}

// index is the indexer: tweets, and the cursors behind them.
func (w *worker) index(ctx context.Context, me objects.Worker) error {
	for {
		c, err := w.m.Scans.ClaimIndexing(ctx, me)
		if err != nil {
			return err
		}
		err = w.guard(ctx, c, func(ctx context.Context) error {
			if c.Tweet() == nil {
				return w.saveCursor(ctx, c)
			}
			return w.indexTweet(ctx, c)
		})
		if err != nil {
			return err
		}
	}
}

func (w *worker) saveCursor(ctx context.Context, c objects.IndexingClaim) error {
	leg, cur, save := c.Cursor()
	if save && !cur.Unchanged {
		if err := w.cat.SaveCursor(ctx, c.Account(), "AB"[leg], cur.Value); err != nil {
			return err
		}
	}
	now := time.Now()
	pictures, accounts, err := w.cat.Counts(ctx)
	if err == nil {
		err = w.m.SetCounts(ctx, objects.Counts{Tweets: pictures, Accounts: accounts, ReadAt: now})
	}
	return errors.Join(err, c.Done(ctx))
}

func (w *worker) indexTweet(ctx context.Context, c objects.IndexingClaim) error {
	start := time.Now()
	tw := c.Tweet()
	known, err := w.cat.Has(ctx, c.Account(), tw.ID)
	if err != nil {
		return err
	}
	if known { // by the other leg, or by the worker that died
		return c.Done(ctx)
	}
	var scan objects.ScanRequest
	if err := w.m.Scans.Load(ctx, c.Scan(), &scan); err != nil {
		if errors.Is(err, objects.ErrGone) {
			return c.Fail(ctx)
		}
		return err
	}
	a, ok, err := gallery.Find(w.dir, scan.Account.Name)
	if err != nil || !ok {
		return c.Fail(ctx)
	}
	name := tw.Images[0]
	hash, err := gallery.HashFile(filepath.Join(a.Dir, name))
	hashed := time.Now()
	if err != nil {
		// Reported, and not fatal: the picture counts as seen.
		err = w.cat.AddUnreadable(ctx, a.ID, tw.ID, a.Name+"/"+name, err.Error())
	} else {
		err = w.cat.Add(ctx, a.ID, tw.ID, name, hash)
	}
	if err != nil {
		return err
	}
	err = errors.Join(
		w.m.Metrics.Add(ctx, objects.StepCHash, 1, hashed.Sub(start)),
		w.m.Metrics.Add(ctx, objects.StepCInsert, 1, time.Since(hashed)),
		w.m.Metrics.Add(ctx, objects.StepCTime, 1, time.Since(start)))
	if err != nil {
		return err
	}
	return c.Done(ctx)
}
