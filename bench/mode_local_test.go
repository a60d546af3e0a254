package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// local is package objects used directly: the modes private and shm, and what
// the servers of the RPC modes hold.
type local struct {
	m *objects.SharedMemory

	// AOTF's semaphore lies in a segment of its own: package objects needs none.
	lockOnce sync.Once
	openLock func(shm.Definer) (*shm.Segment, error)
	lockErr  error
	lock     lockTree
	lockSeg  *shm.Segment

	listOnce sync.Once
	listErr  error
	lister   objects.ListingClaim // tweets are put in its name
}

type lockTree struct{ step2 shm.Mutex }

func (t *lockTree) Define(l *shm.Layout) { t.step2.Define(l, "step-2") }

var background = context.Background()

func localOptions(s size) *objects.Options {
	return &objects.Options{Capacity: map[string]int{"users": s.users, "processes": 128}}
}

func privateMemory(s size) (*local, error) {
	o := localOptions(s)
	o.Private = true
	m, err := objects.Open("", o)
	if err != nil {
		return nil, err
	}
	l := &local{m: m, openLock: func(d shm.Definer) (*shm.Segment, error) { return shm.Private(d, nil) }}
	return l, l.fill(s.fill)
}

func (l *local) fill(n int) error {
	for i := range n {
		if _, _, err := l.Launch(fillURL(i)); err != nil {
			return err
		}
	}
	return nil
}

func servePrivate(_ testing.TB, s size) (string, []*process) {
	return fmt.Sprint(s.users, " ", s.fill), nil
}

func openPrivate(_ testing.TB, addr string) (memory, error) {
	var s size
	if _, err := fmt.Sscan(addr, &s.users, &s.fill); err != nil {
		return nil, err
	}
	return privateMemory(s)
}

func sharedMissing() string {
	seg, err := shm.Create(fmt.Sprintf("bench-probe-%d", os.Getpid()), &lockTree{}, nil)
	if err != nil {
		return err.Error()
	}
	_ = seg.Remove()
	return ""
}

// serveShared makes the segment; there is no server.
func serveShared(tb testing.TB, s size) (string, []*process) {
	name, lock := shmtest.Name(tb), shmtest.Name(tb)
	m, err := objects.Create(name, localOptions(s))
	if errors.Is(err, shm.ErrNoSpace) {
		tb.Skip(err)
	}
	if err == nil {
		err = errors.Join((&local{m: m}).fill(s.fill), m.Close())
	}
	if err != nil {
		tb.Fatal(err)
	}
	return name + "," + lock, nil
}

func openShared(_ testing.TB, addr string) (memory, error) {
	name, lock, _ := strings.Cut(addr, ",")
	m, err := objects.Open(name, &objects.Options{Attach: true})
	if err != nil {
		return nil, err
	}
	return &local{m: m, openLock: func(d shm.Definer) (*shm.Segment, error) { return shm.Open(lock, d, nil) }}, nil
}

func (l *local) Launch(url string) (id, bool, error) {
	x, created, err := l.m.Users.Launch(background, objects.Query{URL: url})
	return id{local: x}, created, err
}

func (l *local) Lookup(url string) (id, bool, error) {
	x, ok, err := l.m.Users.Lookup(background, objects.Query{URL: url})
	return id{local: x}, ok, err
}

func (l *local) Status(x id, dst *objects.UserRequest) error {
	return l.m.Users.Load(background, x.local, dst)
}

func (l *local) Claim(s objects.Step) (claim, error) {
	c, err := l.m.Users.Claim(background, nil, s)
	if err != nil {
		return claim{}, err
	}
	return claim{id: id{local: c.ID()}, url: c.Request().Query.URL, local: c}, nil
}

func (l *local) Advance(c claim) error {
	switch c.local.Request().Status {
	case objects.LinkFinder:
		return c.local.LinkFound(background, someAccounts, someImages, somePosted)
	case objects.IndexTweets:
		return c.local.Indexed(background)
	}
	return c.local.Finish(background, someFound)
}

func (l *local) Fail(c claim) error { return c.local.Fail(background, objects.NotAnURL) }

func (l *local) Put(v int64) error {
	l.listOnce.Do(func() {
		// Each process lists an account of its own; which of them it gets to list
		// does not matter.
		if _, l.listErr = l.m.Scans.Launch(background, objects.Account{ID: int64(os.Getpid()), Name: "some_artist"}, false, false); l.listErr == nil {
			l.lister, l.listErr = l.m.Scans.ClaimListing(background, nil, objects.LegA, 0)
		}
	})
	if l.listErr != nil {
		return l.listErr
	}
	return l.lister.PutTweet(background, objects.Tweet{ID: v, Images: someTweetImages})
}

var someTweetImages = []string{"0123456789abcde.png"}

func (l *local) Get() (int64, error) {
	c, err := l.m.Scans.ClaimIndexing(background, nil)
	if err != nil {
		return 0, err
	}
	v := c.Tweet().ID
	return v, c.Done(background)
}

func (l *local) Acquire() (permit, error) {
	l.lockOnce.Do(func() { l.lockSeg, l.lockErr = l.openLock(&l.lock) })
	if l.lockErr != nil {
		return permit{}, l.lockErr
	}
	p, err := l.lock.step2.Lock(background)
	return permit{local: p}, err
}

func (l *local) Release(p permit) error { return p.local.Release() }

func (l *local) Allow(a netip.Addr) (bool, error) { return l.m.HTTP.Allow(background, a) }

func (l *local) Close() error {
	var err error
	if l.lockSeg != nil {
		err = l.lockSeg.Close()
	}
	if l.lister != nil {
		err = errors.Join(err, l.lister.Release(background))
	}
	return errors.Join(err, l.m.Close())
}
