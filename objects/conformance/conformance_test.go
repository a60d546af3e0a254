package conformance_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/objects/conformance"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(conformance.ActorVar) != "" {
		conformance.Serve(attach)
		return
	}
	shmtest.Main(m)
}

// store is shared memory, in one of the three ways.
type store struct {
	kind    conformance.Kind
	name    string
	options objects.Options
	private *objects.SharedMemory
	actors  []*conformance.Actor
}

// opening makes how a conformance run opens its stores.
func opening(kind conformance.Kind) func(t testing.TB, o objects.Options) conformance.Store {
	return func(t testing.TB, o objects.Options) conformance.Store {
		s := &store{kind: kind, name: shmtest.Name(t), options: o}
		s.options.Private = kind == conformance.OneOpening
		s.options.ImageDir = t.TempDir()
		m, err := objects.Open(s.name, &s.options)
		if errors.Is(err, objects.ErrUnsupported) {
			t.Skip(err)
		}
		must(t, err)
		if s.options.Private {
			s.private = m
			t.Cleanup(func() { closeQuietly(t, m) })
			return s
		}
		must(t, m.Close()) // a segment outlives its creator
		s.options.Attach = true
		return s
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// closeQuietly closes; claims that a scenario left open are no error.
func closeQuietly(t testing.TB, m *objects.SharedMemory) {
	if err := m.Close(); err != nil && !errors.Is(err, shm.ErrBusy) && !errors.Is(err, shm.ErrClosed) {
		t.Errorf("close: %v", err)
	}
}

func (s *store) Kind() conformance.Kind { return s.kind }

func (s *store) Actor(t testing.TB) *conformance.Actor {
	t.Helper()
	var a *conformance.Actor
	switch s.kind {
	case conformance.OneOpening:
		a = actor(s.private)
	case conformance.OneProcess:
		m, err := objects.Open(s.name, &s.options)
		must(t, err)
		t.Cleanup(func() { closeQuietly(t, m) })
		a = actor(m)
	default:
		a = conformance.Spawn(t, s.name, s.options)
	}
	s.actors = append(s.actors, a)
	return a
}

func attach(name string, o objects.Options) (*conformance.Actor, error) {
	m, err := objects.Open(name, &o)
	if err != nil {
		return nil, err
	}
	return actor(m), nil
}

func actor(m *objects.SharedMemory) *conformance.Actor {
	return &conformance.Actor{
		Root: m, Users: m.Users, Scans: m.Scans, HTTP: m.HTTP, Metrics: m.Metrics, Threads: m.Threads, Processes: m.Processes,
	}
}

// Check sweeps, wants a sound segment, and wants what the objects count to be
// what a scan of all records counts.
func (s *store) Check(t testing.TB) {
	t.Helper()
	m := s.private
	if m == nil {
		o := s.options
		o.Attach = true
		var err error
		m, err = objects.Open(s.name, &o)
		if errors.Is(err, objects.ErrStopped) { // the flag falls when all have left
			for _, a := range s.actors {
				_ = a.Close()
			}
			m, err = objects.Open(s.name, &o)
		}
		must(t, err)
		defer closeQuietly(t, m)
	}
	_, err := m.Segment().Sweep(t.Context())
	must(t, err)
	shmtest.Verify(t, m.Segment())

	used := map[string]int{}
	for _, o := range m.Segment().Stats().Objects {
		used[o.Name] = o.Used
	}
	claimed := map[string]int{}
	for _, c := range m.Segment().Claims() {
		if c.Queue == "" && (c.Object == "users" || c.Object == "tweets" || c.Object == "legs") {
			t.Errorf("%s %s is %s, in no queue", c.Object, c.Ref, c.State)
		}
		claimed[c.Object]++
	}
	users, _, err := m.Users.Count(t.Context())
	must(t, err)
	scans, _, err := m.Scans.Count(t.Context())
	must(t, err)
	listing, tweets, instructions, err := m.Scans.Depths(t.Context())
	must(t, err)
	for _, c := range []struct {
		what      string
		got, want int
	}{
		{"users", users, used["users"]},
		{"scans", scans, used["scans"]},
		{"tweets", tweets + claimed["tweets"], used["tweets"]},
		{"legs", listing + instructions + claimed["legs"], used["legs"]},
	} {
		if c.got != c.want {
			t.Errorf("%d %s counted, %d records in use", c.got, c.what, c.want)
		}
	}
}

var modes = []struct {
	name string
	kind conformance.Kind
}{
	{"private", conformance.OneOpening},
	{"shared", conformance.OneProcess},
	{"processes", conformance.OwnProcesses},
}

func TestConformance(t *testing.T) {
	for _, m := range modes {
		t.Run("mode="+m.name, func(t *testing.T) {
			conformance.Run(t, opening(m.kind))
			t.Logf("%d scenarios", conformance.Ran(m.kind))
		})
	}
}

// Every defect of the contract's section 4 is either held by a scenario that
// names it, or is told not to be ours.
func TestDefects_EachAccountedFor(t *testing.T) {
	pattern := regexp.MustCompile(`^defect-(\d\d)/`)
	held := map[int]bool{}
	seen := map[string]bool{}
	for _, name := range conformance.Names() {
		if seen[name] {
			t.Errorf("two scenarios are called %s", name)
		}
		seen[name] = true
		if m := pattern.FindStringSubmatch(name); m != nil {
			n, _ := strconv.Atoi(m[1])
			held[n] = true
		}
	}
	for n := 1; n <= 51; n++ {
		reason, not := conformance.NotOurs[n]
		if held[n] == not {
			t.Errorf("defect %d: has a scenario: %v; is not ours: %q", n, held[n], reason)
		}
	}
	if len(held)+len(conformance.NotOurs) != 51 {
		t.Errorf("%d defects in scenarios, %d not ours, want 51 in all", len(held), len(conformance.NotOurs))
	}
}

// What a call to another process returns is what it returns there.
func TestSpawn_Errors(t *testing.T) {
	s := opening(conformance.OwnProcesses)(t, objects.Options{})
	a := s.Actor(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			_, _, err := a.Users.Launch(t.Context(), objects.Query{URL: fmt.Sprint("u", i), Account: "x"})
			if !errors.Is(err, objects.ErrInvalid) || errors.Is(err, objects.ErrFull) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
