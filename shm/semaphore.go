package shm

import (
	"context"
	"fmt"
)

const maxPermits = 4096

// A Semaphore has a fixed number of permits, each held by a process. A dead
// owner's permit comes back by the sweep, and its next holder is told. The zero
// value is ready for Define.
//
// A permit is one word, {died:1, slot+1:10, generation:21, sequence:32}, 0 when
// it is free; the number of free permits is counted, not stored, so that no two
// words can disagree. The sequence makes a second or late Release fail instead
// of freeing a permit that somebody else has by now.
type Semaphore struct {
	obj   Object
	c     *core
	freed Event
	turn  turnstile
	held  error // that all permits are
	cells []word
}

// Define adds the semaphore to a layout, with n permits unless Options.Capacity
// says otherwise; n is at most 4,096.
func (s *Semaphore) Define(l *Layout, name string, n int) {
	*s = Semaphore{obj: Object{Name: name, Kind: KindSemaphore, Capacity: n}}
	l.add(s)
}

func (s *Semaphore) object() *Object { return &s.obj }
func (s *Semaphore) size() uint64    { return hotLine + uint64(s.obj.Capacity)*8 }

func (s *Semaphore) bind(c *core) error {
	s.c = c
	s.turn = newTurnstile()
	s.held = fmt.Errorf("%w: semaphore %s: all %d permits are held", ErrEmpty, s.obj.Name, s.obj.Capacity)
	s.freed.attach(c, s.obj.Offset)
	s.cells = c.mem.words(s.obj.Offset+hotLine, uint64(s.obj.Capacity))
	c.sems = append(c.sems, s)
	return nil
}

const (
	cellDied    = 1 << 63
	cellSlot    = 53
	cellGen     = 32
	cellGenMask = 1<<21 - 1
)

func cellOwner(v uint64) (slot uint16, gen uint32) {
	return uint16(v>>cellSlot) & maxSlots, uint32(v>>cellGen) & cellGenMask
}

// A Permit is the right that Acquire gave. It is a value; Release spends it.
type Permit struct {
	s    *Semaphore
	cell int
	v    uint64
}

// TryAcquire takes a permit, or returns ErrEmpty. It does not block. One CAS
// takes it, with its owner in the same word: killed before or after, there is
// no instant at which it is taken and nobody's.
func (s *Semaphore) TryAcquire() (Permit, error) {
	if s.c.closed.Load() {
		return Permit{}, ErrClosed
	}
	for i := range s.cells {
		w := &s.cells[i]
		v := w.load(ptSemLook)
		if slot, _ := cellOwner(v); slot != 0 {
			continue
		}
		// A free cell keeps its sequence, and the mark of a dead holder until
		// one of its successors has released it in good order.
		mine := v&cellDied | uint64(s.c.self)<<cellSlot | uint64(s.c.gen&cellGenMask)<<cellGen | uint64(uint32(v)+1)
		if w.cas(ptSemTake, v, mine) {
			if s.c.closed.Load() {
				w.cas(ptSemGive, mine, givenBack(mine)) // nobody was told of a death
				return Permit{}, ErrClosed
			}
			return Permit{s, i, mine}, nil
		}
	}
	return Permit{}, s.held
}

// Acquire is TryAcquire that waits. A stopped holder is waited for, until the
// context ends; it is never robbed.
func (s *Semaphore) Acquire(ctx context.Context) (p Permit, err error) {
	err = s.freed.waitInTurn(ctx, s.turn, func() (bool, error) {
		p, err = s.TryAcquire()
		return wanted(err, ErrEmpty)
	})
	return p, err
}

// Recovered reports whether an earlier holder of the permit died with it, and
// none has released it in good order since: what it protects may need repair.
func (p Permit) Recovered() bool { return p.v&cellDied != 0 }

// Release gives the permit back. ErrStale when it was released already.
func (p Permit) Release() error {
	if p.s == nil {
		return ErrStale
	}
	if !p.s.cells[p.cell].cas(ptSemGive, p.v, uint64(uint32(p.v))) {
		return fmt.Errorf("%w: %s", ErrStale, p.s.obj.Name)
	}
	p.s.freed.Signal()
	return nil
}

// Free counts the free permits.
func (s *Semaphore) Free() (n int) {
	for i := range s.cells {
		if slot, _ := cellOwner(s.cells[i].load(ptSemLook)); slot == 0 {
			n++
		}
	}
	return n
}

// givenBack is the word of a permit whose holder lets it go without having said
// that all is in order: a mark of a death stays.
func givenBack(v uint64) uint64 { return v&cellDied | uint64(uint32(v)) }

// giveBackAll frees the permits of this process, at Close.
func (s *Semaphore) giveBackAll() {
	for i := range s.cells {
		v := s.cells[i].load(ptSemSweep)
		if owner, g := cellOwner(v); owner == s.c.self && g == s.c.gen&cellGenMask {
			s.cells[i].cas(ptSemSweep, v, givenBack(v))
		}
	}
}

// sweep frees the permits whose process does not live, and marks them. The cell
// names slot and generation, so it is judged by itself: read it, then its slot's
// word, and if that is not alive in the same generation, replace exactly the word
// that was read.
func (s *Semaphore) sweep() (n int) {
	for i := range s.cells {
		v := s.cells[i].load(ptSemSweep)
		if owner, g := cellOwner(v); owner != 0 && !s.c.lives(owner, g) &&
			s.cells[i].cas(ptSemSweep, v, cellDied|uint64(uint32(v))) {
			n++
		}
	}
	return n
}

// A Mutex is a semaphore with one permit. The zero value is ready for Define.
type Mutex struct{ s Semaphore }

// Define adds the mutex to a layout.
func (m *Mutex) Define(l *Layout, name string) {
	m.s = Semaphore{obj: Object{Name: name, Kind: KindSemaphore, Capacity: 1}}
	l.add(&m.s)
}

// Lock waits for the mutex; Release of the permit unlocks it. When
// Permit.Recovered is true, its last holder died inside.
func (m *Mutex) Lock(ctx context.Context) (Permit, error) { return m.s.Acquire(ctx) }

// TryLock is Lock that does not wait: ErrEmpty when it is held.
func (m *Mutex) TryLock() (Permit, error) { return m.s.TryAcquire() }
