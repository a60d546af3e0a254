//go:build linux && (amd64 || arm64)

// Package peers holds one regression test for each bug that users of other
// shared-memory systems met in the field. Each names the bug and what the peer
// did; where another test of this repository has the case already, it is in this
// table and not repeated. TestTable holds that what it names exists; proof/kill needs
// the build tag crashpoint.
//
//	bug                                            covered by
//	creator killed half-way, openers wait for ever proof/kill TestKill/alone/create: killed at each step; Open goes on at once
//	cleaner races a starter                        TestCleanerRacesStarter, TestForceRacesStarter
//	cleaner meets a live node                      shm TestRemove, TestReset, TestStopped_KeepsItsClaim, TestTwoOpeningsInOneProcess
//	cleaner killed while cleaning                  proof/kill TestKill/alone/remove, TestKill/alone/reset, TestKill/recoverer
//	cleaner's residue, tags that stay              shm TestRemove, TestReset, TestOpen_RaceOfGoroutines: nothingLeftOf
//	last to leave dies before it cleans up (H3)    shm TestAllKilled; proof/kill TestKill/alone/leave, TestKill/alone/remove-own
//	half-born member nobody lists (H4)             proof/kill TestKill/alone/attach, TestKill/alone/restart
//	unreaped zombie keeps its locks                shm TestKill_Zombie; TestZombieRefusesRestart
//	process id used again                          TestProcessIDUsedAgain
//	locks lost by open and close in the process    TestOpenAndCloseLosesLocks; shm TestTwoOpeningsInOneProcess
//	stray close of the lock's descriptor           TestStrayClose, TestStrayCloseAndReuse
//	fork without exec keeps the dead alive         TestForkWithoutExec; with exec: shm TestKill_ChildOfTheHolder
//	descriptor passed on keeps the dead alive      TestPassedDescriptor
//	permission changed under the running           TestPermissionTakenAway; at attach: shm TestAttach_Users, TestAttach_Mode
//	disk full: SIGBUS at a write                   TestFullDisk; at creation: shm TestNoSpace
//	file truncated                                 shm TestTruncated*, proof/hostile TestLive
//	segment of an earlier boot                     shm TestAttach_RefusesContent; TestEarlierBootCanGo
//	other clock, other time namespace              TestOtherClock
//	name used again after removal                  shm TestUnlinked, TestReset
//	lock held for ever by a killed holder          shm TestKill_Mutex
//	entry of a registry shown after its owner died shm TestAllKilled, proof/kill TestKill/alone/attach
//	sender stuck on a killed receiver              TestSenderStuckOnKilledReceiver
//	half-enqueued item blocks all consumers        proof/kill TestKill/alone/put, TestKill/alone/put-on, TestKill/alone/bag-put
//	live but slow process declared dead            shm TestStopped_KeepsItsClaim
//	death in another PID namespace unseen          shm TestKill_OtherPIDNamespace
package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func TestMain(m *testing.M) { shmtest.Main(m) }

var full = os.Getenv("PROOF_FULL") != ""

func dir() string {
	if d := os.Getenv("SHM_DIR"); d != "" {
		return d
	}
	return shm.DefaultDir
}

func pathOf(name string) string { return filepath.Join(dir(), name) }

// number is the job that holders claim.
const number = 42

// posted makes a segment with one job, and the name for children.
func posted(t testing.TB, o *shm.Options) (*world.World, *shm.Segment) {
	t.Helper()
	w := &world.World{}
	s := shmtest.New(t, w, o)
	post(w)
	return w, s
}

func post(w *world.World) {
	j, err := w.Jobs.TryNew()
	world.Check(err)
	j.Record().Number = number
	world.Check(w.Todo.TryPut(j))
}

// claim takes the job of posted.
func claim(w *world.World) shm.Claim[world.Job] {
	j, err := w.Todo.TryGet()
	world.Check(err)
	if j.Record().Number != number {
		panic(fmt.Sprint("claimed job ", j.Record().Number))
	}
	return j
}

// comesBack waits until the death watch, and nobody else, has brought the job back.
func comesBack(t testing.TB, w *world.World) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	j, err := w.Todo.Get(ctx)
	world.Must(t, err)
	if j.Attempt() != 2 || j.Record().Number != number {
		t.Fatalf("attempt %d of job %d", j.Attempt(), j.Record().Number)
	}
	world.Must(t, j.Free())
}

// notRobbed sweeps a few times and fails if that took anything from anybody.
func notRobbed(t testing.TB, s *shm.Segment) {
	t.Helper()
	for range 5 {
		r, err := s.Sweep(t.Context())
		world.Must(t, err)
		if r != (shm.Report{}) {
			t.Fatalf("the living were swept: %+v", r)
		}
	}
}

func stdin() (line func() string) {
	return func() string {
		var s string
		if _, err := fmt.Scanln(&s); err != nil {
			return ""
		}
		return s
	}
}

func init() {
	// holder NAME: claim the job, and free it when told.
	shmtest.Register("holder", func(args []string) {
		line := stdin()
		w := &world.World{}
		s, err := shm.Attach(args[0], w, nil)
		world.Check(err)
		j := claim(w)
		fmt.Println("claimed")
		line()
		world.Check(j.Free())
		fmt.Println("freed")
		world.Check(s.Close())
	})
}

// finish lets a holder end in good order: it was not robbed.
func finish(t testing.TB, p *shmtest.Process) {
	t.Helper()
	p.Say("end")
	p.Want("freed")
	world.Must(t, p.Wait())
}

// state is the letter that the kernel gives a process, "" when there is none.
func state(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:1]
}

// eventually waits for a condition that has no event of its own.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// child is a command that runs a registered function with other attributes than
// shmtest.Child gives it.
func child(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	world.Must(t, err)
	c := exec.Command(exe, args...)
	c.Env = append(os.Environ(), "SHMTEST_CHILD="+name)
	return c
}

// says runs the command to its end and returns what it wrote.
func says(c *exec.Cmd) (string, error) {
	var out strings.Builder
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return strings.TrimSpace(out.String()), err
}

var errTold = []error{shm.ErrRetired, shm.ErrNotExist, shm.ErrInUse, shm.ErrExist}

// told tells whether an error says that the segment is being removed or replaced.
func told(err error) bool {
	for _, e := range errTold {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
