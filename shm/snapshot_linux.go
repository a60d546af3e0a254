//go:build linux && (amd64 || arm64)

package shm

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	mmap "github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

// Snapshot copies a segment of any program to a file: byte for byte, so that
// Inspect reads it like the segment (give it a path with a slash), and Restore
// makes a segment of it again, also after a reboot or with another layout. Side
// files are copied beside the file.
//
// It refuses with ErrInUse while a process is attached, and keeps others from
// attaching while it copies: then the copy is the segment. With force it copies
// a segment in use until two passes find the same words, 20 times at most, and
// says in Consistent whether they did. Even then what the processes have claimed
// counts as claimed by the dead: they go on with it, and Restore hands it out
// once more.
//
// The file is complete when it gets its name; one of that name is not replaced
// (fs.ErrExist). It has the segment's owner, group and mode, as far as this process
// may give them: otherwise it is the process's own. Killed in between: FILE.part with a
// number may remain, and copies of side files beside a FILE that does not exist; the
// next Snapshot to FILE writes those anew. It blocks for as long as the copying takes.
func Snapshot(name, file string, o *Options, force bool) (r SnapshotReport, err error) {
	opt := o.filled()
	path, err := opt.path(name)
	if err != nil {
		return r, err
	}
	if _, err := os.Lstat(file); err == nil {
		return r, &fs.PathError{Op: "snapshot to", Path: file, Err: fs.ErrExist}
	}
	s, err := attended(path, &opt, force)
	if err != nil {
		return r, err
	}
	r = SnapshotReport{Path: path, File: file}
	err = guard(s.c.mem, func() error { return s.snapshot(&r) })
	return r, errors.Join(err, s.file.close())
}

func (s *Segment) snapshot(r *SnapshotReport) error {
	g, err := readGeometry(s.c.mem, [16]byte{})
	if err == nil {
		err = g.view(&s.c)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	r.Size = g.size
	for _, p := range s.c.processes() {
		if p.State == "alive" && s.file.alive(uint32(p.Slot)) {
			r.Attached = append(r.Attached, p)
		}
	}
	owner, err := ownershipOf(s.file.f)
	if err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(r.File), filepath.Base(r.File)+".part")
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) { // its name says nothing to the user
		return &fs.PathError{Op: "snapshot to", Path: r.File, Err: pathErr.Err}
	}
	if err != nil {
		return err
	}
	defer os.Remove(part.Name()) // when it did not get its name
	defer part.Close()
	if err := s.copySteady(part, r); err != nil {
		return err
	}
	side, err := copySide(s.path, r.File)
	if err != nil {
		return err
	}
	r.SideFiles = side
	if _, err := owner.giveMost(part); err != nil {
		return err
	}
	if err := part.Sync(); err != nil {
		return err
	}
	err = unix.Renameat2(unix.AT_FDCWD, part.Name(), unix.AT_FDCWD, r.File, unix.RENAME_NOREPLACE)
	if err != nil {
		return &fs.PathError{Op: "name snapshot", Path: r.File, Err: err}
	}
	return syncDir(filepath.Dir(r.File))
}

const mostPasses = 20

// copySteady writes the segment, read again and again while somebody changes it.
// Two passes that read the same have met the instant between them, since words
// that decide do not come back to an old value.
func (s *Segment) copySteady(part *os.File, r *SnapshotReport) error {
	words := s.c.mem.words(0, uint64(len(s.c.mem.b)/8))
	var before []uint64
	now := make([]uint64, len(words))
	for r.Passes = 1; ; r.Passes++ {
		quiet := s.file.lock(unix.F_WRLCK, lockAttached) // nobody is attached, or can be
		copyWords(now, words)
		for i := range int(s.c.nslots) { // what a process waits for is no content
			now[(headSize+i*slotSize)/8+slotWaiting] = 0
		}
		r.Consistent = quiet || slices.Equal(before, now)
		if r.Consistent || r.Passes == mostPasses {
			_, err := part.Write(asBytes(now))
			return err
		}
		if before == nil {
			before = make([]uint64, len(now))
		}
		before, now = now, before
		time.Sleep(time.Millisecond)
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

// copySide copies the side files of one path to another, with their owners, and
// returns how many.
func copySide(from, to string) (n int, err error) {
	list, err := SideFiles(from)
	if err != nil {
		return 0, err
	}
	for _, p := range list {
		what := strings.TrimPrefix(p, sidePrefix(from))
		if strings.HasPrefix(what, resetSide) { // of a reset that was killed
			continue
		}
		if err := copyFile(p, sidePrefix(to)+what); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func copyFile(from, to string) error {
	src, err := os.OpenFile(from, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) { // its program removed it meanwhile
			return nil
		}
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	if o, e := ownershipOf(src); err == nil && e == nil {
		_, err = o.giveMost(dst)
	}
	return errors.Join(err, dst.Sync(), dst.Close())
}

// openSnapshot maps a snapshot copy-on-write, and brings it into the state that
// a sweep leaves when all processes have died.
func openSnapshot(path string) (*snapshot, error) {
	file, err := openFile(path, mmap.COPY, 0)
	if err != nil {
		return nil, err
	}
	s := &snapshot{path: path, file: file}
	if err := guard(memory{file.m}, s.load); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.close())
	}
	return s, nil
}

func (s *snapshot) load() error {
	s.c.mem = memory{s.file.m}
	s.c.sleeper = newLocalSleeper()
	s.c.foreign = true
	g, err := readGeometry(s.c.mem, [16]byte{})
	if err == nil {
		err = g.view(&s.c)
	}
	if err != nil {
		return err
	}
	s.g = g
	s.c.findBoot()
	for i := range s.c.nslots {
		w := &s.c.slot(i)[slotWord]
		if v := w.load(ptAttachRead); slotState(v) == slotAlive {
			w.store(ptInit, slotValue(slotGen(v), slotDead))
		}
	}
	s.c.self = 1 // dead too: what the sweep takes over, it finishes
	s.swept = s.c.sweep()
	return s.c.sound("nothing was restored")
}

// sound is an error when something is corrupt.
func (c *core) sound(consequence string) error {
	v := verifier{c: c, alive: func(uint32) bool { return false }}
	v.run()
	for _, f := range v.found {
		if f.Severity == Corrupt {
			return fmt.Errorf("%w: %s: %s: %s", ErrCorrupt, f.Object, f.What, consequence)
		}
	}
	return nil
}
