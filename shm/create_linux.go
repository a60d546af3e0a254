//go:build linux && (amd64 || arm64)

package shm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	mmap "github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

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
		return nil, errors.Join(err, s.file.close())
	}
	reach(ptCreateJoined)
	if err := s.file.link(path); err != nil {
		return nil, errors.Join(err, s.file.close())
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
	f, err := openNameless(opt)
	if err != nil {
		return nil, err
	}
	file, err := mapFile(f, size, mmap.RDWR)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	reach(ptCreateMapped)
	if err = file.allocate(opt); err == nil {
		err = file.prefault(opt)
	}
	if err != nil {
		return nil, errors.Join(err, file.close())
	}
	reach(ptCreateAllocated)
	s := newSegment(name, path, file, opt)
	s.c.mem = memory{file.m}
	s.c.sleeper = newFutexSleeper()
	if err := s.c.initialise(l, size, newSeed(), boot); err != nil {
		return nil, errors.Join(err, file.close())
	}
	if !file.lock(unix.F_RDLCK, lockAttached) {
		return nil, errors.Join(fmt.Errorf("%w: file locks do not work in %s", ErrNotTmpfs, opt.Dir), file.close())
	}
	return s, nil
}

func openNameless(opt *Options) (*os.File, error) {
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
