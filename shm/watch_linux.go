//go:build linux && (amd64 || arm64)

package shm

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The death watch. The verdict is always the kernel's (judge); what lies here is
// only how soon somebody asks. Each process holds pidfds of its next few live
// neighbours in the registry, in Go's netpoller: readable well under a
// millisecond after a SIGKILL, no thread, no wake-ups. A neighbour in another
// PID namespace cannot be watched so, and is asked for every pollForeign. Once
// in a slice everybody is asked for.
const (
	neighbours  = 3
	pollForeign = 20 * time.Millisecond
)

type watched struct {
	slot uint32
	gen  uint32
}

func (s *Segment) watch(ctx context.Context) {
	held := map[watched]context.CancelFunc{}
	changed := make(chan struct{}, 1)
	changed <- struct{}{} // to choose the first neighbours
	s.watchers.Go(func() { s.watchMembers(ctx, changed) })
	// One timer for everything, not a new one each time: an idle process is to
	// wake once a slice.
	turn := time.NewTicker(slice)
	defer turn.Stop()
	foreign, gone := false, false
	last := time.Now()
	for ctx.Err() == nil {
		round := false
		select {
		case <-ctx.Done():
			continue
		case <-changed:
		case <-turn.C:
			round = true
			if !foreign || time.Since(last) >= slice {
				last = time.Now()
				s.c.sleeper.pulse()
			}
		}
		if gone { // we only wake those who do not know it yet
			continue
		}
		was := foreign
		err := s.c.guard(func() error {
			foreign = s.watchNeighbours(ctx, held)
			if round {
				s.lookAround(ctx)
			}
			return nil
		})
		if foreign != was {
			turn.Reset(map[bool]time.Duration{false: slice, true: pollForeign}[foreign])
		}
		if err != nil {
			s.c.log.Error("the segment's memory is gone", "error", err)
			s.c.lost.CompareAndSwap(nil, &err)
			gone = true
			s.c.sleeper.pulse()
		}
	}
	for _, cancel := range held {
		cancel()
	}
}

// watchMembers tells when processes joined or left.
func (s *Segment) watchMembers(ctx context.Context, changed chan<- struct{}) {
	seen := uint32(0)
	for ctx.Err() == nil {
		err := s.c.members.waitGuarded(ctx, func() (bool, error) {
			v := s.c.members.w.load(ptEventRead) | 1
			news := v != seen
			seen = v
			return news, nil
		})
		select {
		case changed <- struct{}{}:
		default:
		}
		if err != nil { // stopped, retired or gone: the dead are still looked for each slice
			return
		}
	}
}

// lookAround is the slow safety net: all slots, the backlog, our name.
func (s *Segment) lookAround(ctx context.Context) {
	s.c.retryBacklog()
	if s.c.judgeAll(s.file) {
		s.recoverDead(ctx, "found")
	}
	if !s.file.named(s.path) && s.c.lost.CompareAndSwap(nil, &ErrRetired) {
		s.c.log.Warn("the segment's name is gone: removed by hand, or by a cleaner of the directory", "path", s.path)
		s.c.wakeLocal()
	}
}

func (s *Segment) recoverDead(ctx context.Context, how string) {
	started := time.Now()
	if r := s.sweepTurn(ctx); !r.nothing() {
		s.c.log.Info("recovered", "how", how, "report", r, "took", time.Since(started))
	}
}

// watchNeighbours keeps a watcher on each of the next live slots after ours. It
// returns whether one of them can only be polled.
func (s *Segment) watchNeighbours(ctx context.Context, held map[watched]context.CancelFunc) (foreign bool) {
	want := map[watched]bool{}
	ns := pidNamespace()
	for k := uint32(1); k < s.c.nslots && len(want) < neighbours; k++ {
		i := (uint32(s.c.self) - 1 + k) % s.c.nslots
		v := s.c.slot(i)[slotWord].load(ptWatch)
		if slotState(v) == slotFree {
			continue
		}
		n := watched{i, slotGen(v)}
		want[n] = true
		if held[n] != nil {
			continue
		}
		if s.c.slot(i)[slotPIDNS].load(ptWatch) != ns {
			foreign = true
			continue
		}
		turn, cancel := context.WithCancel(ctx)
		held[n] = cancel
		pid := int(s.c.slot(i)[slotPID].load(ptWatch))
		s.watchers.Go(func() { s.watchOne(turn, n, pid) })
	}
	for n, cancel := range held {
		if !want[n] {
			cancel()
			delete(held, n)
		}
	}
	return foreign
}

// watchOne waits for the end of one process, and recovers what it left.
func (s *Segment) watchOne(ctx context.Context, n watched, pid int) {
	if pid == os.Getpid() {
		return // another opening of this very process dies with us
	}
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err == nil {
		f := os.NewFile(uintptr(fd), "pidfd")
		stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Now()) })
		// Opened before the slot is read again: if the slot is still the same,
		// the pidfd is of its process, or of nobody's who matters.
		if err = waitReadable(f); err != nil && ctx.Err() == nil {
			s.c.log.Debug("death watch of a neighbour", "pid", pid, "error", err) // judged anyway
		}
		stop()
		_ = f.Close()
	}
	if ctx.Err() != nil {
		return
	}
	// The process has ended, or its id is unknown: it ended before. Its lock may
	// need a moment more; the verdict waits for it.
	for range 200 {
		dead := false
		err := s.c.guard(func() error {
			v := s.c.slot(n.slot)[slotWord].load(ptWatch)
			dead = slotGen(v) != n.gen || slotState(v) == slotFree || s.c.judge(s.file, n.slot)
			return nil
		})
		if err != nil {
			return
		}
		if dead {
			_ = s.c.guard(func() error {
				s.recoverDead(ctx, "watched")
				s.c.members.ring() // the others choose their neighbours again
				return nil
			})
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Millisecond):
		}
	}
	if err == nil {
		s.c.log.Warn("a process has ended, and something holds its lock: a child it forked without exec? What it owned waits for that",
			"slot", n.slot, "pid", pid)
	}
}

func waitReadable(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(func(fd uintptr) bool {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, 0)
		return err == nil && n > 0
	})
}
