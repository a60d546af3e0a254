//go:build crashpoint

// Package stop stops every operation at every access to a shared word. While a
// process is stopped there, others work on the same objects; then it goes on, or
// is killed where it stands.
package stop

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func TestMain(m *testing.M) { shmtest.Main(m) }

var ctx = context.Background()

// mortal ends the process with the test: a stopped one would stay for ever.
func mortal() {
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0)
}

// stopAt makes the process stop at the n-th access of this goroutine.
func stopAt(n string) {
	mortal()
	os.Stderr = os.Stdout // where it says at which point
	v, err := strconv.ParseInt(n, 10, 64)
	world.Check(err)
	shm.StopAfter(v)
}

// finished says so, and stays alive until the test has looked at everything.
func finished() {
	shm.AtAccess(0, nil)
	fmt.Println("end")
	bufio.NewScanner(os.Stdin).Scan()
}

func init() {
	// op SEGMENT OPERATION N: stop at the N-th access of the operation.
	shmtest.Register("op", func(args []string) {
		run := world.Find(args[1]).Attach(args[0])
		stopAt(args[2])
		run(func(line string) { fmt.Println(line) })
		finished()
	})
}

// A stopped child stands at one of its points.
type child struct {
	*shmtest.Process
	t     *testing.T
	point string // "" when it went through without a stop
	acks  map[string]bool
}

// start runs a child until it has stopped or said "end".
func start(t *testing.T, f string, args ...string) *child {
	c := &child{Process: shmtest.Child(t, f, args...), t: t, acks: map[string]bool{}}
	if c.toEnd() {
		return c
	}
	c.waitState("T")
	return c
}

// toEnd reads what the child says until its end, or a stop.
func (c *child) toEnd() (ended bool) {
	c.t.Helper()
	for {
		line, ok := c.Line()
		if !ok {
			c.t.Fatalf("the child ended before it had finished: %v", c.Wait())
		}
		var at int
		var point string
		if k, _ := fmt.Sscanf(line, "stop point %d: %s", &at, &point); k == 2 {
			c.point = point
			return false
		}
		c.acks[line] = true
		if line == "end" {
			return true
		}
	}
}

// waitState waits until the kernel says that every thread of the child is in the
// state.
func (c *child) waitState(state string) {
	c.t.Helper()
	for limit := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Microsecond) {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", c.Cmd.Process.Pid))
		world.Must(c.t, err)
		all := len(files) > 0
		for _, f := range files {
			b, _ := os.ReadFile(f)
			_, rest, _ := strings.Cut(string(b), ") ")
			all = all && strings.HasPrefix(rest, state)
		}
		if all {
			return
		}
		if time.Now().After(limit) {
			c.t.Fatalf("the child does not come into state %s", state)
		}
	}
}

func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	world.Must(c.t, c.Cmd.Process.Signal(s))
}

// slot is the child's place in the registry.
func (c *child) slot(s *shm.Segment) int {
	for _, p := range s.Processes() {
		if p.PID == c.Cmd.Process.Pid {
			return p.Slot
		}
	}
	return -1 // it has not joined yet, or has left
}

// claims are what a registry slot owns.
func claims(s *shm.Segment, slot int) (list []string) {
	for _, c := range s.Claims() {
		if c.Process == slot {
			list = append(list, fmt.Sprintf("%+v", c))
		}
	}
	slices.Sort(list)
	return list
}

// A campaign counts what was done.
type campaign struct {
	meter
	stops, kills, wraps int
	admitted, refused   int    // newcomers
	op                  string // under way
	points              map[string]int
	waited              map[string]int // points at which a post waited for its stopped poster
}

func (k *campaign) log(t *testing.T) {
	t.Logf("%d stops at %d points, %d killed there, %d operations of others meanwhile, %d wraps driven",
		k.stops, len(k.points), k.kills, k.calls, k.wraps)
	if k.admitted+k.refused > 0 {
		t.Logf("%d newcomers got in, %d were told why not", k.admitted, k.refused)
	}
	if len(k.waited) > 0 {
		t.Logf("a post waited for its poster at: %v", k.waited)
	}
	if k.stops == 0 || k.calls == 0 {
		t.Error("nothing was stopped, or nobody worked meanwhile")
	}
}

// stride is how much of the points is taken: all with PROOF_FULL=1, otherwise
// every n-th, beginning at a random one.
func stride(t *testing.T, n int) (first, step int) {
	if os.Getenv("PROOF_FULL") != "" {
		return 1, 1
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("PROOF_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		world.Must(t, err)
	}
	t.Logf("every %d. point: PROOF_FULL=1 takes all, PROOF_SEED=%d these", n, seed)
	return 1 + rand.New(rand.NewPCG(seed, 0)).IntN(n), n
}

// each runs the test for every point, until nothing stops any more.
func (k *campaign) each(t *testing.T, first, step int, run func(t *testing.T, n int)) {
	stops := k.stops
	defer func() {
		if step == 1 && k.stops == stops {
			t.Error("nothing was stopped")
		}
	}()
	for n := first; ; n += step {
		if !t.Run(fmt.Sprint("at=", n), func(t *testing.T) { run(t, n) }) {
			t.FailNow()
		}
		if k.point == "" {
			return
		}
	}
}

// operations is each for all operations. Of those that others cannot work through,
// an eighth of the points is taken: a newcomer who is refused takes a second.
func (k *campaign) operations(t *testing.T, first, step int, run func(t *testing.T, op world.Operation, n int)) {
	for _, op := range world.Operations() {
		t.Run("op="+op.Name, func(t *testing.T) {
			step := step
			if alone[op.Name] != "" {
				step *= 8
			}
			k.each(t, first, step, func(t *testing.T, n int) { run(t, op, n) })
		})
	}
}

func TestStop_Operations(t *testing.T) {
	k := &campaign{points: map[string]int{}, waited: map[string]int{}}
	first, step := stride(t, 48)
	k.operations(t, first, step, func(t *testing.T, op world.Operation, n int) { k.goOn(t, op, n) })
	k.log(t)
}

// goOn stops a child at its n-th access, lets others work, and lets it go on.
func (k *campaign) goOn(t *testing.T, op world.Operation, n int) {
	name := op.Stage(t, 64)
	c := start(t, "op", name, op.Name, fmt.Sprint(n))
	o := k.company(t, op, name, c)
	if c.point != "" {
		if tiny && o != nil {
			k.wraps += drive(t, name, o)
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
	k.points[c.point]++
	return true
}

// handingOver are the points between the header and the slot, or the bit: only
// there a record that is posted waits for its stopped poster.
//
// A record that met a full ring when it was given back, with nobody to tell, stays
// with its poster, who tries again: the backlog operations leave one.
var handingOver = []string{"post", "sweep.post", "ring.tail", "ring.slot", "ring.head", "ring.head.move", "ring.header", "ring.fill", "post.undo", "bag.bit"}

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
		helping := k.op == "put-behind" && c.point == "ring.tail.move" // of others, before its own slot
		if !slices.Contains(handingOver, c.point) && !slices.Contains(backlog, k.op) && !helping {
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
// nothing names. A bit that it had not set yet may be set.
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
	want := shm.Report{Freed: before - settled(), Hints: r.Hints}
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

// A process that is killed where it stands stopped leaves what any death leaves.
func TestStop_ThenKill(t *testing.T) {
	k := &campaign{points: map[string]int{}, waited: map[string]int{}}
	first, step := stride(t, 96)
	k.operations(t, first, step, func(t *testing.T, op world.Operation, n int) {
		name := op.Stage(t, 64)
		c := start(t, "op", name, op.Name, fmt.Sprint(n))
		o := k.company(t, op, name, c)
		c.Kill()
		if c.point != "" {
			k.kills++
		}
		if o != nil {
			maps.Copy(c.acks, o.close())
		}
		op.Audit(t, name, c.acks)
	})
	k.log(t)
}
