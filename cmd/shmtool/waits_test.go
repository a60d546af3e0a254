package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// deadlock NAME MUTEX MUTEX: lock the first, say so, and when told the second.
	shmtest.Register("deadlock", func(args []string) {
		a := &locks{}
		_, err := shm.Attach(args[0], a, nil)
		if err == nil {
			_, err = a.m[args[1][0]-'a'].TryLock()
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("locked")
		_, _ = fmt.Scanln()
		_, _ = a.m[args[2][0]-'a'].Lock(context.Background())
	})
	// wait-for NAME what: do what is to be seen in stat --waits, for ever.
	shmtest.Register("wait-for", func(args []string) {
		a := &shop{}
		_, err := shm.Attach(args[0], a, nil)
		switch {
		case err != nil:
		case args[1] == "own-lock":
			if _, err = a.Lock.TryLock(); err == nil {
				_, err = a.Lock.Lock(context.Background())
			}
		case args[1] == "slots", args[1] == "lock": // has the other, says so, and when told waits for it
			if args[1] == "slots" {
				_, err = a.Lock.TryLock()
			} else if _, err = a.Slots.TryAcquire(); err == nil {
				_, err = a.Slots.TryAcquire()
			}
			if err == nil {
				fmt.Println("ready")
				_, _ = fmt.Scanln()
				if args[1] == "slots" {
					_, err = a.Slots.Acquire(context.Background())
				} else {
					_, err = a.Lock.Lock(context.Background())
				}
			}
		case args[1] == "todo":
			_, err = a.Todo.Get(context.Background())
		}
		fmt.Println(err)
	})
}

// locks is an application with three mutexes.
type locks struct{ m [3]shm.Mutex }

func (a *locks) Define(l *shm.Layout) {
	for i, name := range []string{"a", "b", "c"} {
		a.m[i].Define(l, name)
	}
}

// Two processes that wait for each other's mutex are a circle; a third that
// waits for one of them is none, and comes after.
func TestStat_Waits(t *testing.T) {
	name := shmtest.Name(t)
	s, err := shm.Create(name, &locks{}, nil)
	must(t, err)
	must(t, s.Close())
	if out, _ := call(t, 0, "stat", name, "--waits"); !strings.Contains(out, "no process waits") {
		t.Error(out)
	}
	type answer struct{ Waits []wait }
	waiting := func(n int) []wait {
		t.Helper()
		for start := time.Now(); ; time.Sleep(time.Millisecond) {
			if v := decode[answer](t, 0, "stat", name, "--waits"); len(v.Waits) == n {
				return v.Waits
			} else if time.Since(start) > time.Minute {
				t.Fatalf("%+v", v)
			}
		}
	}
	ends := map[string]*shmtest.Process{}
	for _, m := range []string{"cb", "ab", "ba"} {
		ends[m] = shmtest.Child(t, "deadlock", name, m[:1], m[1:])
		ends[m].Want(map[string]string{"cb": "locked", "ab": "locked", "ba": "locked"}[m])
	}
	ends["cb"].Say("")
	if w := waiting(1); len(w[0].Circle) != 0 || w[0].For != "b" || len(w[0].Holders) != 1 || !w[0].Holders[0].Alive {
		t.Errorf("a queue is taken for a circle: %+v", w)
	}
	ends["ab"].Say("")
	ends["ba"].Say("")
	w := waiting(3)
	if len(w[0].Circle) != 3 || len(w[1].Circle) != 3 || len(w[2].Circle) != 0 || w[0].Circle[0] != w[0].Circle[2] {
		t.Errorf("%+v", w)
	}
	out, _ := call(t, 0, "stat", name, "--waits")
	if !strings.HasPrefix(out, "CIRCLE of slots ") || strings.Count(out, "CIRCLE") != 1 {
		t.Error(out)
	}
}

// seenWaits is what stat --waits says when n processes wait.
func seenWaits(t *testing.T, name string, n int) []wait {
	t.Helper()
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		v := decode[struct{ Waits []wait }](t, 0, "stat", name, "--waits")
		if len(v.Waits) == n {
			return v.Waits
		} else if time.Since(start) > time.Minute {
			t.Fatalf("%+v", v)
		}
	}
}

// A process one goroutine of which has what another one waits for is no circle.
func TestStat_WaitsForItself(t *testing.T) {
	name := closedShop(t)
	shmtest.Child(t, "wait-for", name, "own-lock")
	if w := seenWaits(t, name, 1)[0]; len(w.Circle) > 0 || len(w.Holders) != 1 || w.Holders[0].Slot != w.Slot {
		t.Errorf("%+v", w)
	}
	if out, _ := call(t, 0, "stat", name, "--waits"); strings.Contains(strings.ToLower(out), "circle of") {
		t.Error(out)
	}
}

// Who waits for a record in a queue is told who has claimed the records.
func TestStat_WaitsForClaimed(t *testing.T) {
	name := withJob(t)
	claimer := shmtest.Child(t, "claim", name)
	claimer.Want("ready")
	shmtest.Child(t, "wait-for", name, "todo")
	w := seenWaits(t, name, 1)[0]
	if len(w.Claimed) != 1 || w.Claimed[0].PID != claimer.Cmd.Process.Pid || w.Claimed[0].Has != 1 || len(w.Holders) != 0 {
		t.Errorf("%+v", w)
	}
	if out, _ := call(t, 0, "stat", name, "--waits"); !strings.Contains(out, fmt.Sprintf("1 record is claimed by process %d", claimer.Cmd.Process.Pid)) {
		t.Error(out)
	}
}

// possibleCircle creates a segment in which two processes wait for each other, and
// a permit that one of them wants is also held by this one, which waits for nothing.
func possibleCircle(t *testing.T) string {
	t.Helper()
	a, name := openShop(t)
	_, err := a.Slots.TryAcquire()
	must(t, err)
	for _, p := range []*shmtest.Process{shmtest.Child(t, "wait-for", name, "slots"), shmtest.Child(t, "wait-for", name, "lock")} {
		p.Want("ready")
		defer p.Say("")
	}
	return name
}

func TestStat_WaitsPossibleCircle(t *testing.T) {
	name := possibleCircle(t)
	for _, w := range seenWaits(t, name, 2) {
		if len(w.Circle) != 3 || !w.Possible {
			t.Errorf("%+v", w)
		}
	}
	if out, _ := call(t, 0, "stat", name, "--waits"); strings.Contains(out, "CIRCLE") || strings.Count(out, "possible circle of slots") != 1 {
		t.Error(out)
	}
}

// Where somebody else can end it, a circle is only a possible one.
func TestMarkCircles(t *testing.T) {
	waiting := func(waits ...[]int) (list []wait) { // of each slot, who holds what it waits for
		for slot, holders := range waits {
			w := wait{Slot: slot}
			for _, h := range holders {
				w.Holders = append(w.Holders, holder{Slot: h})
			}
			list = append(list, w)
		}
		return list
	}
	room := waiting([]int{1}, []int{0})
	room[0].Possible = true
	var dense []wait // a way for each of 2^300 choices, for who follows every way
	for i := range 300 {
		w := wait{Slot: i}
		for k := range i {
			w.Holders = append(w.Holders, holder{Slot: k})
		}
		dense = append(dense, w)
	}
	for _, c := range []struct {
		name     string
		list     []wait
		circle   []int // of slot 0
		possible bool
	}{
		{"nobody waits for it", waiting([]int{1}, nil), nil, false},
		{"itself", waiting([]int{0}, nil), nil, false},
		{"two", waiting([]int{1}, []int{0}), []int{0, 1, 0}, false},
		{"two, and a third that waits for both", waiting([]int{1}, []int{0}, []int{0, 1}), []int{0, 1, 0}, false},
		{"three", waiting([]int{1}, []int{2}, []int{0}), []int{0, 1, 2, 0}, false},
		{"a permit held by one that does not wait", waiting([]int{1, 7}, []int{0}), []int{0, 1, 0}, true},
		{"a permit held by one that waits elsewhere", waiting([]int{1, 2}, []int{0}, []int{7}), []int{0, 1, 0}, true},
		{"all permits held by members", waiting([]int{1, 2}, []int{0}, []int{0}), []int{0, 1, 0}, false},
		{"another goroutine of its own", waiting([]int{0, 1}, []int{0}), []int{0, 1, 0}, true},
		{"a free record", room, []int{0, 1, 0}, true},
		{"many ways and no circle", dense, nil, false},
	} {
		markCircles(c.list)
		if w := c.list[0]; !slices.Equal(w.Circle, c.circle) || w.Possible != c.possible {
			t.Errorf("%s: circle %v, possible %v", c.name, w.Circle, w.Possible)
		}
	}
	for _, w := range room {
		if len(w.Circle) == 0 || !w.Possible {
			t.Errorf("%+v", w)
		}
	}
}
