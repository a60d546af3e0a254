//go:build linux && (amd64 || arm64)

package shm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	mmap "github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

// Attach joins an existing segment, whose capacities it adopts. It refuses, each
// with its own error, what is no segment (ErrNotSegment), of another format
// (ErrVersion), layout (ErrLayout, a *LayoutError), boot (ErrBoot) or user
// (ErrOwner), writable beyond the mode (ErrMode), corrupt (ErrCorrupt), stopped
// and still in use (ErrStopped), retired (ErrRetired), or not there
// (ErrNotExist). No content of the file can crash it. Killed at any step:
// nothing remains, or a slot that is swept.
func Attach(name string, app Definer, o *Options) (*Segment, error) {
	opt := o.filled()
	path, err := opt.path(name)
	if err != nil {
		return nil, err
	}
	file, err := openFile(path, mmap.RDWR, opt.Mode)
	if err != nil {
		return nil, err
	}
	s := newSegment(name, path, file, &opt)
	s.c.mem = memory{file.m}
	s.c.sleeper = newFutexSleeper()
	if err := guard(s.c.mem, func() error { return s.attach(app, &opt) }); err != nil {
		return nil, errors.Join(err, file.close())
	}
	s.start(s.watch)
	_ = s.c.guard(func() error { s.c.members.ring(); return nil }) // a file truncated by now is found by the watch
	return s, nil
}

func (s *Segment) attach(app Definer, opt *Options) error {
	boot, err := bootID()
	if err != nil {
		return err
	}
	if err := s.file.whole(); err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	g, err := readGeometry(s.c.mem, boot)
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	l, err := g.adopt(app)
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	if err := s.file.prefault(opt); err != nil {
		return err
	}
	s.c.bindHead(g.slots, g.seed)
	for _, o := range l.objects {
		if err := s.c.bindObject(o); err != nil {
			return err
		}
	}
	if err := s.enter(); err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	if err := s.c.join(s.file); err != nil {
		return err
	}
	if !s.file.named(s.path) { // removed while we joined it
		s.c.leave(s.file)
		return fmt.Errorf("%w: %s", ErrRetired, s.path)
	}
	return nil
}

// enter takes the lock that says "attached". The first to attach after a stop
// starts the application again.
func (s *Segment) enter() error {
	w := &s.c.head[headState]
	// Both are refused while a reset or removal holds the lock, or, for a moment, a
	// snapshot, a sweep from outside, or another one that starts the application again.
	for range 1000 {
		if w.load(ptSegmentState) == segmentStopped && s.file.lock(unix.F_WRLCK, lockAttached) {
			w.cas(ptRestart, segmentStopped, segmentOpen) // nobody is attached: the kernel says so
		}
		if s.file.lock(unix.F_RDLCK, lockAttached) {
			return s.c.usable()
		}
		if err := s.c.usable(); err != nil && !errors.Is(err, ErrStopped) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return ErrInUse
}

// openFile opens and maps an existing segment, after every check that needs no
// look into it.
func openFile(path string, prot int, mode fs.FileMode) (*segmentFile, error) {
	flags := unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK
	if prot == mmap.RDWR {
		flags |= unix.O_RDWR
	}
	fd, err := unix.Open(path, flags, 0)
	switch {
	case err == unix.ENOENT:
		return nil, fmt.Errorf("%w: %s", ErrNotExist, path)
	case err == unix.ELOOP:
		return nil, fmt.Errorf("%w: %s is a symbolic link", ErrNotSegment, path)
	case err == unix.EISDIR || err == unix.ENXIO:
		return nil, fmt.Errorf("%w: %s is no regular file", ErrNotSegment, path)
	case err != nil:
		return nil, &fs.PathError{Op: "open segment", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	size, err := checkFile(fd, path, prot, mode)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	file, err := mapFile(f, size, prot)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return file, nil
}

func checkFile(fd int, path string, prot int, mode fs.FileMode) (size uint64, err error) {
	var st unix.Stat_t
	var fsInfo unix.Statfs_t
	if err := errors.Join(unix.Fstat(fd, &st), unix.Fstatfs(fd, &fsInfo)); err != nil {
		return 0, &fs.PathError{Op: "stat segment", Path: path, Err: err}
	}
	me := uint32(os.Geteuid())
	perm := fs.FileMode(st.Mode & 0o777)
	groups, _ := os.Getgroups()
	byGroup := mode&0o060 == 0o060 && (int(st.Gid) == os.Getegid() || slices.Contains(groups, int(st.Gid)))
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return 0, fmt.Errorf("%w: %s is no regular file", ErrNotSegment, path)
	case st.Size < headSize:
		return 0, fmt.Errorf("%w: %s has %d bytes", ErrNotSegment, path, st.Size)
	case st.Size > 1<<46:
		return 0, fmt.Errorf("%w: %s has %d bytes", ErrNotSegment, path, st.Size)
	case prot != mmap.RDWR:
		return uint64(st.Size), nil
	case fsInfo.Type != unix.TMPFS_MAGIC:
		return 0, fmt.Errorf("%w: %s", ErrNotTmpfs, path)
	case st.Uid != me && me != 0 && !byGroup:
		return 0, fmt.Errorf("%w: %s belongs to uid %d, this process has %d", ErrOwner, path, st.Uid, me)
	case perm&0o022&^mode != 0:
		return 0, fmt.Errorf("%w: %s has mode %#o, wanted %#o at most", ErrMode, path, perm, mode)
	}
	return uint64(st.Size), nil
}
