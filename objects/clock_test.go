//go:build crashpoint

package objects_test

import (
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
)

// A process whose clock is behind for a moment, after the machine slept, ends what
// another one has launched.
func TestClock_Behind(t *testing.T) {
	ctx := t.Context()
	m, err := objects.Open("", &objects.Options{Private: true})
	must(t, err)
	defer m.Close()
	shm.Later(time.Hour)
	_, _, err = m.Users.Launch(ctx, objects.Query{URL: "u", Direct: true})
	must(t, err)
	_, err = m.Scans.Launch(ctx, objects.Account{ID: 1, Name: "one"}, false, false)
	must(t, err)
	shm.Later(0)
	u, err := m.Users.Claim(ctx, nil, objects.Step3)
	must(t, err)
	must(t, u.Finish(ctx, nil))
	for leg := objects.LegA; leg <= objects.LegB; leg++ {
		l, err := m.Scans.ClaimListing(ctx, nil, leg, 0)
		must(t, err)
		must(t, l.Done(ctx, objects.Cursor{Unchanged: true}))
		c, err := m.Scans.ClaimIndexing(ctx, nil)
		must(t, err)
		must(t, c.Done(ctx))
	}
}
