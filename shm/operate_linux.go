//go:build linux && (amd64 || arm64)

package shm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	mmap "github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

// SweepSegment is Segment.Sweep for an operator who has not the program: it
// attaches by the segment's own description, sweeps, and leaves. It takes a
// registry slot meanwhile, so its own death is swept like any other.
//
// Where a function of the program tells which records are wanted (Arena.Anchored),
// new records of the dead are left as they are, and so are the slots of the dead
// as long as there are records that only the program can judge: its next process
// goes on. A
// stopped segment stays stopped. Errors are those of Attach that concern the
// file; ErrFull when no registry slot is free: then the next process that
// attaches recovers everything.
func SweepSegment(ctx context.Context, name string, o *Options) (r Report, err error) {
	opt := o.filled()
	path, err := opt.path(name)
	if err != nil {
		return r, err
	}
	file, err := openFile(path, mmap.RDWR, opt.Mode)
	if err != nil {
		return r, err
	}
	s := newSegment(name, path, file, &opt)
	s.c.mem = memory{file.m}
	s.c.sleeper = newFutexSleeper()
	s.c.foreign = true
	err = guard(s.c.mem, func() error {
		if err := s.attachForeign(); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		s.c.judgeAll(file)
		r = s.c.sweepAndFree()
		s.leaveForeign(ctx)
		return nil
	})
	s.c.sleeper.close()
	return r, errors.Join(err, file.close())
}

func (s *Segment) attachForeign() error {
	boot, err := bootID()
	if err != nil {
		return err
	}
	g, err := readGeometry(s.c.mem, boot)
	if err == nil {
		err = g.view(&s.c)
	}
	if err != nil {
		return err
	}
	for tries := 0; !s.file.lock(unix.F_RDLCK, lockAttached); tries++ {
		if tries == 1000 { // a reset or removal holds it
			return ErrInUse
		}
		time.Sleep(time.Millisecond)
	}
	if err := s.c.usable(); err != nil && !errors.Is(err, ErrStopped) {
		return err
	}
	if err := s.c.join(s.file); err != nil {
		return err
	}
	if !s.file.named(s.path) {
		s.c.leave(s.file)
		return ErrRetired
	}
	return nil
}

// leaveForeign leaves, after some patience with posts that found no place in
// their ring.
func (s *Segment) leaveForeign(ctx context.Context) {
	for tries := 0; s.c.backlogged() && tries < 1000 && ctx.Err() == nil; tries++ {
		time.Sleep(time.Millisecond)
		s.c.retryBacklog()
	}
	s.c.leave(s.file)
	s.c.members.ring()
}

// StopSegment is Segment.Stop for an operator: every attached process is told to
// end. It writes the one word that every attached process watches, and attaches
// to nothing. ErrUnused when no process is attached: there is nobody to tell,
// and the next one that attaches starts the application anyway.
func StopSegment(name string, o *Options) error {
	opt := o.filled()
	path, err := opt.path(name)
	if err != nil {
		return err
	}
	file, err := openFile(path, mmap.RDWR, opt.Mode)
	if err != nil {
		return err
	}
	s := newSegment(name, path, file, &opt)
	s.c.mem = memory{file.m}
	s.c.sleeper = newFutexSleeper()
	err = guard(s.c.mem, func() error {
		g, err := readGeometry(s.c.mem, [16]byte{})
		if err == nil {
			err = g.view(&s.c)
		}
		if err == nil && file.isFree(lockAttached) {
			err = ErrUnused
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		s.Stop()
		if err := s.c.usable(); !errors.Is(err, ErrStopped) {
			return fmt.Errorf("%s: %w", path, err)
		}
		return nil
	})
	s.c.sleeper.close()
	return errors.Join(err, file.close())
}

// KillProcess sends SIGKILL to an attached process, and waits for its end. p is
// an entry of Image.Processes. It takes a handle of the process first, and
// proves then that the handle is of the process in the registry: the slot is
// still alive in the same generation by the kernel's word, the process was
// started before it joined, and it maps the segment's file. ErrGone when one of
// these is not so, and nothing was done. Processes of another PID namespace
// cannot be named, and are refused.
func KillProcess(ctx context.Context, name string, p Process, o *Options) error {
	m, err := Inspect(name, o)
	if err != nil {
		return err
	}
	defer m.Close()
	if p.Namespace != pidNamespace() {
		return fmt.Errorf("shm: process %d is in another PID namespace: kill it from there", p.PID)
	}
	fd, err := unix.PidfdOpen(p.PID, unix.PIDFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("%w: no process %d: %w", ErrGone, p.PID, err)
	}
	handle := os.NewFile(uintptr(fd), "pidfd")
	defer handle.Close()
	if err := m.same(p); err != nil {
		return err
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil {
		return fmt.Errorf("shm: kill process %d: %w", p.PID, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = handle.SetReadDeadline(time.Now()) })
	defer stop()
	if err := waitReadable(handle); err != nil {
		return fmt.Errorf("shm: process %d was sent SIGKILL and has not ended yet: %w", p.PID, errors.Join(ctx.Err(), err))
	}
	return nil
}

// same tells whether p is still what the registry says.
func (m *Image) same(p Process) error {
	list, err := m.Processes()
	if err != nil {
		return err
	}
	alive := false
	for _, q := range list {
		alive = alive || q.Slot == p.Slot && q.Gen == p.Gen && q.PID == p.PID && q.State == "alive"
	}
	if !alive {
		return fmt.Errorf("%w: process %d is not attached in slot %d any more", ErrGone, p.PID, p.Slot)
	}
	started, err := startedAt(p.PID)
	if err != nil {
		return fmt.Errorf("%w: process %d: %w", ErrGone, p.PID, err)
	}
	if started > p.Joined+time.Second/clockTicks {
		return fmt.Errorf("%w: process %d was started after the one in slot %d joined", ErrGone, p.PID, p.Slot)
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", p.PID))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %w", ErrGone, err)
		}
		return err
	}
	// The device too: inode numbers of other file systems are other files.
	if !strings.Contains(string(maps), fmt.Sprintf(" %02x:%02x %d ", unix.Major(m.file.dev), unix.Minor(m.file.dev), m.file.ino)) {
		return fmt.Errorf("%w: process %d does not map %s", ErrGone, p.PID, filepath.Base(m.Path))
	}
	return nil
}

const clockTicks = 100 // a second, in /proc/PID/stat; USER_HZ of both systems

// startedAt is when a process was started, since boot.
func startedAt(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	text := string(b)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:]) // a name may hold anything
	if len(fields) < 20 {
		return 0, fmt.Errorf("shm: /proc/%d/stat: %q", pid, b)
	}
	ticks, err := strconv.ParseInt(fields[19], 10, 64)
	return time.Duration(ticks) * (time.Second / clockTicks), err
}

// Current reports whether the segment's path still leads to this file: false
// when it was removed or replaced.
func (m *Image) Current() bool { return m.file.named(m.Path) }
