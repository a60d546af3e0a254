// Package conformance is what every store behind the interfaces of objects must
// do: a table of scenarios, named after the rules and the defects of the
// contract they hold a store to. No segment, offset or futex shows in them; what
// a store is made of is the business of the function that opens it.
//
// Three ways of running are foreseen: one process and one opening, several
// openings in one process, and a process for each actor (see [Spawn]), in which
// actors are killed.
package conformance

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
)

// Root is what hangs at the root of the tree beside the nodes.
type Root interface {
	SetCounts(ctx context.Context, n objects.Counts) error
	Counts(ctx context.Context) (objects.Counts, error)
	Stop(ctx context.Context) error
	Stopped() bool
	Close() error
}

// An Actor is one process of the application, or what stands for it.
type Actor struct {
	Root
	Users     objects.Users
	Scans     objects.Scans
	HTTP      objects.HTTPLimiter
	Metrics   objects.Metrics
	Threads   objects.Threads
	Processes objects.Processes

	kill func() // SIGKILL and wait for the end; nil when the actor has no process of its own
}

// Kind is how the actors of a store are separated.
type Kind int

const (
	OneOpening    Kind = iota // all actors are one
	OneProcess                // an opening for each actor
	OwnProcesses              // a process for each actor, which can be killed
	numberOfKinds = iota
)

// A Store is a fresh, empty store.
type Store interface {
	Kind() Kind
	// Actor adds an actor. It is closed when the test ends.
	Actor(t testing.TB) *Actor
	// Check fails the test when the store is damaged, or holds what it should not.
	Check(t testing.TB)
}

// Run runs every scenario that the store's kind allows as a subtest.
func Run(t *testing.T, open func(t testing.TB, o objects.Options) Store) {
	for _, sc := range scenarios() {
		t.Run(sc.name, func(t *testing.T) {
			o := sc.options
			o.Capacity = capacity(o.Capacity)
			store := open(t, o)
			if store.Kind() < sc.needs {
				return // the table is one for all kinds: TestRuns counts what ran
			}
			ran[store.Kind()]++
			ctx, cancel := context.WithTimeout(t.Context(), generous)
			defer cancel()
			s := &scene{T: t, ctx: ctx, store: store}
			s.a = s.actor()
			sc.run(s)
			store.Check(t)
		})
	}
}

// ran counts the scenarios that ran, by kind.
var ran [numberOfKinds]int

// generous bounds what must happen: only a store that hangs ever reaches it.
const generous = 2 * time.Minute

// capacity makes a small store, so that a check of all of it is quick.
func capacity(special map[string]int) map[string]int {
	c := map[string]int{
		"users": 64, "scans": 64, "legs": 128, "tweets": 64, "addresses": 64, "threads": 32,
		"blobs-256": 64, "blobs-1024": 32, "blobs-4096": 32, "blobs-16384": 16, "blobs-65536": 8, "processes": 16,
	}
	for name, n := range special {
		c[name] = n
	}
	return c
}

// A scenario is one rule, seen through the interfaces.
type scenario struct {
	name    string
	needs   Kind
	options objects.Options
	run     func(s *scene)
}

func scenarios() (all []scenario) {
	for _, table := range [][]scenario{
		userScenarios, identityScenarios, limitScenarios, endScenarios, waitScenarios, expireScenarios, valueScenarios,
		scanScenarios, listingScenarios, barrierScenarios, registryScenarios, stopScenarios, guardScenarios,
		killUserScenarios, killScanScenarios, pressureScenarios,
	} {
		all = append(all, table...)
	}
	return all
}

// A scene is a scenario that runs: a store, a first actor, and what makes
// scenarios short.
type scene struct {
	*testing.T
	ctx   context.Context // generous
	store Store
	a     *Actor // the first actor
}

func (s *scene) actor() *Actor {
	s.Helper()
	return s.store.Actor(s.T)
}

// must fails the test on an error.
func (s *scene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// is fails the test unless the error is the wanted one.
func (s *scene) is(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("error %v, want %v", err, want)
	}
}

// soon is a context for calls that should find nothing.
func (s *scene) soon() context.Context {
	ctx, cancel := context.WithTimeout(s.ctx, 30*time.Millisecond)
	s.Cleanup(cancel)
	return ctx
}

// idle fails the test unless the call finds nothing to do.
func idle[C any](s *scene, call func(context.Context) (C, error)) {
	s.Helper()
	c, err := call(s.soon())
	if !errors.Is(err, context.DeadlineExceeded) {
		s.Fatalf("got %v, error %v, want nothing within its time", c, err)
	}
}

// equal fails the test unless both values are the same.
func equal[T comparable](s *scene, what string, got, want T) {
	s.Helper()
	if got != want {
		s.Fatalf("%s: %v, want %v", what, got, want)
	}
}

var (
	someone = netip.MustParseAddr("192.0.2.1")
	other   = netip.MustParseAddr("2001:db8::2")
)
