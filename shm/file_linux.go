//go:build linux && (amd64 || arm64)

package shm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

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
	lockName     = 1<<40 - 2 // write-locked by who takes the name away, or gives it to another file
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
	return err == nil && lk.Type == unix.F_UNLCK && s.isOurs()
}

// isOurs tells whether the descriptor still leads to our file. A program that
// closes descriptors which are not its own lets the kernel give the number to
// another file, whose locks say nothing about anybody's life.
func (s *segmentFile) isOurs() bool {
	var st unix.Stat_t
	return unix.Fstat(int(s.f.Fd()), &st) == nil && st.Ino == s.ino && st.Dev == s.dev
}

func (s *segmentFile) tryRegister(i uint32) bool { return s.lock(unix.F_WRLCK, lockSlots+2*int64(i)) }
func (s *segmentFile) unlockRegister(i uint32)   { s.lock(unix.F_UNLCK, lockSlots+2*int64(i)) }
func (s *segmentFile) tryLife(i uint32) bool     { return s.lock(unix.F_WRLCK, lockSlots+2*int64(i)+1) }
func (s *segmentFile) unlockLife(i uint32)       { s.lock(unix.F_UNLCK, lockSlots+2*int64(i)+1) }
func (s *segmentFile) lifeFree(i uint32) bool    { return s.isFree(lockSlots + 2*int64(i) + 1) }

// leave drops the locks and the descriptor; the memory stays mapped.
func (s *segmentFile) leave() error {
	s.lock(unix.F_UNLCK, lockAttached)
	return s.f.Close()
}

func (s *segmentFile) unmap() { _ = s.m.Unmap() }

// close drops everything. Nobody may point into the memory any more.
func (s *segmentFile) close() error {
	return errors.Join(s.leave(), s.m.Unmap())
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

// allocate gives the file all its pages, so that touching one never fails. Huge
// ones must come first and by touching them, since fallocate knows of no advice;
// what they leave out, because there are none or no room, fallocate sees.
func (s *segmentFile) allocate(o *Options) error {
	size := int64(len(s.m))
	if o.HugePages {
		if err := unix.Ftruncate(int(s.f.Fd()), size); err != nil {
			return fmt.Errorf("shm: size of a new segment in %s: %w", o.Dir, err)
		}
		_ = unix.Madvise(s.m, unix.MADV_HUGEPAGE)
		_ = unix.Madvise(s.m, unix.MADV_POPULATE_WRITE)
	}
	switch err := unix.Fallocate(int(s.f.Fd()), 0, 0, size); err {
	case nil:
		return nil
	case unix.ENOSPC, unix.EFBIG, unix.ENOMEM:
		return fmt.Errorf("%w: %d bytes wanted in %s", ErrNoSpace, size, o.Dir)
	default:
		return fmt.Errorf("shm: memory of a new segment in %s: %w", o.Dir, err)
	}
}

// prefault maps every page for writing, which changes nothing in it. A kernel
// that cannot leaves the faults to the first touches.
func (s *segmentFile) prefault(o *Options) error {
	if !o.Prefault {
		return nil
	}
	if err := unix.Madvise(s.m, unix.MADV_POPULATE_WRITE); err != nil && err != unix.EINVAL {
		return fmt.Errorf("shm: prefault %s: %w", s.f.Name(), err)
	}
	return nil
}

// takeName tells whether the path leads to our file, and sees to it that this stays
// so until the lock is dropped: whoever else removes or replaces the file asks for it
// before. Without it the name may lead to somebody's new segment by the time it is
// removed. ErrInUse when somebody is at it and does not end, being stopped, say.
func (s *segmentFile) takeName(path string) (ours bool, err error) {
	for range 1000 {
		if s.lock(unix.F_WRLCK, lockName) {
			return s.named(path), nil
		}
		time.Sleep(time.Millisecond)
	}
	return false, fmt.Errorf("%w: somebody else removes or resets %s", ErrInUse, path)
}

func (s *segmentFile) dropName() { s.lock(unix.F_UNLCK, lockName) }

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

// whole refuses a file with holes, as a copy by hand may have: touching one when
// the tmpfs is full ends a process.
func (k *segmentFile) whole() error {
	var st unix.Stat_t
	if err := unix.Fstat(int(k.f.Fd()), &st); err != nil {
		return err
	}
	if there := st.Blocks * 512; there < int64(len(k.m)) {
		return fmt.Errorf("%w: the file has holes: %d of %d bytes are there: reset the segment", ErrCorrupt, there, len(k.m))
	}
	return nil
}

// pidNamespace is ours, which cannot change; 0 when /proc does not say.
var pidNamespace = sync.OnceValue(func() uint64 {
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/pid", &st) != nil {
		return 0
	}
	return st.Ino
})
