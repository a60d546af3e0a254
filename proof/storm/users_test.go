//go:build linux && (amd64 || arm64)

package storm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/aotf/sharedmem/objects"
)

// query is the request of a number. Of sixteen, two are too long for their record,
// one is direct, and two bring an image.
func query(id uint64) objects.Query {
	q := objects.Query{URL: fmt.Sprintf("https://example.org/%d", id), Address: address(id % charges)}
	switch id % 16 {
	case 0, 8:
		q.URL += strings.Repeat("/long", 60)
	case 3:
		q.Direct, q.Account = true, "artist"
	case 5, 11:
		q.Direct, q.Image = true, []byte(fmt.Sprint("image of request ", id))
	}
	return q
}

func userNumber(q objects.Query) uint64 {
	n, _, _ := strings.Cut(strings.TrimPrefix(q.URL, "https://example.org/"), "/")
	id, _ := strconv.ParseUint(n, 10, 64)
	return id
}

func (w *forester) launchUser() {
	id := w.item()
	q := query(id)
	w.say("try+", "user", id, 0)
	var user objects.UserID
	created := false
	err := w.timed("launch-user", func() (err error) {
		user, created, err = w.m.Users.Launch(context.Background(), q)
		return err
	})
	if w.none(err, objects.ErrLimit) || !created {
		if err == nil {
			w.bad("request %d was there before it was launched", id)
		}
		w.say("no+", "user", id, 0)
		return
	}
	w.say("ok+", "user", id, 0)
	switch {
	case q.Image != nil:
		w.did("launch-image", 1)
	case q.Direct:
		w.did("launch-direct", 1)
	}
	again, created, err := w.m.Users.Launch(context.Background(), q)
	if err == nil && !created && again != user {
		w.bad("request %d has two records: %v and %v", id, user, again)
	}
	if err == nil && created { // it ended meanwhile, and its record was needed
		w.say("again", "user", id, 0)
	}
	w.none(err, objects.ErrLimit)
}

// step claims a request, says so, and lets work end the claim.
func (w *forester) step(s objects.Step, work func(c objects.UserClaim, ctx context.Context) error, problem objects.Problem) {
	var c objects.UserClaim
	err := w.waited("claim-"+string('0'+rune(s)), func(ctx context.Context) (err error) {
		c, err = w.m.Users.Claim(ctx, w.me, s)
		return err
	})
	if w.none(err, errTime...) {
		return
	}
	ctx := context.Background()
	q := c.Request().Query
	id := userNumber(q)
	want := query(id)
	w.say("have", "user", id, 0)
	w.say("at", "user", id, uint64(s))
	if q.URL != want.URL || q.Address != want.Address || q.Direct != want.Direct || q.Account != want.Account {
		w.bad("request %d: %+v", id, q)
	}
	w.dawdle()
	switch end := s == objects.Step3; w.rng.IntN(10) {
	case 0:
		w.say("give", "user", id, 0)
		w.fine(c.Release(ctx))
	case 1:
		w.say("give", "user", id, 0)
		w.endUser(c, id, problem, func() error { return c.Fail(ctx, problem) })
	default:
		if end {
			w.say("give", "user", id, 0)
			w.endUser(c, id, objects.NoProblem, func() error { return work(c, ctx) })
			return
		}
		w.say("past", "user", id, uint64(s))
		w.say("give", "user", id, 0)
		if err := work(c, ctx); err != nil {
			w.stale(c, id, err)
		}
	}
}

// endUser ends a request, on the record.
func (w *forester) endUser(c objects.UserClaim, id uint64, problem objects.Problem, end func() error) {
	finishes := problem == objects.NoProblem
	if finishes { // counted among the metrics
		w.say("try=", "finish", id, 0)
	}
	w.say("try-", "user", id, uint64(problem))
	if err := w.timed("end-user", end); err != nil {
		w.say("no-", "user", id, 0)
		if finishes {
			w.say("no=", "finish", id, 0)
		}
		w.stale(c, id, err)
		return
	}
	w.say("ok-", "user", id, uint64(problem))
	if finishes {
		w.say("ok=", "finish", id, 0)
		return
	}
	w.did("fail-user", 1)
}

// stale is a claim that was refused. Nobody else has the request, so it was ended
// by Expire: everybody sees it at its end, or it has gone.
func (w *forester) stale(c objects.UserClaim, id uint64, err error) {
	if !errors.Is(err, objects.ErrStale) || !w.ended(c) {
		w.bad("request %#x, claimed: %v", id, err)
	}
	w.say("stale", "user", id, 0)
}

func (w *forester) ended(c objects.UserClaim) bool {
	var r objects.UserRequest
	err := w.m.Users.Load(context.Background(), c.ID(), &r)
	return errors.Is(err, objects.ErrGone) || err == nil && r.Status == objects.End && r.Problem == objects.ProcessingError
}

func accountOf(id uint64) []objects.Account {
	return []objects.Account{{ID: int64(id), Name: fmt.Sprint("a", id)}}
}

func (w *forester) step1() {
	w.step(objects.Step1, func(c objects.UserClaim, ctx context.Context) error {
		id := userNumber(c.Request().Query)
		return c.LinkFound(ctx, accountOf(id), []string{fmt.Sprint("image ", id)}, time.Time{})
	}, objects.NoTwitterAccountFound)
}

// step2 waits for scans of earlier accounts on the first visit.
func (w *forester) step2() {
	w.step(objects.Step2, func(c objects.UserClaim, ctx context.Context) error {
		id := userNumber(c.Request().Query)
		if a := c.Request().Accounts; len(a) != 1 || a[0] != accountOf(id)[0] {
			w.bad("accounts of request %d: %v", id, a)
		}
		if len(c.Request().Scans) > 0 || w.rng.IntN(2) == 0 {
			return c.Indexed(ctx)
		}
		var scans []objects.ScanID
		for range 2 {
			if l, ok := w.scan(); ok {
				scans = append(scans, l)
			}
		}
		return c.WaitFor(ctx, scans, true)
	}, objects.TwitterAccountNotIndexed)
}

func (w *forester) step3() {
	w.step(objects.Step3, func(c objects.UserClaim, ctx context.Context) error {
		id := userNumber(c.Request().Query)
		if want := query(id).Image; want != nil {
			// The image of a request that Expire has ended may go at any time.
			got, err := c.Image(ctx)
			if gone := errors.Is(err, fs.ErrNotExist) && w.ended(c); !gone && (err != nil || !bytes.Equal(got, want)) {
				w.bad("image of request %#x: %q, %v", id, got, err)
			}
		}
		return c.Finish(ctx, []objects.Found{{Account: int64(id), Tweet: 1}})
	}, objects.ErrorDuringReverseSearch)
}

// expired is the age from which requests are ended by force. Most end before it.
const expired = 250 * time.Millisecond

// expire ends what has waited too long.
func (w *forester) expire() {
	w.say("expiring", "user", 0, 0)
	n := 0
	w.fine(w.timed("expire", func() (err error) { n, err = w.m.Users.Expire(context.Background(), expired); return err }))
	w.say("expired", "user", uint64(n), 0)
}
