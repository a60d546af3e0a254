package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aotf/sharedmem/examples/pictures/internal/catalog"
	"github.com/aotf/sharedmem/examples/pictures/internal/gallery"
	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
)

// near is the largest distance of a result, of 64 bits. A drawn picture is at
// least 14 from every other one, a copy at most a few from its source.
const near = 10

// stuckAfter is when the watchdog ends a query that no worker ends.
const stuckAfter = 10 * time.Minute

const (
	runPrefix  = "pictures-run-"  // segments and folders of runs; those of dead runs are removed
	keepPrefix = "pictures-kept-" // left by --keep
)

// front is the process that owns the run.
type front struct {
	o       options
	say     *progress
	m       *objects.SharedMemory
	folder  string // of the run: drawn tree, pages, catalogue
	dir     string // of the accounts
	queries []gallery.Query
	team    *team
}

// runFront makes the segment and the folder of the run, and removes both,
// whatever happens.
func runFront(ctx context.Context, o options, say *progress) (r report, err error) {
	r.Seed = o.seed
	removeDeadRuns(say)
	prefix := runPrefix
	if o.keep {
		prefix = keepPrefix
	}
	name := fmt.Sprintf("%s%d", prefix, os.Getpid())
	m, err := objects.Open(name, &objects.Options{Tokens: 1})
	if err != nil {
		return r, fmt.Errorf("create the segment: %w", err)
	}
	f := &front{o: o, say: say, m: m, dir: o.dir}
	messages, stop := context.WithCancel(ctx)
	served := make(chan struct{})
	go func() { // as each worker does
		_ = m.ServeMessages(messages, "")
		close(served)
	}()
	defer func() {
		stop()
		<-served
		if o.keep {
			say.line("the segment is kept: shmtool dump %s; shmtool rm %s", name, name)
			err = errors.Join(err, m.Close())
		} else {
			err = errors.Join(err, m.Remove())
		}
		if f.folder != "" {
			err = errors.Join(err, os.RemoveAll(f.folder))
		}
	}()
	// The folder is made after the segment: while it is there, its segment is
	// attached, or the run is dead.
	if f.folder = filepath.Join(os.TempDir(), name); os.Mkdir(f.folder, 0o700) != nil {
		f.folder = ""
		return r, fmt.Errorf("make the run's folder in %s", os.TempDir())
	}
	if err := f.prepare(ctx); err != nil {
		return r, err
	}
	return r, f.work(ctx, &r)
}

// removeDeadRuns removes what runs left that were killed: segments that nobody
// is attached to, and folders without a segment.
func removeDeadRuns(say *progress) {
	names, _ := shm.List(nil)
	for _, name := range names {
		if strings.HasPrefix(name, runPrefix) && shm.Remove(name, nil, false) == nil {
			say.line("removed the segment of a dead run: %s", name)
		}
	}
	folders, _ := filepath.Glob(filepath.Join(os.TempDir(), "pictures-*-*"))
	for _, folder := range folders {
		base := filepath.Base(folder)
		if !strings.HasPrefix(base, runPrefix) && !strings.HasPrefix(base, keepPrefix) {
			continue
		}
		if im, err := shm.Inspect(base, nil); err == nil {
			alive, _ := im.Processes()
			_ = im.Close()
			if len(alive) > 0 {
				continue
			}
		}
		if os.RemoveAll(folder) == nil {
			say.line("removed the folder of a dead run: %s", base)
		}
	}
}

// prepare draws the tree when none is given, and makes the queries.
func (f *front) prepare(ctx context.Context) error {
	if f.dir == "" {
		f.dir = filepath.Join(f.folder, "accounts")
		drawn, err := gallery.Draw(f.dir, f.o.seed, func(done, total int) {
			f.say.step("drawing pictures", done, total)
		})
		if err != nil {
			return err
		}
		if drawn.NotCopied != "" {
			f.say.line("no account with the images that ship with Go: %s", drawn.NotCopied)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f.say.step("making queries", 0, f.o.queries)
	var err error
	f.dir, err = filepath.Abs(f.dir)
	if err != nil {
		return err
	}
	f.queries, err = gallery.MakeQueries(f.dir, filepath.Join(f.folder, "pages"), f.o.seed, f.o.queries, near)
	return err
}

// work starts the workers, launches the queries, polls them and judges.
func (f *front) work(ctx context.Context, r *report) (err error) {
	db := filepath.Join(f.folder, "catalogue.db")
	cat, err := catalog.Open(db)
	if err != nil {
		return err
	}
	defer cat.Close()
	f.team = newTeam(f, db)
	defer func() {
		_ = f.m.Stop(ctx)
		err = errors.Join(err, f.team.end())
		if err == nil && ctx.Err() == nil {
			err = f.finish(r, cat)
		}
	}()
	if err := f.team.start(f.o.indexers); err != nil {
		return err
	}
	k := newKiller(f)
	killed := make(chan error, 1)
	killing, stop := context.WithCancel(ctx)
	defer stop()
	go func() { killed <- k.run(killing) }()
	ids := make([]objects.UserID, len(f.queries))
	for i, q := range f.queries {
		// With kills to come, work must be left for them.
		for i > k.may(len(f.queries)) && !k.isHungry() && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		if ids[i], _, err = f.m.Users.Launch(ctx, objects.Query{URL: q.Page + "#0"}); err != nil {
			return err
		}
	}
	if err := f.poll(ctx, ids, r); err != nil {
		return err
	}
	if err = f.keepBusy(ctx, k, killed); err != nil {
		return err
	}
	if err = f.upload(ctx, r); err != nil {
		return err
	}
	r.Killed, r.Interrupted, r.RecoveryP99 = k.killed, k.interrupted, k.p99()
	return err
}

// keepBusy asks the same queries again while kills are still to come: a small
// tree is searched before ten workers can be killed at work. The repeats are
// requests of their own (the part behind # tells them apart) and count nowhere.
func (f *front) keepBusy(ctx context.Context, k *killer, killed <-chan error) error {
	for n := 0; ; n++ {
		if k.isHungry() {
			q := f.queries[n%len(f.queries)]
			if _, _, err := f.m.Users.Launch(ctx, objects.Query{URL: fmt.Sprintf("%s#%d", q.Page, n+1)}); err != nil {
				return err
			}
		}
		select {
		case err := <-killed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
		if err := f.team.failed(); err != nil {
			return err
		}
	}
}

// poll asks for every query until it has ended, as the clients of AOTF do.
func (f *front) poll(ctx context.Context, ids []objects.UserID, r *report) error {
	r.Queries = len(ids)
	r.Results = make([]result, len(ids))
	left := len(ids)
	done := make([]bool, len(ids))
	var req objects.UserRequest
	for left > 0 {
		if err := f.team.failed(); err != nil {
			return err
		}
		for i, id := range ids {
			if done[i] {
				continue
			}
			if err := f.m.Users.Load(ctx, id, &req); err != nil {
				return err
			}
			if req.Status == objects.End {
				done[i] = true
				left--
				r.judge(i, &f.queries[i], &req)
			}
		}
		if _, err := f.m.Users.Expire(ctx, stuckAfter); err != nil {
			return err
		}
		listing, tweets, saves, _ := f.m.Scans.Depths(ctx)
		f.say.step(fmt.Sprintf("searching (%d legs, %d tweets, %d cursors wait)", listing, tweets, saves), len(ids)-left, len(ids))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// upload searches once more for the first query's picture, as a client does that
// has the image itself and no page: a direct search, charged to an address.
func (f *front) upload(ctx context.Context, r *report) error {
	i := slices.IndexFunc(f.queries, func(q gallery.Query) bool { return !q.Absent })
	if i < 0 || r.Found != r.Queries {
		return nil
	}
	client := netip.MustParseAddr("192.0.2.1")
	if ok, err := f.m.HTTP.Allow(ctx, client); err != nil || !ok {
		return fmt.Errorf("the first HTTP request of an address was refused: %w", err)
	}
	page, err := gallery.ReadPage(f.queries[i].Page)
	if err != nil {
		return err
	}
	image, err := os.ReadFile(page.Image)
	if err != nil {
		return err
	}
	id, _, err := f.m.Users.Launch(ctx, objects.Query{URL: "upload", Direct: true, Image: image, Address: client})
	if err != nil {
		return err
	}
	var req objects.UserRequest
	for req.Status != objects.End {
		if err := errors.Join(ctx.Err(), f.team.failed(), f.m.Users.Load(ctx, id, &req)); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	for _, x := range req.Found {
		if x.Tweet == f.queries[i].Picture || slices.Contains(f.queries[i].Same, x.Tweet) {
			r.upload = fmt.Sprintf("The image of query %d, uploaded without its page: found in %.0f ms, among %d candidates.",
				i+1, float64(req.Took.Microseconds())/1000, len(req.Found))
			return nil
		}
	}
	return fmt.Errorf("the uploaded image was not found (%v)", req.Problem)
}

// finish collects the totals, after the workers have ended.
func (f *front) finish(r *report, cat *catalog.Catalog) error {
	ctx := context.Background()
	r.Processes = f.team.attached()
	r.Redelivered = f.m.Redelivered()
	if _, err := f.m.Users.Shed(ctx); err != nil {
		return err
	}
	var err error
	if r.means, err = f.m.Metrics.All(ctx); err != nil {
		return err
	}
	counts, err := f.m.Counts(ctx) // as the indexers read them
	if err != nil {
		return err
	}
	r.pictures, r.accounts = counts.Tweets, counts.Accounts
	unreadable, err := cat.Unreadable(ctx)
	if err != nil {
		return err
	}
	for _, u := range unreadable {
		r.unreadable = append(r.unreadable, fmt.Sprintf("%s: %s", u.Name, u.Reason))
	}
	r.team = f.team.roles()
	if _, err := f.m.Segment().Sweep(ctx); err != nil {
		return err
	}
	for finding := range f.m.Segment().Verify() {
		err = errors.Join(err, errors.New(finding.String()))
	}
	return err
}
