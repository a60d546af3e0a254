package shm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"time"
)

// DefaultDir is where segments lie unless Options.Dir or the environment
// variable SHM_DIR says otherwise.
const DefaultDir = "/dev/shm"

// Options for creating and attaching; nil means all defaults.
type Options struct {
	Dir      string         // directory on a tmpfs; "" is SHM_DIR, then DefaultDir
	Mode     fs.FileMode    // who may attach; 0 is 0600. 0660 trusts a whole group
	Group    int            // with Mode 0660: the file's group; 0 leaves the process's own
	Capacity map[string]int // of objects by name, and "processes"; the creator's, ignored at attach
	Prefault bool           // map every page at once (Linux 5.14): Create and Attach take longer, first touches fault no more
	// HugePages asks for pages of 2 MiB, for a segment of 100 MiB and more: the
	// creator's. It needs Linux 5.14 and a tmpfs that is mounted with huge=advise;
	// with huge=always or within_size they come without asking, and with huge=never,
	// as /dev/shm usually is, not at all.
	HugePages bool
	Logger    *slog.Logger // joins, deaths, sweeps, retirement; nil is silent
}

func (o *Options) filled() Options {
	var f Options
	if o != nil {
		f = *o
	}
	if f.Dir == "" {
		f.Dir = os.Getenv("SHM_DIR")
	}
	if f.Dir == "" {
		f.Dir = DefaultDir
	}
	if f.Mode == 0 {
		f.Mode = 0o600
	}
	if f.Logger == nil {
		f.Logger = slog.New(slog.DiscardHandler)
	}
	return f
}

var segmentName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$`)

// path is where a segment of that name lies.
func (o *Options) path(name string) (string, error) {
	if !segmentName.MatchString(name) {
		return "", fmt.Errorf("%w: %q", ErrName, name)
	}
	return filepath.Join(o.Dir, name), nil
}

// A Segment is one opening of a segment by this process. Its methods and those
// of the objects that the application defined may be called from any goroutine.
type Segment struct {
	c        core
	name     string
	path     string
	file     *segmentFile // nil: private
	done     chan struct{}
	doneOnce sync.Once
	cancel   context.CancelFunc
	watchers sync.WaitGroup
	closing  sync.Mutex
	sweeping sync.Mutex // so that who sweeps finds nothing half done by the death watch of its own process
}

// Private makes a segment for this process alone, in its own memory. All
// objects work the same, on every 64-bit system; nobody else can attach.
func Private(app Definer, o *Options) (*Segment, error) {
	opt := o.filled()
	l, err := newLayout(app, opt.Capacity)
	if err != nil {
		return nil, err
	}
	size := l.place()
	s := newSegment("private", "", nil, &opt)
	s.c.mem = heapMemory(size)
	s.c.sleeper = newLocalSleeper()
	if err := s.c.initialise(l, size, newSeed(), [16]byte{}); err != nil {
		return nil, err
	}
	if err := s.c.join(nil); err != nil {
		return nil, err
	}
	s.start(s.retry)
	return s, nil
}

// retry is the only housekeeping that a private segment needs: see publishOrKeep.
func (s *Segment) retry(ctx context.Context) {
	turn := time.NewTicker(slice)
	defer turn.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-turn.C:
			s.c.retryBacklog()
		}
	}
}

// Open attaches to the segment, or creates it when there is none. Of two that
// create at the same time, one wins and the other attaches. A retired segment that
// nobody is attached to is removed first.
func Open(name string, app Definer, o *Options) (*Segment, error) {
	for range 100 {
		s, err := Attach(name, app, o)
		if errors.Is(err, ErrRetired) {
			// Maybe whoever retired it was killed before it took the name away.
			if e := removeRetired(name, o); errors.Is(e, ErrInUse) {
				time.Sleep(10 * time.Millisecond)
			} else if e != nil && !errors.Is(e, ErrNotExist) {
				return nil, errors.Join(err, e)
			}
			continue
		}
		if err == nil || !errors.Is(err, ErrNotExist) {
			return s, err
		}
		if s, err = Create(name, app, o); !errors.Is(err, ErrExist) {
			return s, err
		}
	}
	return nil, fmt.Errorf("%w: %s appears and disappears", ErrNotExist, name)
}

func newSegment(name, path string, f *segmentFile, o *Options) *Segment {
	s := &Segment{name: name, path: path, file: f, done: make(chan struct{})}
	s.c.log = o.Logger.With("segment", name)
	return s
}

// start begins the housekeeping of an attached segment.
func (s *Segment) start(watch func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.watchers.Go(func() { s.watchState(ctx) })
	s.watchers.Go(func() { watch(ctx) })
	s.c.log.Info("joined", "slot", s.c.self-1, "generation", s.c.gen)
}

// watchState closes Done when the segment stops or retires. Stop and retirement
// ring every event, so it hears of them at once.
func (s *Segment) watchState(ctx context.Context) {
	err := s.c.members.waitGuarded(ctx, func() (bool, error) { return false, s.c.usable() })
	if ctx.Err() == nil {
		s.c.log.Info("segment ended", "reason", err)
	}
	s.doneOnce.Do(func() { close(s.done) })
}

// Name is the segment's name, "private" for a private one.
func (s *Segment) Name() string { return s.name }

// Done is closed when the segment was stopped, reset or removed, when its name
// was unlinked, or when this process closed it. Err tells which.
func (s *Segment) Done() <-chan struct{} { return s.done }

// Err is nil while the segment is in use, then ErrStopped, ErrRetired,
// ErrClosed, or ErrSegmentFault.
func (s *Segment) Err() error { return s.c.guard(s.c.usable) }

// Stop ends the application: every blocked call in every process returns
// ErrStopped, and so does every later one that would block. Calls that do not
// block go on, so that workers can finish. The flag falls when the last process
// has left and the next one attaches. Killed after the CAS and before the
// wake-ups: waiters notice within their slice, a second.
func (s *Segment) Stop() {
	_ = s.c.guard(func() error {
		s.c.head[headState].cas(ptStop, segmentOpen, segmentStopped)
		s.c.wakeAll()
		return nil
	})
}

// Now is the time since boot, for stamps that are compared within one boot and
// do not jump. It goes on while the machine sleeps.
func (s *Segment) Now() time.Duration { return Now() }

// Processes lists the attached processes, and those that died and are not swept
// yet.
func (s *Segment) Processes() (list []Process) {
	_ = s.c.guard(func() error { list = s.c.processes(); return nil })
	return list
}

// Slot is this opening's place in the registry.
func (s *Segment) Slot() int { return int(s.c.self) - 1 }

// Close ends this opening. Blocked calls of this process return ErrClosed and
// are waited for. Claims still open are given back, without counting an attempt,
// new and held records are freed, permits released. The caller has ended its
// workers: a pointer from Claim.Record must not be used any more; if any claim
// was open, the error is a *BusyError that names them, and the memory stays mapped.
// Else it is unmapped when the garbage collector finds that nothing of the opening
// is in use any more, so a late call fails instead of crashing. Calls that do not
// block, and the first look of those that do, are not waited for: end them before. A second Close returns ErrClosed.
func (s *Segment) Close() error {
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.c.closed.Swap(true) {
		return ErrClosed
	}
	s.cancel()
	s.c.sleeper.close()
	for s.c.inside.Load() != 0 { // the sleeper has ended their sleeps
		time.Sleep(50 * time.Microsecond)
	}
	s.watchers.Wait()
	var open []string
	err := s.c.guard(func() error {
		s.c.retryBacklog()
		open = s.c.giveBackAll()
		s.c.retryBacklog()
		s.c.leave(s.file)
		s.c.members.ring()
		return nil
	})
	s.doneOnce.Do(func() { close(s.done) })
	s.c.log.Info("left", "given_back", len(open))
	if s.file != nil {
		if e := s.file.leave(); err == nil {
			err = e
		}
		if len(open) == 0 {
			runtime.AddCleanup(s, (*segmentFile).unmap, s.file)
		}
	}
	if len(open) > 0 {
		return &BusyError{open}
	}
	return err
}

// wakeLocal makes blocked calls of a closing process look again.
func (c *core) wakeLocal() {
	for _, e := range c.events {
		c.sleeper.wake(e.w)
	}
}

// giveBackAll ends every claim and permit of this process and names the claims.
func (c *core) giveBackAll() (open []string) {
	for _, a := range c.arenas {
		if a == nil {
			continue
		}
		a.each(func(i uint32, h header) bool {
			if s := h.state(); h.owner() != c.self || s != New && s != Owned && s != Retiring {
				return true
			}
			cl := claim{a, i, h}
			if cl.giveBack() == nil {
				open = append(open, fmt.Sprintf("%s %s (%s)", a.obj.Name, cl.ref(), h.state()))
			}
			return true
		})
	}
	for _, s := range c.sems {
		s.giveBackAll()
	}
	slices.Sort(open)
	return open
}
