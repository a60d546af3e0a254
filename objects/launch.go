package objects

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aotf/sharedmem/shm"
)

// How a user request comes to be.

// key makes the identity of a query.
func (q *Query) key() (k userKey, long bool, err error) {
	switch {
	case q.URL == "" || len(q.URL) > mostURL:
		return k, false, fmt.Errorf("%w: URL of %d bytes, want 1 to %d", ErrTooLarge, len(q.URL), mostURL)
	case (q.Account != "" || q.Image != nil) && !q.Direct:
		return k, false, invalid("query", q.URL, "only a direct search has an account or an image")
	case len(q.Image) > mostImage:
		return k, false, fmt.Errorf("%w: image of %d bytes, want at most %d", ErrTooLarge, len(q.Image), mostImage)
	}
	if q.Direct {
		k.Direct = 1
	}
	name, err := accountName(q.Account)
	if err != nil {
		return k, false, err
	}
	copy(k.Account[:], name)
	if copy(k.URL[:], q.URL); len(q.URL) > urlInline-sha256.Size {
		// Also for those that would just fit: a URL must not look like another
		// one's prefix and hash.
		var url [mostURL]byte // on the stack
		sum := sha256.Sum256(url[:copy(url[:], q.URL)])
		copy(k.URL[urlInline-sha256.Size:], sum[:])
		long = true
	}
	return k, long, nil
}

func (u *users) Launch(ctx context.Context, q Query) (UserID, bool, error) {
	k, long, err := q.key()
	if err != nil {
		return UserID{}, false, err
	}
	t := &u.m.tree
	if err := ctx.Err(); err != nil {
		return UserID{}, false, err
	}
	r, ok, err := t.byURL.Lookup(k)
	if err != nil {
		return UserID{}, false, err
	}
	if st, e := t.users.Stat(r); ok && e == nil && st.State() != shm.Retiring {
		return userID(r), false, nil
	}
	c, err := u.alloc()
	if err != nil {
		return UserID{}, false, err
	}
	if err := u.fill(c, &q, k, long); err != nil {
		u.dropImage(c.Ref())
		return UserID{}, false, errors.Join(err, c.Free())
	}
	to := &t.step1
	if q.Direct {
		to = &t.step3
	}
	// The decision. Killed before it, the sweep frees the record, and with it the
	// cell it was charged to; killed after it, the sweep posts it.
	own := c.Ref()
	r, created, err := t.byURL.Insert(c, to)
	if !created && len(q.Image) > 0 {
		u.dropImage(own)
	}
	return userID(r), created, err
}

var accountPattern = regexp.MustCompile(`^@?[A-Za-z0-9_]{1,15}$`)

// accountName is the form in which account names are compared.
func accountName(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	if !accountPattern.MatchString(s) {
		return "", invalid("account name", s, "want 1 to 15 letters, digits or _")
	}
	return strings.ToLower(strings.TrimPrefix(s, "@")), nil
}

// alloc takes a record; when there is none, the oldest finished request goes.
func (u *users) alloc() (shm.Claim[userRecord], error) {
	for {
		c, err := u.m.tree.users.TryNew()
		if !errors.Is(err, ErrFull) {
			return c, err
		}
		if u.shedOldest() == 0 {
			return c, err
		}
	}
}

func (u *users) fill(c shm.Claim[userRecord], q *Query, k userKey, long bool) error {
	rec := c.Record()
	rec.Key = k
	rec.Started, rec.Begun = time.Now().UnixNano(), u.m.seg.Now()
	rec.Outcome.Store(c.Ref().Life() << outcomeLife)
	if long {
		if err := u.setBlob(c, &rec.LongURL, []byte(q.URL)); err != nil {
			return err
		}
	}
	if len(q.Image) > 0 {
		if err := u.saveImage(c.Ref(), q.Image); err != nil {
			return err
		}
		rec.Image = uint64(len(q.Image))
	}
	if q.Address.IsValid() {
		rec.Address = q.Address.As16()
		if !u.m.unlimited(q.Address) {
			rec.Charged = 1
			return u.m.addresses().charge(q.Address, c.Ref())
		}
	}
	return nil
}
