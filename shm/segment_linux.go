//go:build linux && (amd64 || arm64)

package shm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"

	mmap "github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

// segmentFile is the segment's file: mapped and locked through one open file
// description, so that the locks live exactly as long as the mapping.
type segmentFile struct {
	f   *os.File
	m   mmap.MMap
	ino uint64
	dev uint64
}

// Locks are bytes far behind the end of the file: they need not exist.
const (
	lockAttached = 1<<40 - 1 // read-locked by all; write-locked: nobody is attached
	lockSlots    = 1 << 40   // two bytes a slot: registration, life
)

func (s *segmentFile) lock(kind int16, at int64) bool {
	lk := unix.Flock_t{Type: kind, Whence: unix.SEEK_SET, Start: at, Len: 1}
	for {
		err := unix.FcntlFlock(s.f.Fd(), unix.F_OFD_SETLK, &lk)
		if err != unix.EINTR {
			return err == nil
		}
	}
}

// isFree asks whether nobody else holds any lock on the byte. Asked of our own
// lock it says yes: a description does not conflict with itself.
func (s *segmentFile) isFree(at int64) bool {
	lk := unix.Flock_t{Type: unix.F_WRLCK, Whence: unix.SEEK_SET, Start: at, Len: 1}
	err := unix.FcntlFlock(s.f.Fd(), unix.F_OFD_GETLK, &lk)
	return err == nil && lk.Type == unix.F_UNLCK
}

func (s *segmentFile) tryRegister(i uint32) bool { return s.lock(unix.F_WRLCK, lockSlots+2*int64(i)) }
func (s *segmentFile) unlockRegister(i uint32)   { s.lock(unix.F_UNLCK, lockSlots+2*int64(i)) }
func (s *segmentFile) tryLife(i uint32) bool     { return s.lock(unix.F_WRLCK, lockSlots+2*int64(i)+1) }
func (s *segmentFile) unlockLife(i uint32)       { s.lock(unix.F_UNLCK, lockSlots+2*int64(i)+1) }
func (s *segmentFile) lifeFree(i uint32) bool    { return s.isFree(lockSlots + 2*int64(i) + 1) }

// close drops the locks, and the mapping unless somebody may still point into it.
func (s *segmentFile) close(unmap bool) error {
	s.lock(unix.F_UNLCK, lockAttached)
	var err error
	if unmap {
		err = s.m.Unmap()
	}
	return errors.Join(err, s.f.Close())
}

// Create makes a new segment and attaches to it. The file gets its name when it
// is complete: O_TMPFILE, fallocate, initialise, join, linkat. Killed before
// linkat, nothing remains; after it, the segment is whole and the creator's slot
// is swept like any other. ErrExist, ErrName, ErrNoSpace, ErrNotTmpfs,
// ErrCapacity, ErrDeclaration.
func Create(name string, app Definer, o *Options) (*Segment, error) {
	opt := o.filled()
	path, err := opt.path(name)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("%w: %s", ErrExist, path)
	}
	l, err := newLayout(app, opt.Capacity)
	if err != nil {
		return nil, err
	}
	s, err := build(name, path, l, &opt)
	if err != nil {
		return nil, err
	}
	if err := s.c.join(s.file); err != nil {
		return nil, errors.Join(err, s.file.close(true))
	}
	reach(ptCreateJoined)
	if err := s.file.link(path); err != nil {
		return nil, errors.Join(err, s.file.close(true))
	}
	reach(ptCreateLinked)
	s.start(s.watch)
	return s, nil
}

// build makes the complete but nameless file of a segment.
func build(name, path string, l *Layout, opt *Options) (*Segment, error) {
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	size := l.place()
	f, err := openNameless(opt, size)
	if err != nil {
		return nil, err
	}
	file, err := mapFile(f, size, mmap.RDWR)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	reach(ptCreateMapped)
	s := newSegment(name, path, file, opt)
	s.c.mem = memory{file.m}
	s.c.sleeper = newFutexSleeper()
	if err := s.c.initialise(l, size, newSeed(), boot); err != nil {
		return nil, errors.Join(err, file.close(true))
	}
	if !file.lock(unix.F_RDLCK, lockAttached) {
		return nil, errors.Join(fmt.Errorf("%w: file locks do not work in %s", ErrNotTmpfs, opt.Dir), file.close(true))
	}
	return s, nil
}

func openNameless(opt *Options, size uint64) (*os.File, error) {
	var fsInfo unix.Statfs_t
	if err := unix.Statfs(opt.Dir, &fsInfo); err != nil {
		return nil, &fs.PathError{Op: "create segment in", Path: opt.Dir, Err: err}
	}
	if fsInfo.Type != unix.TMPFS_MAGIC {
		return nil, fmt.Errorf("%w: %s", ErrNotTmpfs, opt.Dir)
	}
	fd, err := unix.Open(opt.Dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, uint32(opt.Mode.Perm()))
	if err != nil {
		return nil, &fs.PathError{Op: "create segment in", Path: opt.Dir, Err: err}
	}
	f := os.NewFile(uintptr(fd), opt.Dir)
	reach(ptCreateOpened)
	if err := unix.Fallocate(fd, 0, 0, int64(size)); err != nil {
		if err == unix.ENOSPC || err == unix.EFBIG || err == unix.ENOMEM {
			err = fmt.Errorf("%w: %d bytes wanted in %s", ErrNoSpace, size, opt.Dir)
		}
		return nil, errors.Join(err, f.Close())
	}
	reach(ptCreateAllocated)
	if opt.Group != 0 {
		err = unix.Fchown(fd, -1, opt.Group)
	}
	if e := unix.Fchmod(fd, uint32(opt.Mode.Perm())); err == nil { // whatever the umask is
		err = e
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("shm: mode and group of the segment: %w", err), f.Close())
	}
	return f, nil
}

func mapFile(f *os.File, size uint64, prot int) (*segmentFile, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, err
	}
	m, err := mmap.MapRegion(f, int(size), prot, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("shm: map %s: %w", f.Name(), err)
	}
	// A forked child that does not exec must not keep our mapping, or with it
	// our locks, alive.
	if err := unix.Madvise(m, unix.MADV_DONTFORK); err != nil {
		return nil, errors.Join(err, m.Unmap())
	}
	return &segmentFile{f, m, st.Ino, st.Dev}, nil
}

func (s *segmentFile) link(path string) error {
	err := unix.Linkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(int(s.f.Fd())), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
	if err == unix.EEXIST {
		return fmt.Errorf("%w: %s", ErrExist, path)
	}
	if err != nil {
		return &fs.PathError{Op: "name segment", Path: path, Err: err}
	}
	return nil
}

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
	if err := guard(s.c.mem, func() error { return s.attach(app) }); err != nil {
		return nil, errors.Join(err, file.close(true))
	}
	s.start(s.watch)
	s.c.members.ring()
	return s, nil
}

func (s *Segment) attach(app Definer) error {
	boot, err := bootID()
	if err != nil {
		return err
	}
	g, err := readGeometry(s.c.mem, boot)
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	l, err := g.adopt(app)
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
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
	if w.load(ptSegmentState) == segmentStopped && s.file.lock(unix.F_WRLCK, lockAttached) {
		w.cas(ptRestart, segmentStopped, segmentOpen) // nobody is attached: the kernel says so
	}
	if !s.file.lock(unix.F_RDLCK, lockAttached) {
		return ErrRetired // a reset or removal holds it
	}
	return s.c.usable()
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

// named tells whether the path still leads to our file.
func (s *segmentFile) named(path string) bool {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	return err == nil && st.Ino == s.ino && st.Dev == s.dev || err != nil && err != unix.ENOENT
}

func bootID() (id [16]byte, err error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return id, fmt.Errorf("shm: boot id: %w", err)
	}
	var hi, lo uint64
	var p [5]uint64
	if _, err := fmt.Sscanf(string(b), "%x-%x-%x-%x-%x", &p[0], &p[1], &p[2], &p[3], &p[4]); err != nil {
		return id, fmt.Errorf("shm: boot id %q: %w", b, err)
	}
	hi, lo = p[0]<<32|p[1]<<16|p[2], p[3]<<48|p[4]
	binary.BigEndian.PutUint64(id[:8], hi)
	binary.BigEndian.PutUint64(id[8:], lo)
	return id, nil
}

func pidNamespace() uint64 {
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/pid", &st) != nil {
		return 0
	}
	return st.Ino
}
