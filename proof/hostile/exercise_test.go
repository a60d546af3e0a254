//go:build linux && (amd64 || arm64)

package hostile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
)

var address = netip.MustParseAddr("192.0.2.9")

var typedErrors = []error{shm.ErrNotSegment, shm.ErrVersion, shm.ErrCorrupt, shm.ErrLayout, shm.ErrBoot, shm.ErrRetired,
	shm.ErrStopped, shm.ErrFull, shm.ErrEmpty, shm.ErrGone, shm.ErrStale, shm.ErrTooLarge, shm.ErrBusy, shm.ErrNotIndexed,
	shm.ErrNotExist, shm.ErrInUse, shm.ErrCapacity, shm.ErrSegmentFault, shm.ErrClosed, objects.ErrLimit, objects.ErrTaken, objects.ErrInvalid,
	context.DeadlineExceeded, context.Canceled, fs.ErrNotExist}

// A checker keeps the first error that is none of the typed ones.
type checker struct {
	bad   error
	seen  map[string]int // typed errors, by name
	shown int            // images dumped
	// restored are images of which Restore made a segment.
	restored int
	hole     hole // for the next mapping of the file
	opened   int  // mappings
	guarded  int  // of these, between two pages that nobody may touch
}

// open notes where the file was mapped.
func (c *checker) open(name string) {
	if c.hole.size == 0 {
		return
	}
	c.opened++
	if c.hole.holds(pathOf(name)) {
		c.guarded++
	}
}

// ok says whether the call succeeded.
func (c *checker) ok(what string, err error) bool {
	if err == nil {
		return true
	}
	for _, typed := range typedErrors {
		if errors.Is(err, typed) {
			if c.seen == nil {
				c.seen = map[string]int{}
			}
			c.seen[typed.Error()]++
			return false
		}
	}
	if c.bad == nil {
		c.bad = fmt.Errorf("%s: %w", what, err)
	}
	return false
}

// dump shows all that the image of a segment can show.
func (c *checker) dump(name string) {
	m, err := shm.Inspect(name, nil)
	if !c.ok("inspect", err) {
		return
	}
	c.open(name)
	c.shown++
	_, err = m.Stats()
	c.ok("stats", err)
	_, err = m.Processes()
	c.ok("processes", err)
	for _, o := range m.Objects() {
		for _, err := range m.Records(o.Name) {
			c.ok("records", err)
		}
		_, err = m.Counters(o.Name)
		c.ok("counters", err)
		_, err = m.Cell(o.Name)
		c.ok("cell", err)
	}
	c.ok("close", m.Close())
}

func (c *checker) verify(name string) {
	m, err := shm.Inspect(name, nil)
	if !c.ok("inspect", err) {
		return
	}
	c.open(name)
	_, err = m.Verify()
	c.ok("verify", err)
	c.ok("close", m.Close())
}

// attach attaches and leaves.
func (c *checker) attach(which, name string) {
	if which == "tree" {
		m, err := objects.Open(name, &objects.Options{Attach: true})
		if c.ok("attach", err) {
			c.open(name)
			_ = m.Segment().Claims()
			c.ok("close", m.Close())
		}
		return
	}
	s, err := shm.Attach(name, &world.World{}, nil)
	if c.ok("attach", err) {
		c.open(name)
		_ = s.Claims()
		c.ok("close", s.Close())
	}
}

// sweep attaches, sweeps, and uses the segment in every way.
func (c *checker) sweep(which, name string) {
	if which == "tree" {
		m, err := objects.Open(name, &objects.Options{Attach: true})
		if c.ok("attach", err) {
			c.open(name)
			c.swept(m.Segment())
			c.useTree(m)
			c.ok("close", m.Close())
		}
		return
	}
	w := &world.World{}
	s, err := shm.Attach(name, w, nil)
	if c.ok("attach", err) {
		c.open(name)
		c.swept(s)
		c.useWorld(w)
		c.ok("close", s.Close())
	}
}

func (c *checker) swept(s *shm.Segment) {
	for range 2 {
		_, err := s.Sweep(ctx)
		c.ok("sweep", err)
	}
	_, _ = s.Stats(), s.Claims()
}

func (c *checker) useWorld(w *world.World) {
	for _, get := range []func() (shm.Claim[world.Job], error){w.Todo.TryGet, w.Done.TryGet, w.Queue.TryGet, w.Jobs.TryNew, w.Named.TryNew,
		func() (shm.Claim[world.Job], error) { return w.Picky.TryGet(nil) },
		func() (shm.Claim[world.Job], error) {
			return w.Urgent.TryGet(func(_ shm.Ref[world.Job], j *world.Job) bool { return j.Number != 0 })
		}} {
		j, err := get()
		if !c.ok("get", err) {
			continue
		}
		_, err = w.Data.Append(nil, j.Record().Data)
		c.ok("blob", err)
		c.ok("set blob", j.SetBlob(&w.Data, &j.Record().Data, []byte("data")))
		if !c.ok("put", w.Todo.TryPut(j)) {
			c.ok("free", j.Free())
		}
	}
	var j world.Job
	for r := range w.Jobs.All() {
		if _, err := w.Jobs.Load(r, &j); c.ok("load", err) {
			_, err = w.Data.Append(nil, j.Data)
			c.ok("append", err)
		}
		c.ok("move", w.Picky.Move(r, &w.Urgent))
		if t, err := w.Todo.Take(r); c.ok("take", err) {
			c.ok("release", t.Release())
		}
	}
	for _, k := range []string{"k", "held", "new"} {
		_, _, err := w.ByName.Lookup(world.KeyOf(k))
		c.ok("lookup", err)
		if n, err := w.Named.TryNew(); c.ok("new", err) {
			n.Record().Key = world.KeyOf(k)
			_, _, err = w.ByName.Insert(n, &w.Queue)
			c.ok("insert", err)
		}
	}
	for r := range w.Named.All() {
		if n, err := w.Named.Retire(r); c.ok("retire", err) {
			c.ok("free retired", n.Free())
		}
	}
	if p, err := w.Slots.TryAcquire(); c.ok("acquire", err) {
		c.ok("release", p.Release())
	}
	w.Count.Add(0, 1)
	_ = w.Count.Sum()
	w.Change.Signal()
}

// brief bounds a call that would wait: what it waits for may be damaged.
func brief(f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
	defer cancel()
	return f(ctx)
}

func (c *checker) useTree(m *objects.SharedMemory) {
	for _, url := range []string{"old", "new"} {
		q := objects.Query{URL: url, Address: address}
		id, _, err := m.Users.Launch(ctx, q)
		c.ok("launch", err)
		var r objects.UserRequest
		c.ok("load", m.Users.Load(ctx, id, &r))
		_, _, err = m.Users.Lookup(ctx, q)
		c.ok("lookup", err)
	}
	for step := objects.Step1; step <= objects.Step3; step++ {
		c.ok("claim", brief(func(ctx context.Context) error {
			u, err := m.Users.Claim(ctx, nil, step)
			if err != nil {
				return err
			}
			switch step {
			case objects.Step1:
				return u.LinkFound(ctx, make([]objects.Account, 6), []string{"image"}, time.Now())
			case objects.Step2:
				return u.Indexed(ctx)
			}
			return u.Finish(ctx, nil)
		}))
	}
	for account := range int64(4) {
		s, err := m.Scans.Launch(ctx, objects.Account{ID: account, Name: "n"}, true, true)
		c.ok("launch a scan", err)
		var r objects.ScanRequest
		c.ok("load a scan", m.Scans.Load(ctx, s.ID, &r))
	}
	for _, leg := range []objects.Leg{objects.LegA, objects.LegB} {
		c.ok("list", brief(func(ctx context.Context) error {
			l, err := m.Scans.ClaimListing(ctx, nil, leg, 0)
			if err != nil {
				return err
			}
			return errors.Join(l.PutTweet(ctx, objects.Tweet{ID: 9, Images: []string{"i"}}), l.Done(ctx, objects.Cursor{}))
		}))
		c.ok("index", brief(func(ctx context.Context) error {
			x, err := m.Scans.ClaimIndexing(ctx, nil)
			if err != nil {
				return err
			}
			_ = x.Tweet()
			return x.Done(ctx)
		}))
	}
	_, err := m.HTTP.Allow(ctx, address)
	c.ok("allow", err)
	_, err = m.HTTP.Unfinished(ctx, address)
	c.ok("unfinished", err)
	_, err = m.Threads.List(ctx)
	c.ok("threads", err)
	_, err = m.Processes.List(ctx)
	c.ok("processes", err)
	c.ok("counts", m.SetCounts(ctx, objects.Counts{Tweets: 1}))
	_, err = m.Counts(ctx)
	c.ok("counts", err)
	_, err = m.Users.Expire(ctx, 0)
	c.ok("expire", err)
	_, err = m.Users.Shed(ctx)
	c.ok("shed", err)
	_, err = m.Scans.Shed(ctx)
	c.ok("shed scans", err)
	_, _, err = m.Users.Count(ctx)
	c.ok("count", err)
	_, _, _, err = m.Scans.Depths(ctx)
	c.ok("depths", err)
}
