package shm

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// The registry has a slot for each attached process (for each opening, when a
// process opens a segment twice). Its word is {generation:32, state:8}:
//
//	free(g)   nobody's; owns nothing
//	alive(g)  a process that holds the lock on the slot's life byte
//	dead(g)   its process died; what it owned is being swept; then free(g+1)
//
// Alive is what the kernel says: a lock on a byte of the segment's file, held
// through the open file description that is also mapped, so it goes when the
// last of both goes, which for a killed process is before anybody can see that
// it ended. No process id decides anything. Joining takes the registration byte,
// looks again, takes the life byte, writes alive, and drops the first: a joiner
// stopped anywhere in between cannot hide the death of the slot's last owner,
// because it does not touch the life byte of a slot that is not free. Leaving
// gives everything back, writes free, and drops the lock last: unlocked first, a
// clean leaver would look dead. A process never judges its own slot, because its
// own lock never refuses itself. (Corrections 1 to 3 of the model-checked
// registry; the mutants fail.)
const (
	slotWord    = 0 // generation and state; written by joiner, judge, sweeper
	slotPID     = 1 // the rest is written by the joiner, for people and tools
	slotPIDNS   = 2
	slotJoined  = 3 // nanoseconds since boot
	slotWaiting = 4 // event it waits for + 1; written by the process, a hint
	slotNoticed = 5 // when the last death on this slot was judged; by the judge
	slotSwept   = 6 // and when its sweep had ended; by the sweeper
	slotUID     = 7
	slotName    = 8 // program name, 64 bytes
	slotWords   = 32
	slotSize    = slotWords * 8

	slotFree  = 0
	slotAlive = 1
	slotDead  = 2
)

func slotValue(gen uint32, state uint64) uint64 { return uint64(gen)<<8 | state }
func slotState(v uint64) uint64                 { return v & 0xff }
func slotGen(v uint64) uint32                   { return uint32(v >> 8) }

func (c *core) slot(i uint32) []word { return c.slots[i*slotWords : (i+1)*slotWords] }

// join takes a slot. Nothing may be owned before it.
func (c *core) join(k *segmentFile) error {
	for i := range c.nslots {
		if c.joinSlot(k, i, slotFree) {
			return nil
		}
	}
	// No free slot. A dead one will do, if we put back first what its process
	// left: after a crash of everybody, nobody else is there to do it.
	if k != nil && !c.foreign && c.judgeAll(k) {
		for i := range c.nslots {
			if c.joinSlot(k, i, slotDead) {
				c.adopt()
				return nil
			}
		}
	}
	return fmt.Errorf("%w: %d processes are attached: raise Options.Capacity[%q]", ErrFull, c.nslots, capProcesses)
}

// joinSlot takes slot i if its state is the given one. The generation is a new
// one for each process, so that permits of the dead are told apart.
func (c *core) joinSlot(k *segmentFile, i uint32, state uint64) bool {
	w := &c.slot(i)[slotWord]
	v := w.load(ptJoinLook)
	if slotState(v) != state || k != nil && !k.tryRegister(i) {
		return false
	}
	reach(ptJoinRegistered)
	ok := w.load(ptJoinAgain) == v && (k == nil || k.tryLife(i))
	if ok {
		reach(ptJoinLocked)
		c.identify(i)
		gen := slotGen(v)
		if state == slotDead {
			gen++
		}
		if ok = w.cas(ptJoinAlive, v, slotValue(gen, slotAlive)); ok {
			c.self, c.gen = uint16(i)+1, gen
			c.introduce()
		} else if k != nil {
			k.unlockLife(i)
		}
	}
	if k != nil {
		k.unlockRegister(i)
	}
	return ok
}

// introduce tells the objects who we are, for what they compute from it.
func (c *core) introduce() {
	for _, q := range c.lanes {
		if q != nil {
			q.posted, q.owned = header(0).with(Posted, q.id(), c.self), header(0).with(Owned, q.id(), c.self)
		}
	}
	for _, a := range c.arenas {
		if a != nil { // processes look for free records in different places
			a.cursor.Store(uint32(uint64(c.self-1) * uint64(a.n) / uint64(c.nslots)))
		}
	}
}

// adopt sweeps what the last process of our slot left, as if its owner were
// gone: we own nothing yet. Killed in it, the slot is dead again, with the rest.
func (c *core) adopt() {
	c.adopting = true
	c.sweep()
	c.adopting = false
	c.wakeAll() // also what the dead process still owed
}

func (c *core) identify(i uint32) {
	s := c.slot(i)
	s[slotPID].store(ptIdentify, uint64(os.Getpid()))
	s[slotPIDNS].store(ptIdentify, pidNamespace())
	s[slotUID].store(ptIdentify, uint64(uint32(os.Geteuid())))
	s[slotJoined].store(ptIdentify, uint64(Now()))
	s[slotWaiting].store(ptIdentify, 0)
	name := make([]uint64, 8)
	copy(asBytes(name), filepath.Base(os.Args[0]))
	for k, v := range name {
		s[slotName+k].store(ptIdentify, v)
	}
}

// leave frees our slot; everything has been given back. With a debt, a post of
// ours that met a full ring, it only drops the lock, as the dead do: others judge
// the slot and sweep the post. Free, the slot could be taken by somebody who
// lives, and the post would look like his, for ever on its way. (A model finds
// that.)
func (c *core) leave(k *segmentFile) {
	i := uint32(c.self) - 1
	if !c.backlogged() {
		c.slot(i)[slotWord].cas(ptLeave, slotValue(c.gen, slotAlive), slotValue(c.gen+1, slotFree))
	}
	if k != nil {
		k.unlockLife(i)
	}
}

// judge asks the kernel about one slot. It returns true when its process is
// dead, judged now or before: alive(g) seen, the lock is free, still alive(g).
// The lock was held before alive(g) was written, and a clean leaver writes free
// before it unlocks, so there is no other way to see this.
func (c *core) judge(k *segmentFile, i uint32) bool {
	if uint16(i)+1 == c.self {
		return false
	}
	s := c.slot(i)
	v := s[slotWord].load(ptJudgeLook)
	switch {
	case slotState(v) == slotDead:
		return true
	case slotState(v) != slotAlive || k == nil || !k.lifeFree(i):
		return false
	}
	if !s[slotWord].cas(ptJudgeDead, v, slotValue(slotGen(v), slotDead)) {
		return false
	}
	s[slotNoticed].store(ptJudgeTime, uint64(Now()))
	return true
}

// judgeAll judges every slot and tells whether one is dead.
func (c *core) judgeAll(k *segmentFile) (dead bool) {
	for i := range c.nslots {
		dead = c.judge(k, i) || dead
	}
	return dead
}

// ownerGone tells whether no living process is in a header's owner slot. It is
// asked after the header was read: then, whoever joins the slot later, the
// header's exact word is not his.
func (c *core) ownerGone(owner uint16) bool {
	if owner == 0 || uint32(owner) > c.nslots || c.adopting && owner == c.self {
		return true
	}
	return slotState(c.slot(uint32(owner) - 1)[slotWord].load(ptOwnerGone)) != slotAlive
}

// lives tells whether the process of that generation is in the slot.
func (c *core) lives(owner uint16, gen uint32) bool {
	if uint32(owner) > c.nslots {
		return false
	}
	v := c.slot(uint32(owner) - 1)[slotWord].load(ptOwnerGone)
	return slotState(v) == slotAlive && slotGen(v)&cellGenMask == gen
}

// publishWait shows in our slot what a goroutine of ours waits for; -1: nothing.
func (c *core) publishWait(event int) {
	if c.self != 0 {
		c.slot(uint32(c.self) - 1)[slotWaiting].store(ptWaiting, uint64(event+1))
	}
}

// A Process is what the registry says of one attached process.
type Process struct {
	Slot    int           `json:"slot"`
	Gen     uint32        `json:"generation"`
	State   string        `json:"state"` // alive, or dead and not swept yet
	PID     int           `json:"pid"`   // in its own PID namespace
	UID     int           `json:"uid"`
	Name    string        `json:"name"`
	Joined  time.Duration `json:"joined"`            // since boot
	Waiting string        `json:"waiting,omitempty"` // the object whose event it waited for last
	Self    bool          `json:"self,omitempty"`
	// Namespace is the PID namespace in which PID has its meaning, 0 unknown.
	Namespace uint64 `json:"pid_namespace"`
}

// A Death is the last one on a slot of the registry.
type Death struct {
	Slot    int           `json:"slot"`
	Gen     uint32        `json:"generation"` // of the slot now; above the dead process's own, all is back in service
	Noticed time.Duration `json:"noticed"`    // since boot, when a process judged it
	Swept   time.Duration `json:"swept"`      // since boot, when the sweep that freed the slot had ended
}

func (c *core) deaths() (list []Death) {
	for i := range c.nslots {
		s := c.slot(i)
		gen := slotGen(s[slotWord].load(ptProcesses))
		noticed := time.Duration(s[slotNoticed].load(ptProcesses))
		if noticed != 0 {
			list = append(list, Death{int(i), gen, noticed, time.Duration(s[slotSwept].load(ptProcesses))})
		}
	}
	return list
}

var slotStates = map[uint64]string{slotAlive: "alive", slotDead: "dead"}

func (c *core) processes() (list []Process) {
	for i := range c.nslots {
		s := c.slot(i)
		v := s[slotWord].load(ptProcesses)
		state, ok := slotStates[slotState(v)]
		if !ok {
			continue
		}
		name := make([]uint64, 8)
		copyWords(name, s[slotName:slotName+8])
		list = append(list, Process{
			Slot: int(i), Gen: slotGen(v), State: state, Self: uint16(i)+1 == c.self,
			Namespace: s[slotPIDNS].load(ptProcesses),
			PID:       int(s[slotPID].load(ptProcesses)), UID: int(s[slotUID].load(ptProcesses)),
			Joined: time.Duration(s[slotJoined].load(ptProcesses)),
			Name:   Text(asBytes(name)), Waiting: c.eventName(s[slotWaiting].load(ptProcesses)),
		})
	}
	return list
}

func (c *core) eventName(id1 uint64) string {
	if id1 == 0 || id1 > uint64(len(c.events)) {
		return ""
	}
	want := c.events[id1-1]
	for _, o := range c.objects {
		switch x := o.(type) {
		case *Event:
			if x == want {
				return x.obj.Name
			}
		case *ring:
			if &x.own == want {
				return x.obj.Name
			}
		case *bag:
			if &x.own == want {
				return x.obj.Name
			}
		case *arena:
			if &x.room == want {
				return x.obj.Name + " (room)"
			}
		case *Semaphore:
			if &x.freed == want {
				return x.obj.Name
			}
		}
	}
	return "registry"
}

// alive asks the kernel whether a slot's process lives; a private segment has
// no other process than ours.
func (s *segmentFile) alive(slot uint32) bool { return s != nil && !s.lifeFree(slot) }
