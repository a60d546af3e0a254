//go:build crashpoint && !tinywidth

package stop

import (
	"testing"

	"github.com/aotf/sharedmem/proof/mutant"
)

// Each mutant lacks one protection, or breaks what one of the oracles is about:
// that nobody takes many steps, that nobody sleeps, that what waits is found, that
// the stopped keep what they have.
func TestMutants(t *testing.T) {
	mutant.Test(t, "crashpoint",
		mutant.Mutant{
			Name: "a Free clears before its claim is proved", File: "shm/records.go",
			Old: "	if err := c.move(ptRetireOwn", New: "	if MUTANT {\n		clear(asPlain(a.rec(c.i)))\n	}\n	if err := c.move(ptRetireOwn",
			Run: "TestLate_Free$", Want: "next owner's record is touched",
		},
		mutant.Mutant{
			Name: "an Insert returns a record that was freed", File: "shm/lookup.go",
			Old: "				continue // it left the index after we read the entry\n", New: "				if MUTANT {\n					return r, nil\n				}\n				continue\n",
			Run: "TestLate_Insert", Want: "want",
		},
		mutant.Mutant{
			Name: "an Insert returns a record that is retiring", File: "shm/lookup.go",
			Old: "			if h.state() != Retiring {", New: "			if MUTANT || h.state() != Retiring {",
			Run: "TestLate_Insert", Want: "want",
		},
		mutant.Mutant{
			Name: "a charge counts on a record that was freed", File: "objects/address.go",
			Old: "return err == nil // freed since", New: "return err == nil || MUTANT // freed since",
			Run: "TestLate_Charge", Want: "unfinished, want",
		},
		mutant.Mutant{
			Name: "the living are judged dead while they have a lock", File: "shm/process.go",
			Old: "slotState(v) != slotAlive || k == nil || !k.lifeFree(i):", New: "slotState(v) != slotAlive || k == nil || !MUTANT && !k.lifeFree(i):",
			Run: "TestStop_LockHolder", Want: "FAIL: TestStop_LockHolder/goes_on",
		},
		mutant.Mutant{
			Name: "a sweep takes from the living", File: "shm/process.go",
			Old: "	return slotState(c.slot(uint32(owner) - 1)[slotWord].load(ptOwnerGone)) != slotAlive", New: "	return MUTANT && owner != c.self || slotState(c.slot(uint32(owner) - 1)[slotWord].load(ptOwnerGone)) != slotAlive",
			Run: "TestStop/operations/^op=put$", Want: "swept while nobody was dead",
		},
		mutant.Mutant{
			Name: "a put waits until the tail was moved for it", File: "shm/ring.go",
			Old: "			q.tail.cas(ptRingTailMove, t, t+1) // the tail lags\n", New: "			if !MUTANT {\n				q.tail.cas(ptRingTailMove, t, t+1)\n			}\n",
			Run: "TestStop/operations/^op=put$", Want: "accesses, at ring.",
		},
		mutant.Mutant{
			Name: "who finds no permit waits for one", File: "shm/semaphore.go",
			Old: "	return Permit{}, s.held\n",
			New: "	if MUTANT {\n		soon, cancel := context.WithTimeout(context.Background(), 1<<26)\n		defer cancel()\n		_ = s.freed.Wait(soon, func() (bool, error) { return false, nil })\n	}\n	return Permit{}, s.held\n",
			Run: "TestStop/operations/^op=acquire$", Want: "acquire: sleeps",
		},
		mutant.Mutant{
			Name: "a get gives up where another has the record and has not moved the head", File: "shm/ring.go",
			Old: "			q.arena.room.Signal() // past a slot whose record was taken: a Put may wait for it\n",
			New: "			q.arena.room.Signal()\n			if MUTANT && h.state() == Owned && h.owner() != q.arena.c.self {\n				return claim{}, ErrEmpty\n			}\n",
			Run: "TestStop/operations/^op=get$", Want: "waits for its poster, stopped at claim",
		},
		mutant.Mutant{
			Name: "nobody looks once a slice", File: "shm/watch_linux.go",
			Old: "				s.c.sleeper.pulse()\n			}\n", New: "				if !MUTANT {\n					s.c.sleeper.pulse()\n				}\n			}\n",
			Run: "TestStop_Waker/event.bump/continued", Want: "the sleeper was never woken",
		},
	)
}
