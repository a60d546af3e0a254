package shm

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// core is one opening of a segment: what every object of it needs. What it
// holds is this process's own, except for the views of shared words.
type core struct {
	mem       memory
	head      []word // the first page; see format.go
	slots     []word // the registry
	nslots    uint32
	self      uint16                // our registry slot + 1; 0 for a read-only opening
	gen       uint32                // our generation of that slot
	seed      uint64                // of this segment's key hashes
	lost      atomic.Pointer[error] // why this opening can go on no longer: name or memory gone
	adopting  bool                  // joining a dead process's slot; see adopt
	otherBoot bool                  // of an earlier boot: its times since boot mean nothing
	foreign   bool                  // bound without the program; see SweepSegment

	objects []object
	arenas  [maxArenas + 1]*arena
	lanes   [maxQueues + 1]*lane
	events  []*Event
	sems    []*Semaphore
	members Event // somebody joined or left

	sleeper sleeper
	closed  atomic.Bool
	log     *slog.Logger

	mu      sync.Mutex
	backlog []post // posts of a sweep that met a full ring; retried
	_       [hotLine]byte
	inside  atomic.Int64 // blocking calls under way
}

// post is a record whose header says posted by us and that still needs a place
// in its queue.
type post struct {
	lane *lane
	i    uint32
	h    header
}

// usable tells why blocking calls must end, or nil.
func (c *core) usable() error {
	if c.closed.Load() {
		return ErrClosed
	}
	if err := c.lost.Load(); err != nil {
		return *err
	}
	switch state := c.head[headState].load(ptSegmentState); state {
	case segmentOpen:
		return nil
	case segmentStopped:
		return ErrStopped
	case segmentRetired:
		return ErrRetired
	default:
		return &CorruptError{"header", "state", state, segmentRetired}
	}
}

func (c *core) bindObject(o object) error {
	c.objects = append(c.objects, o)
	if err := o.bind(c); err != nil {
		return fmt.Errorf("%s: %w", o.object().Name, err)
	}
	return nil
}

// wakeAll bumps and wakes every event of the segment.
func (c *core) wakeAll() {
	for _, e := range c.events {
		e.ring()
	}
}

// guard turns the fault of a truncated file into ErrSegmentFault. It costs too
// much for the fast paths, which a fault therefore ends with SIGBUS.
func (c *core) guard(f func() error) (err error) {
	return guard(c.mem, f)
}

func guard(m memory, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch p := recover().(type) {
		case nil:
		case runtime.Error:
			var fault interface{ Addr() uintptr }
			if errors.As(p, &fault) && m.contains(fault.Addr()) {
				err = fmt.Errorf("%w (address %#x)", ErrSegmentFault, fault.Addr())
				return
			}
			panic(p)
		default:
			panic(p)
		}
	}()
	return f()
}
