package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/aotf/sharedmem/examples/pictures/internal/gallery"
	"github.com/aotf/sharedmem/objects"
)

// The user pipeline. Everything a step writes outside of the segment can be
// written twice: a request whose worker died is delivered again.

// step1 reads the illustration page and looks for its artists' accounts.
func (w *worker) step1(ctx context.Context, me objects.Worker) error {
	for {
		c, err := w.m.Users.Claim(ctx, me, objects.Step1)
		if err != nil {
			return err
		}
		if err := w.guard(ctx, c, func(ctx context.Context) error { return w.findLinks(ctx, c) }); err != nil {
			return err
		}
	}
}

func (w *worker) findLinks(ctx context.Context, c objects.UserClaim) error {
	start := time.Now()
	url := c.Request().Query.URL // PATH#NUMBER, see keepBusy
	page, err := gallery.ReadPage(url[:strings.LastIndex(url, "#")])
	if err != nil {
		return c.Fail(ctx, objects.NotAnArtworkPage)
	}
	var accounts []objects.Account
	for _, name := range page.Artist {
		a, ok, err := gallery.Find(w.dir, name)
		if err == nil && ok {
			accounts = append(accounts, objects.Account{ID: a.ID, Name: a.Name})
		}
	}
	if len(page.Artist) == 0 {
		return c.Fail(ctx, objects.NoTwitterAccountFound)
	}
	if len(accounts) == 0 {
		return c.Fail(ctx, objects.NoValidTwitterAccountFound)
	}
	if err := w.m.Metrics.Add(ctx, objects.Step1Time, 1, time.Since(start)); err != nil {
		return err
	}
	return c.LinkFound(ctx, accounts, []string{page.Image}, start)
}

// step2 launches the scans that a request needs; when they have ended, the
// request comes again.
func (w *worker) step2(ctx context.Context, me objects.Worker) error {
	for {
		c, err := w.m.Users.Claim(ctx, me, objects.Step2)
		if err != nil {
			return err
		}
		err = w.guard(ctx, c, func(ctx context.Context) error {
			if len(c.Request().Scans) > 0 {
				return w.scansEnded(ctx, c)
			}
			return w.launchScans(ctx, c)
		})
		if err != nil {
			return err
		}
	}
}

func (w *worker) launchScans(ctx context.Context, c objects.UserClaim) error {
	var scans []objects.ScanID
	for _, a := range c.Request().Accounts {
		if _, _, scanned, err := w.cat.Cursors(ctx, a.ID); err != nil {
			return err
		} else if scanned {
			continue
		}
		l, err := w.m.Scans.Launch(ctx, a, true, false)
		if err != nil {
			return err
		}
		scans = append(scans, l.ID)
	}
	return c.WaitFor(ctx, scans, len(scans) > 0)
}

func (w *worker) scansEnded(ctx context.Context, c objects.UserClaim) error {
	var s objects.ScanRequest
	for _, id := range c.Request().Scans {
		switch err := w.m.Scans.Load(ctx, id, &s); {
		case errors.Is(err, objects.ErrGone): // finished long ago
		case err != nil:
			return err
		case s.Blocked:
			return c.Fail(ctx, objects.BlockedByTwitterAccount)
		case s.Failed:
			return c.Fail(ctx, objects.ProcessingError)
		}
	}
	return c.Indexed(ctx)
}

// question is what a request asks: the hash of its image, and in which accounts.
// A direct search brings the image itself and asks in all of them.
func (w *worker) question(ctx context.Context, c objects.UserClaim) (hash uint64, accounts []int64, err error) {
	req := c.Request()
	if !req.Query.Direct {
		for _, a := range req.Accounts {
			accounts = append(accounts, a.ID)
		}
		hash, err = gallery.HashFile(req.ImageURLs[0])
		return hash, accounts, err
	}
	all, err := gallery.Accounts(w.dir)
	if err != nil {
		return 0, nil, err
	}
	for _, a := range all {
		accounts = append(accounts, a.ID)
	}
	b, err := c.Image(ctx)
	if err != nil {
		return 0, nil, err
	}
	f, err := os.CreateTemp(w.scratch, "upload-*")
	if err != nil {
		return 0, nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, nil, err
	}
	hash, err = gallery.HashFile(f.Name())
	return hash, accounts, err
}

// step3 searches the catalogue for pictures near the query's.
func (w *worker) step3(ctx context.Context, me objects.Worker) error {
	for {
		c, err := w.m.Users.Claim(ctx, me, objects.Step3)
		if err != nil {
			return err
		}
		if err := w.guard(ctx, c, func(ctx context.Context) error { return w.search(ctx, c) }); err != nil {
			return err
		}
	}
}

func (w *worker) search(ctx context.Context, c objects.UserClaim) error {
	start := time.Now()
	hash, accounts, err := w.question(ctx, c)
	if err != nil {
		return c.Fail(ctx, objects.CannotGetImage)
	}
	matches, err := w.cat.Search(ctx, accounts, hash, near)
	if err != nil {
		return err
	}
	var found []objects.Found
	for _, m := range matches {
		found = append(found, objects.Found{Account: m.Account, Tweet: m.Picture, Position: 1, Images: 1, Distance: uint8(m.Distance)})
	}
	if err := w.m.Metrics.Add(ctx, objects.Step3Time, 1, time.Since(start)); err != nil {
		return err
	}
	return c.Finish(ctx, found)
}
