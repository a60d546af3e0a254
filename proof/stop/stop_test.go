//go:build crashpoint

// Package stop stops every operation at every access to a shared word. While a
// process is stopped there, others work on the same objects; then it goes on, or
// is killed where it stands.
package stop

import (
	"context"
	"maps"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func TestMain(m *testing.M) { shmtest.Main(m) }

var ctx = context.Background()

// TestStop is all campaigns, and then the points that none of them came by.
func TestStop(t *testing.T) {
	s := newSample(t)
	reached := map[string]int{}
	recovered := 0
	begin := func() *campaign { return &campaign{reached: reached, waited: map[string]int{}} }
	t.Run("operations", func(t *testing.T) {
		k := begin()
		k.run(t, s, 3, k.goOn)
		k.log(t)
		recovered += k.recovered
	})
	// A process that is killed where it stands stopped leaves what any death leaves.
	t.Run("killed", func(t *testing.T) {
		k := begin()
		k.run(t, s, 1, k.thenKill)
		k.log(t)
		recovered += k.recovered
	})
	if partial() == "" {
		t.Run("points", func(t *testing.T) {
			k := begin()
			k.points(t, s)
			recovered += k.recovered
			t.Logf("%d more; with them %d of %d points of the protocols, in %d operations with %d accesses",
				k.stops, len(reached), len(shm.PointNames()), len(s.ways), s.accesses())
		})
		if recovered == 0 {
			t.Error("no stopped sweeper left anything to recover")
		}
	}
}

// A campaign counts what was done.
type campaign struct {
	meter
	stops, kills, wraps int
	unsure              int            // stops that ended in a coincidence of short counts
	operations          int            // in which something was stopped
	admitted, refused   int            // newcomers
	recovered           int            // records and permits, by others than the stopped sweeper
	op                  string         // under way
	stand               *stand         // of the stopped process
	reached             map[string]int // stops by point, of all campaigns
	waited              map[string]int // points at which a post waited for its stopped poster
}

func (k *campaign) log(t *testing.T) {
	t.Logf("%d stops in %d operations, at %d points so far; %d killed there; %d operations of others meanwhile, rings came round %d times",
		k.stops, k.operations, len(k.reached), k.kills, k.calls, k.wraps)
	t.Logf("%d records and permits recovered by others than the stopped sweeper", k.recovered)
	if k.admitted+k.refused > 0 {
		t.Logf("%d newcomers got in, %d were told why not", k.admitted, k.refused)
	}
	if len(k.waited) > 0 {
		t.Logf("a post waited for its poster at: %v", k.waited)
	}
	if k.stops == 0 || k.calls == 0 {
		t.Error("nothing was stopped, or nobody worked meanwhile")
	}
	if k.unsure > 0 {
		t.Logf("%d of them ended in a coincidence of short counts, and were killed", k.unsure)
	}
	if k.unsure > 2+k.stops/50 {
		t.Error("too many ended in a coincidence: they are not what was to be tested")
	}
}

// goOn stops a child at an access, lets others work, and lets it go on.
func (k *campaign) goOn(t *testing.T, op world.Operation, where string) {
	name, c, o := k.meanwhile(t, op, where)
	if c.point != "" {
		if tiny && o != nil {
			n, sure := k.stand.drive(t, o)
			k.wraps += n
			if !sure { // it is not to go on: what it would do is what TestCoincidence is about
				k.unsure++
				c.Kill()
				maps.Copy(c.acks, o.close())
				op.Audit(t, name, c.acks)
				return
			}
		}
		c.signal(syscall.SIGCONT)
		if !c.toEnd() {
			t.Fatal("stopped twice")
		}
	}
	if o != nil {
		k.harmless(t, o.segment())
		maps.Copy(c.acks, o.close())
	}
	c.Kill()
	op.Audit(t, name, c.acks)
}

// thenKill stops a child at an access, lets others work, and kills it.
func (k *campaign) thenKill(t *testing.T, op world.Operation, where string) {
	name, c, o := k.meanwhile(t, op, where)
	c.Kill()
	if c.point != "" {
		k.kills++
	}
	if o != nil {
		maps.Copy(c.acks, o.close())
	}
	op.Audit(t, name, c.acks)
}

// meanwhile stops a child and lets others work.
func (k *campaign) meanwhile(t *testing.T, op world.Operation, where string) (segment string, c *child, o company) {
	t.Helper()
	segment = op.Stage(t, 64)
	c = start(t, "op", segment, op.Name, where)
	if tiny && c.point != "" && alone[op.Name] == "" {
		k.stand = standing(t, segment)
	}
	if (op.Name == sweeper.Name || op.Name == watcher.Name) && c.point != "" {
		k.recover(t, segment, c)
	}
	return segment, c, k.company(t, op, segment, c)
}

// company lets others work while the child is stopped. They stay, or it is nil:
// only a newcomer looked in.
func (k *campaign) company(t *testing.T, op world.Operation, name string, c *child) (o company) {
	t.Helper()
	k.op = op.Name
	if alone[op.Name] != "" {
		k.newcomer(t, name, c)
		return nil
	}
	o = open(t, &k.meter, op.Name, name, c)
	k.work(t, o, c)
	return o
}

// stopped counts a stop.
func (k *campaign) stopped(c *child) bool {
	k.point = c.point
	if c.point == "" {
		return false
	}
	k.stops++
	k.reached[c.point]++
	return true
}

// handingOver are the points between the header and the slot, or the bit: only
// there a record that is posted waits for its stopped poster. He may have found the
// tail or the head behind, and be about to move it first.
//
// A record that met a full ring when it was given back, with nobody to tell, stays
// with its poster, who tries again: the backlog operations leave one.
var handingOver = []string{"post", "sweep.post", "ring.tail", "ring.tail.move", "ring.slot", "ring.head", "ring.head.move", "ring.header", "ring.fill", "post.undo", "bag.bit"}

var backlog = []string{"release-full", "sweep-full"}

// work lets others work while the child is stopped, and checks that what it has
// stays its own.
func (k *campaign) work(t *testing.T, o company, c *child) {
	t.Helper()
	if !k.stopped(c) {
		return
	}
	s := o.segment()
	slot := c.slot(s)
	has := claims(s, slot)
	clear(k.hidden)
	for _, k.mode = range []string{steps, sleeps} {
		o.cycle(func() {})
	}
	k.mode = ""
	for q := range k.hidden {
		k.waited[c.point]++
		if !slices.Contains(handingOver, c.point) && !slices.Contains(backlog, k.op) {
			t.Errorf("a post to %s waits for its poster, stopped at %s", q, c.point)
		}
	}
	sweptNothing(t, s)
	if now := claims(s, slot); !slices.Equal(has, now) {
		t.Errorf("the stopped process had %v and has %v", has, now)
	}
	if now := c.slot(s); now != slot {
		t.Errorf("the stopped process was in slot %d and is in %d", slot, now)
	}
}

// sweptNothing sweeps. What a stopped process owns is not touched. What it had
// replaced and was about to free is nobody's, and may go: a settled record that
// nothing names. A bit that it had not set yet may be set. A process that has gone on
// may settle something meanwhile.
func sweptNothing(t *testing.T, s *shm.Segment) {
	t.Helper()
	settled := func() (n int) {
		for _, o := range s.Stats().Objects {
			n += o.States[shm.Settled.String()]
		}
		return n
	}
	before := settled()
	r, err := s.Sweep(t.Context())
	world.Must(t, err)
	want := shm.Report{Freed: max(before-settled(), 0), Hints: r.Hints}
	if r != want || r.Freed > 1 {
		t.Errorf("swept while nobody was dead: %+v, want %+v", r, want)
	}
}

// harmless checks what a process left that was stopped and has gone on. Tiny
// counts of a bitmap may have come round, and a free bit be lost by that: a sweep
// restores it, and finds nothing else to do. Who has a backlog puts it where it
// belongs the next time he looks, if others have made room.
func (k *campaign) harmless(t *testing.T, s *shm.Segment) {
	t.Helper()
	if slices.Contains(backlog, k.op) {
		if k.point == "" {
			return
		}
		broken := func() (n int) {
			for range s.Verify() {
				n++
			}
			return n
		}
		for limit := time.Now().Add(time.Minute); broken() > 0 && time.Now().Before(limit); {
			time.Sleep(time.Millisecond)
		}
	}
	if tiny {
		sweptNothing(t, s)
	}
	shmtest.Verify(t, s)
}
