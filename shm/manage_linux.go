//go:build linux && (amd64 || arm64)

package shm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	mmap "github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

// Inspect maps a segment of any program read-only. name is a segment's name, or
// a path when it has a slash. Its errors are those of Attach that concern the
// file; a segment of an earlier boot or another user is shown.
func Inspect(name string, o *Options) (*Image, error) {
	opt := o.filled()
	path := name
	if !strings.Contains(name, "/") {
		var err error
		if path, err = opt.path(name); err != nil {
			return nil, err
		}
	}
	file, err := openFile(path, mmap.RDONLY, opt.Mode)
	if err != nil {
		return nil, err
	}
	m := &Image{Path: path, file: file}
	m.c.mem = memory{file.m}
	if err := guard(m.c.mem, m.load); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.close())
	}
	return m, nil
}

func (m *Image) load() error {
	g, err := readGeometry(m.c.mem, [16]byte{})
	if err != nil {
		return err
	}
	if err := g.view(&m.c); err != nil {
		return err
	}
	m.c.findBoot()
	m.Size, m.Hash, m.objects = g.size, g.hash, g.objects
	m.State = segmentStates[m.c.head[headState].load(ptAttachRead)]
	m.Creator = int(m.c.head[headCreator].load(ptAttachRead))
	m.Created = int64(m.c.head[headCreated].load(ptAttachRead))
	return nil
}

// findBoot tells a segment of an earlier boot, whose times since boot mean nothing.
func (c *core) findBoot() {
	if boot, err := bootID(); err == nil {
		_, err := readGeometry(c.mem, boot)
		c.otherBoot = errors.Is(err, ErrBoot)
	}
}

// attended opens any program's segment for retiring it, and proves by the
// kernel that nobody is attached, unless forced. The name is looked at under the
// lock: whoever else removed or replaced the file had the lock before us, and the
// name may lead to a new segment that is in use.
func attended(path string, opt *Options, force bool) (*Segment, error) {
	for {
		file, err := openFile(path, mmap.RDWR, opt.Mode)
		if err != nil {
			return nil, err
		}
		if !file.lock(unix.F_WRLCK, lockAttached) && !force {
			return nil, errors.Join(fmt.Errorf("%w: %s", ErrInUse, path), file.close())
		}
		if ours, err := file.takeName(path); err != nil || !ours {
			if err := errors.Join(err, file.close()); err != nil {
				return nil, err
			}
			continue
		}
		s := newSegment(filepath.Base(path), path, file, opt)
		s.c.mem = memory{file.m}
		s.c.sleeper = newFutexSleeper()
		return s, nil
	}
}

// retire marks the segment so that every attached process lets go of it. What
// cannot be read as a segment cannot be attached either, and needs no mark.
func (s *Segment) retire() error {
	return guard(s.c.mem, func() error {
		g, err := readGeometry(s.c.mem, [16]byte{})
		if err == nil {
			err = g.view(&s.c)
		}
		if err != nil {
			return err
		}
		s.c.head[headState].store(ptRetireSegment, segmentRetired)
		s.c.wakeAll()
		return nil
	})
}

// Remove removes a segment of any program, and its side files. It refuses with
// ErrInUse while a process is attached; with force, the attached get ErrRetired.
// ErrNotExist when there is none, ErrNotSegment when it is something else. Killed in between: it is retired and still
// there, for the next Remove.
func Remove(name string, o *Options, force bool) error { return remove(name, o, force, false) }

// removeRetired is Remove for what a killed Remove or Reset has left. What is not
// retired stays: it has taken the name since the caller looked.
func removeRetired(name string, o *Options) error { return remove(name, o, false, true) }

func remove(name string, o *Options, force, onlyRetired bool) error {
	opt := o.filled()
	path, err := opt.path(name)
	if err != nil {
		return err
	}
	s, err := attended(path, &opt, force)
	if err != nil {
		return err
	}
	if onlyRetired && !s.isRetired() {
		return s.file.close()
	}
	// Force removes a segment that is corrupt, but never a file that is none.
	if err := s.retire(); err != nil && (!force || errors.Is(err, ErrNotSegment)) {
		return errors.Join(fmt.Errorf("%s: %w", path, err), s.file.close())
	}
	reach(ptRetired)
	return errors.Join(removeSideFiles(path, ""), removeFile(path), s.file.close())
}

func (s *Segment) isRetired() (yes bool) {
	_ = guard(s.c.mem, func() error {
		yes = s.c.mem.words(0, headSize/8)[headState].load(ptSegmentState) == segmentRetired
		return nil
	})
	return yes
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// sidePrefix is what the names of a segment's side files start with: new files
// of a reset that was killed, and what the application keeps beside it. A
// segment's own name cannot start with a dot.
func sidePrefix(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+",")
}

// SideFile is the path of a file that belongs to the segment: Remove and Reset
// remove it. what is up to 100 of A-Z a-z 0-9 . _ -.
func (s *Segment) SideFile(what string) (string, error) {
	if s.file == nil || !segmentName.MatchString(what) {
		return "", fmt.Errorf("%w: side file %q", ErrName, what)
	}
	return sidePrefix(s.path) + what, nil
}

// SideFiles returns the paths of all files that belong to a segment.
func SideFiles(path string) ([]string, error) {
	return filepath.Glob(strings.NewReplacer("[", "\\[", "*", "\\*", "?", "\\?").Replace(sidePrefix(path)) + "*")
}

// removeSideFiles removes all but one, or all.
func removeSideFiles(path, but string) error {
	side, err := SideFiles(path)
	for _, p := range side {
		if p != but {
			err = errors.Join(err, removeFile(p))
		}
	}
	return err
}

// List returns the names of all segments in the directory, those that cannot be
// opened included.
func List(o *Options) (names []string, err error) {
	opt := o.filled()
	entries, err := os.ReadDir(opt.Dir)
	if err != nil {
		return nil, fmt.Errorf("shm: list segments: %w", err)
	}
	for _, e := range entries {
		if !segmentName.MatchString(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		if isSegment(filepath.Join(opt.Dir, e.Name())) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// isSegment looks at the first word of a file.
func isSegment(path string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return errors.Is(err, fs.ErrPermission) // maybe one: shown, with its error
	}
	defer f.Close()
	var b [8]byte
	_, err = f.ReadAt(b[:], 0)
	var magic uint64
	for i, x := range b {
		magic |= uint64(x) << (8 * i)
	}
	return err == nil && magic == segmentMagic
}

// Remove retires the segment, removes its name and side files and closes this
// opening; others that are attached get ErrRetired.
func (s *Segment) Remove() error {
	if s.file != nil && !s.c.closed.Load() {
		if err := s.removeName(); err != nil {
			return err
		}
	}
	_ = s.c.guard(func() error { s.c.wakeAll(); return nil })
	return s.Close()
}

func (s *Segment) removeName() error {
	ours, err := s.file.takeName(s.path)
	if err != nil {
		return err
	}
	defer s.file.dropName()
	if !ours {
		return nil
	}
	err = s.c.guard(func() error {
		s.c.head[headState].store(ptRetireSegment, segmentRetired)
		return nil
	})
	if err := errors.Join(err, removeSideFiles(s.path, ""), removeFile(s.path)); !errors.Is(err, ErrSegmentFault) {
		return err
	}
	return nil
}
