package shm

import (
	"context"
	"runtime"
	"sync/atomic"
)

// An Event lets goroutines of all processes wait until something they look for
// has come true. It is an event count on one futex word,
//
//	bits 1..31  sequence, bumped by a signal that found waiters
//	bit  0      somebody announced that he may sleep
//
// and it carries no data: a signal is a hint, and whoever wakes looks again.
// The order on both sides is what makes it safe, and a model checker finds the
// lost wake-up when either is turned round:
//
//	waiter    announce (set bit 0), look again, sleep while the word is unchanged
//	signaller publish, then read the word; if bit 0: bump, clear the bit, wake all
//
// Killed between publishing and waking: the sweep of that death bumps and wakes
// every event. A waiter killed after announcing costs one needless wake-up.
// Several rings and bags may share one Event; then one Wait looks at them all.
// Its zero value is ready for Define. Source: event counts of Reed and Kanodia;
// the futex form is the usual one.
type Event struct {
	// Background says that who waits here is in no hurry, a process's mailbox, say: the
	// registry does not show it, in place of what the process really waits for.
	Background bool

	obj  Object
	c    *core
	w    *word32
	id   int           // place in the core's list; published while a goroutine waits
	luck *atomic.Int32 // of those who spin in this process
	// patient is an event whose waiters do not spin: each of their looks is long.
	patient bool
}

// Define adds the event to a layout. It takes 128 bytes of the segment.
func (e *Event) Define(l *Layout, name string) {
	e.obj = Object{Name: name, Kind: KindEvent}
	l.add(e)
}

func (e *Event) object() *Object { return &e.obj }
func (e *Event) size() uint64    { return hotLine }
func (e *Event) bind(c *core) error {
	e.attach(c, e.obj.Offset)
	return nil
}

func (e *Event) attach(c *core, off uint64) {
	e.c, e.w, e.id, e.luck = c, c.mem.word32(off), len(c.events), new(atomic.Int32)
	c.events = append(c.events, e)
}

// Signal wakes everybody who waits on the event. Call it after what they wait
// for has been published. It does not block; without waiters it is one load.
// Any process may call it, owner of anything or not.
func (e *Event) Signal() {
	if e.w.load(ptEventRead)&1 != 0 { // pairs with the CAS in announce
		e.signal()
	}
}

func (e *Event) signal() {
	if bump(e.w) {
		e.c.sleeper.wake(e.w)
	}
}

// bump moves the word of an event on if somebody has announced that he may sleep.
// If nobody has, whoever is about to sleep has announced before, and the word has
// moved on since.
func bump(w *word32) bool {
	for {
		v := w.load(ptEventRead)
		if v&1 == 0 {
			return false
		}
		if w.cas(ptEventBump, v, (v+2)&^1) {
			return true
		}
	}
}

// ring bumps the event whether somebody announced or not, for sweeps and stops:
// what they changed may concern a waiter that is about to announce.
func (e *Event) ring() {
	for {
		v := e.w.load(ptEventRead)
		if e.w.cas(ptEventBump, v, (v+2)&^1) {
			e.c.sleeper.wake(e.w)
			return
		}
	}
}

func (e *Event) announce() uint32 {
	for {
		v := e.w.load(ptEventRead)
		if v&1 != 0 {
			return v
		}
		if e.w.cas(ptEventAnnounce, v, v|1) { // pairs with the load in Signal
			return v | 1
		}
	}
}

// spinTries is how often Wait looks before it announces itself. A look is tens
// of nanoseconds, a sleep and its wake-up several microseconds. Who has spun in
// vain, because what he waits for takes longer or needs this very processor, does
// without the next spinRests times.
const (
	spinTries = 30
	spinRests = 15
	spinLuck  = 4 // so many failures are forgiven after a success
)

// spin looks again and again, if it may pay.
func (e *Event) spin(try func() (bool, error)) (done bool, err error) {
	if runtime.NumCPU() == 1 || e.patient || e.luck.Load() < 0 && e.luck.Add(1) < 0 {
		return false, nil
	}
	for range spinTries {
		if done, err = try(); done || err != nil {
			e.luck.Store(spinLuck)
			return done, err
		}
	}
	if e.luck.Add(-1) < 0 {
		e.luck.Store(-spinRests)
	}
	return false, nil
}

// Wait calls try until it returns true or an error, and sleeps in between. It
// returns try's error, the context's, ErrStopped or ErrRetired when the segment
// ends, ErrClosed when this process closes it, ErrSegmentFault when its file
// was truncated. try runs on the calling goroutine, must not block, and may be
// called any number of times. Thousands of goroutines may wait at once: beyond
// a few, they share one thread. Killed while waiting: nothing remains.
func (e *Event) Wait(ctx context.Context, try func() (bool, error)) error {
	return e.waitInTurn(ctx, nil, try)
}

// A turnstile lets one goroutine of a process wait at a time, in the order of
// arrival: of those who want the same thing and take whatever comes first. The
// others cost no thread, and a wake-up wakes one of them, not all. Who has had
// its turn passes it on, served or not, and the next one looks by itself.
type turnstile chan struct{}

func newTurnstile() turnstile { return make(turnstile, 1) }

func (t turnstile) enter(ctx context.Context) error {
	select { // without a choice it is much faster
	case t <- struct{}{}:
		return nil
	default:
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turnstile) leave() { <-t }

// waitInTurn is Wait for callers of whom any may be served first; nil is no turnstile.
func (e *Event) waitInTurn(ctx context.Context, turn turnstile, try func() (bool, error)) error {
	// Before the first look: who takes work in a loop is to end when told to, not
	// when there is no work left.
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.c.guard(e.c.usable); err != nil {
		return err
	}
	if done, err := try(); done || err != nil {
		return err
	}
	e.c.inside.Add(1)
	defer e.c.inside.Add(-1)
	if turn != nil {
		if err := turn.enter(ctx); err != nil {
			return err
		}
		defer turn.leave()
	}
	return e.c.guard(func() error { return e.waitSlow(ctx, !e.Background, try) })
}

// waitGuarded is Wait without its first, unguarded look, for housekeeping.
func (e *Event) waitGuarded(ctx context.Context, try func() (bool, error)) error {
	return e.c.guard(func() error { return e.waitSlow(ctx, false, try) })
}

func (e *Event) waitSlow(ctx context.Context, publish bool, try func() (bool, error)) (err error) {
	idle := !publish // housekeeping is in no hurry
	slept, done := false, false
	for {
		if err = ctx.Err(); err != nil {
			return err
		}
		if err = e.c.usable(); err != nil {
			return err
		}
		// Before announcing anything: who finds what he was woken for leaves no bit
		// behind, which would cost the next signal a system call.
		if slept {
			done, err = try()
		} else {
			done, err = e.spin(try) // the caller has just looked once
		}
		if done || err != nil {
			return err
		}
		v := e.announce()
		if err := e.c.usable(); err != nil { // looked at after announcing, as try is
			return err
		}
		if done, err := try(); done || err != nil {
			return err
		}
		if publish { // housekeeping is no news
			e.c.publishWait(e.id)
		}
		idle, slept = e.c.sleeper.sleep(ctx, e.w, v, idle) || !publish, true
		if publish {
			e.c.publishWait(-1)
		}
	}
}
