//go:build linux && (amd64 || arm64)

package storm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// audit takes both segments apart, when all processes have ended.
func (c *campaign) audit(t *testing.T) *remains {
	r := &remains{items: map[string]map[uint64]int{"job": {}, "name": {}, "parcel": {}, "tweet": {}}, held: map[string]int{},
		leaked: map[string]int{}, users: map[uint64]ending{}, charged: map[uint64]int{}, scans: map[uint64]bool{}}
	f := newFarm()
	s, err := shm.Attach(c.farm, f, nil)
	world.Must(t, err)
	defer s.Close()
	settled(t, s)
	r.takeFarm(t, f, s)
	m, err := objects.Open(c.tree, &objects.Options{Attach: true})
	world.Must(t, err)
	defer m.Close()
	settled(t, m.Segment())
	r.takeTree(t, c.l, m)
	return r
}

// settled sweeps what the last ones left, and holds that this is all there is.
func settled(t *testing.T, s *shm.Segment) {
	_, err := s.Sweep(t.Context())
	world.Must(t, err)
	if r, err := s.Sweep(t.Context()); err != nil || r != (shm.Report{}) {
		t.Errorf("a second sweep found work: %+v %v", r, err)
	}
	if n := len(s.Processes()); n != 1 {
		t.Errorf("%d processes registered: %+v", n, s.Processes())
	}
	shmtest.Verify(t, s)
}

func (r *remains) takeFarm(t *testing.T, f *farm, s *shm.Segment) {
	for _, o := range []string{"slots", "lock", "holders"} {
		r.held[o] = world.Used(s, o)
	}
	r.counted = f.Count.Sum()[0]
	any := func(b *shm.Bag[world.Job]) func() (shm.Claim[world.Job], error) {
		return func() (shm.Claim[world.Job], error) { return b.TryGet(nil) }
	}
	for _, q := range []struct {
		kind string
		done bool
		get  func() (shm.Claim[world.Job], error)
	}{{"job", false, f.Todo.TryGet}, {"job", true, f.Done.TryGet}, {"job", false, any(&f.Picky)}, {"job", false, any(&f.Urgent)}, {"parcel", false, f.Line.TryGet}} {
		for {
			c, err := q.get()
			if errors.Is(err, shm.ErrEmpty) {
				break
			}
			world.Must(t, err)
			if q.kind == "job" {
				if err := f.check(c, q.done); err != nil {
					t.Error(err)
				}
			}
			r.items[q.kind][c.Record().Number]++
			world.Must(t, c.Free())
		}
	}
	for {
		c, err := f.Queue.TryGet()
		if errors.Is(err, shm.ErrEmpty) {
			break
		}
		world.Must(t, err)
		world.Must(t, c.Settle())
	}
	for ref := range f.Named.All() {
		var j world.Job
		_, err := f.Named.Load(ref, &j)
		world.Must(t, err)
		if got, ok, err := f.ByName.Lookup(j.Key); err != nil || !ok || got != ref {
			t.Errorf("%s leads to %v, %v, not to %v", shm.Text(j.Key.Name[:]), got, err, ref)
		}
		r.items["name"][j.Number]++
		c, err := f.Named.Retire(ref)
		world.Must(t, err)
		world.Must(t, c.Free())
	}
	for _, o := range []string{"jobs", "named", "parcels", "data-64", "data-256"} {
		r.leaked[o] = world.Used(s, o)
	}
	shmtest.Verify(t, s)
}

func (r *remains) takeTree(t *testing.T, l *ledger, m *objects.SharedMemory) {
	ctx := context.Background()
	letGo(t, m)
	_, err := m.Users.Shed(ctx) // and with it images that a dead process has left
	world.Must(t, err)
	for id := range l.items["user"] {
		user, ok, err := m.Users.Lookup(ctx, query(id))
		world.Must(t, err)
		if !ok {
			continue
		}
		var rec objects.UserRequest
		world.Must(t, m.Users.Load(ctx, user, &rec))
		r.users[id] = ending{rec.Status == objects.End, rec.Problem}
	}
	total, _, err := m.Users.Count(ctx)
	world.Must(t, err)
	r.leaked["users"] = total - len(r.users)
	for s := objects.Step1; s <= objects.Step3; s++ {
		n, err := m.Users.Queued(ctx, s)
		world.Must(t, err)
		r.queued += n
	}
	for a := range uint64(charges) {
		r.charged[a], err = m.HTTP.Unfinished(ctx, address(a))
		world.Must(t, err)
	}
	r.takeScans(t, l, m)
	for _, o := range m.Segment().Stats().Objects {
		for _, n := range o.Counters {
			if v, ok := n.Value.(uint64); ok && n.Name == "failed_attempts" {
				r.failures = v
			}
		}
	}
	s := m.Segment()
	listing, tweets, instructions, err := m.Scans.Depths(ctx)
	world.Must(t, err)
	r.legs = listing + instructions
	r.leaked["legs"] = world.Used(s, "legs") - r.legs
	r.leaked["tweets"] = world.Used(s, "tweets") - tweets
	r.held["process records of the tree"] = world.Used(s, "process-records") - 1
	r.held["threads"] = world.Used(s, "threads")
	r.takeValues(t, m)
	shmtest.Verify(t, s)
}

// letGo claims and releases what waits: a request that was expired while a process
// had it that then died leaves its queue when it is claimed.
func letGo(t *testing.T, m *objects.SharedMemory) {
	ctx := context.Background()
	var claims []objects.UserClaim
	for s := objects.Step1; s <= objects.Step3; s++ {
		drain(t, func(ctx context.Context) error {
			c, err := m.Users.Claim(ctx, nil, s)
			if err == nil {
				claims = append(claims, c)
			}
			return err
		})
	}
	for _, c := range claims {
		world.Must(t, c.Release(ctx))
	}
}

// drain calls get until there is nothing: three times in a row, because the machine
// may have made a pause before one of them has looked.
func drain(t *testing.T, get func(context.Context) error) {
	for nothing := 0; nothing < 3; {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		err := get(ctx)
		cancel()
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			nothing++
		case err != nil:
			t.Fatal(err)
		default:
			nothing = 0
		}
	}
}

// takeValues reads what is added to and replaced, and counts the images.
func (r *remains) takeValues(t *testing.T, m *objects.SharedMemory) {
	ctx := context.Background()
	var err error
	r.metrics, err = m.Metrics.All(ctx)
	world.Must(t, err)
	n, err := m.Counts(ctx)
	world.Must(t, err)
	if !n.ReadAt.IsZero() {
		r.read = uint64(n.ReadAt.UnixNano())
		r.leaked["counts"] = world.Used(m.Segment(), "counts") - 1
	}
	prefix, err := m.Segment().SideFile("image.")
	world.Must(t, err)
	images, err := filepath.Glob(prefix + "*")
	world.Must(t, err)
	r.images = len(images)
	list, err := m.Threads.List(ctx)
	if err != nil || len(list) > 0 {
		t.Errorf("threads of the dead are listed: %+v, %v", list, err)
	}
	processes, err := m.Processes.List(ctx)
	if err != nil || len(processes) != 1 || processes[0].Process != os.Getpid() {
		t.Errorf("want this process alone: %+v, %v", processes, err)
	}
}

func (r *remains) takeScans(t *testing.T, l *ledger, m *objects.SharedMemory) {
	ctx := context.Background()
	// The tweets that are left are stored, and the cursors behind them saved, as
	// the children do it.
	drain(t, func(wait context.Context) error {
		c, err := m.Scans.ClaimIndexing(wait, nil)
		if err != nil {
			return err
		}
		now := clock()
		if tw := c.Tweet(); tw != nil {
			r.items["tweet"][uint64(tw.ID)]++
			at(l.tweets, uint64(tw.ID)).stored = now
		} else if leg, _, save := c.Cursor(); save && l.saved[legOf(c.Account(), leg)] == 0 {
			l.saved[legOf(c.Account(), leg)] = now
		}
		return c.Done(ctx)
	})
	for account := range l.items["scan"] {
		id, ok, err := m.Scans.Get(ctx, int64(account))
		world.Must(t, err)
		if !ok {
			continue
		}
		var scan objects.ScanRequest
		world.Must(t, m.Scans.Load(ctx, id, &scan))
		r.scans[account] = scan.Failed
		for _, closed := range scan.Closed {
			if !closed {
				r.open++
			}
		}
	}
	total, _, err := m.Scans.Count(ctx)
	world.Must(t, err)
	r.leaked["scans"] = total - len(r.scans)
}
