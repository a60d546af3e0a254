package world

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// lifeOperations are those on a segment as a whole: how processes come and go,
// look at it, and end it.
func lifeOperations() []Operation {
	usual := func(t testing.TB, processes int) string { return stage(t, processes, nil, nil) }
	few := map[string]int{"jobs": 2, "named": 2, "data-64": 1, "data-256": 1, "processes": 2, "slots": 1}
	return []Operation{
		{Name: "create", Stage: func(t testing.TB, _ int) string { return shmtest.Name(t) }, Audit: auditEmpty,
			Attach: func(segment string) func(func(string)) {
				return func(ack func(string)) {
					_, err := shm.Create(segment, &World{}, &shm.Options{Capacity: few})
					Check(err)
					ack("there")
				}
			}},
		{Name: "open-new", Stage: func(t testing.TB, _ int) string { return shmtest.Name(t) }, Audit: auditEmpty,
			Attach: func(segment string) func(func(string)) {
				return func(ack func(string)) {
					_, err := shm.Open(segment, &World{}, &shm.Options{Capacity: few})
					Check(err)
					ack("there")
				}
			}},
		{Name: "open", Stage: usual, Survive: survive, Audit: auditUsual,
			Attach: func(segment string) func(func(string)) {
				return func(func(string)) {
					_, err := shm.Open(segment, &World{}, nil)
					Check(err)
				}
			}},
		{Name: "open-retired", Audit: auditEmpty, // it removes that, and makes a new one
			Stage: func(t testing.TB, processes int) string {
				name := usual(t, processes)
				poke(name, stateAt, func(uint64) uint64 { return retired })
				return name
			},
			Attach: func(segment string) func(func(string)) {
				return func(ack func(string)) {
					_, err := shm.Open(segment, &World{}, &shm.Options{Capacity: few})
					Check(err)
					ack("there")
				}
			}},
		{Name: "setting", Stage: usual, Audit: auditUsual, // refused while others are there
			Attach: func(segment string) func(func(string)) {
				return func(ack func(string)) {
					ack("swapping")
					Check(setting(segment))
					ack("swapped")
				}
			}},
		{Name: "reset-chosen", Audit: auditChosen, // with a setting to be kept
			Stage: func(t testing.TB, processes int) string {
				name := usual(t, processes)
				Must(t, setting(name))
				return name
			},
			Attach: func(segment string) func(func(string)) {
				return func(ack func(string)) {
					Check(shm.Reset(segment, nil, false))
					ack("ended")
				}
			}},
		{Name: "stop-segment", Stage: usual, Survive: outlive, Audit: auditUsual,
			Attach: func(segment string) func(func(string)) {
				_, err := shm.Attach(segment, &World{}, nil) // or there is nobody to tell
				Check(err)
				return func(func(string)) { Check(shm.StopSegment(segment, nil)) }
			}},
		{Name: "attach", Stage: usual, Survive: survive, Audit: auditUsual,
			Attach: func(segment string) func(func(string)) {
				return func(func(string)) {
					_, err := shm.Attach(segment, &World{}, nil)
					Check(err)
				}
			}},
		{Name: "restart", Stage: stageStopped, Audit: auditUsual,
			Attach: func(segment string) func(func(string)) {
				return func(func(string)) {
					_, err := shm.Attach(segment, &World{}, nil)
					Check(err)
				}
			}},
		attached("leave", auditUsual, func(s *shm.Segment, _ *World, _ func(string)) { Check(s.Close()) }),
		attached("leave-open", auditUsual, func(s *shm.Segment, _ *World, _ func(string)) {
			var busy *shm.BusyError
			if err := s.Close(); !errors.As(err, &busy) {
				panic(err)
			}
		}, func(w *World) { // everything that a process can hold
			fill(w, some(w.Todo.TryGet))
			some(func() (shm.Claim[Job], error) { return w.Picky.TryGet(nil) })
			newJob(w, 10)
			_, err := newJob(w, 11).Hold()
			Check(err)
			_, err = w.Named.Retire(named(w, "s"))
			Check(err)
			some(w.Slots.TryAcquire)
			some(w.Lock.TryLock)
		}),
		attached("stop", auditUsual, func(s *shm.Segment, _ *World, _ func(string)) { s.Stop() }),
		attached("remove-own", auditEmpty, func(s *shm.Segment, _ *World, _ func(string)) { Check(s.Remove()) }),
		attached("sweep", auditUsual, func(s *shm.Segment, _ *World, _ func(string)) {
			_, err := s.Sweep(ctx)
			Check(err)
		}),
		attached("sweep-holding", auditUsual, func(s *shm.Segment, _ *World, _ func(string)) {
			_, err := s.Sweep(ctx)
			Check(err)
		}, func(w *World) { // permits, which the sweep is to leave alone
			some(w.Slots.TryAcquire)
			some(w.Lock.TryLock)
		}),
		// A record that found its ring full, and is put there later.
		{Name: "sweep-full",
			Stage: func(t testing.TB, processes int) string { return stage(t, processes, nil, crowdTodo) },
			Audit: func(t testing.TB, segment string, acks map[string]bool) { audit(t, segment, acks, passHead) },
			Attach: func(segment string) func(func(string)) {
				w := &World{}
				s, err := shm.Attach(segment, w, nil)
				Check(err)
				c, err := w.Todo.Take(job(w, 2))
				Check(err)
				Check(c.Release())
				return func(func(string)) {
					_, err := s.Sweep(ctx)
					Check(err)
				}
			}},
		attached("verify", auditUsual, func(s *shm.Segment, _ *World, _ func(string)) {
			for range s.Verify() {
			}
		}),
		attached("stats", auditUsual, func(s *shm.Segment, _ *World, _ func(string)) {
			s.Stats()
			s.Claims()
		}),
		{Name: "inspect", Stage: usual, Survive: survive, Audit: auditUsual,
			Attach: func(segment string) func(func(string)) {
				return func(func(string)) {
					m, err := shm.Inspect(segment, nil)
					Check(err)
					_, err = m.Stats()
					Check(err)
					for _, err := range m.Records("jobs") {
						Check(err)
					}
					Check(m.Close())
				}
			}},
		ending("remove", false, func(segment string) error { return shm.Remove(segment, nil, false) }),
		ending("remove-force", true, func(segment string) error { return shm.Remove(segment, nil, true) }),
		ending("reset", false, func(segment string) error { return shm.Reset(segment, nil, false) }),
		ending("reset-force", true, func(segment string) error { return shm.Reset(segment, nil, true) }),
	}
}

// attached is an operation on a segment by a process that is attached to it and
// holds what hold takes.
func attached(name string, check func(testing.TB, string, map[string]bool),
	run func(*shm.Segment, *World, func(string)), hold ...func(*World)) Operation {
	op := Operation{
		Name: name, Survive: survive, Audit: check,
		Stage: func(t testing.TB, processes int) string { return stage(t, processes, nil, nil) },
		Attach: func(segment string) func(func(string)) {
			w := &World{}
			s, err := shm.Attach(segment, w, nil)
			Check(err)
			for _, h := range hold {
				h(w)
			}
			return func(ack func(string)) {
				if name == "leave-open" { // the retired record
					ack(may(5, "free"))
				}
				run(s, w, ack)
			}
		},
	}
	if name == "stop" || name == "remove-own" {
		op.Survive = outlive
	}
	return op
}

// ending is the end of a segment, by a process that is not attached.
func ending(name string, force bool, run func(segment string) error) Operation {
	op := Operation{
		Name: name, Audit: auditEmpty,
		Stage: func(t testing.TB, processes int) string { return stage(t, processes, nil, nil) },
		Attach: func(segment string) func(func(string)) {
			return func(ack func(string)) {
				Check(run(segment))
				ack("ended")
			}
		},
	}
	if force {
		op.Survive = outlive
	}
	return op
}

func setting(segment string) error {
	return shm.SetSetting(segment, "root", func(uint64) uint64 { return 7 }, nil)
}

func stageStopped(t testing.TB, processes int) string {
	t.Helper()
	name := stage(t, processes, nil, nil)
	s, err := shm.Attach(name, &World{}, nil)
	Must(t, err)
	s.Stop()
	Must(t, s.Close())
	return name
}

// auditChosen is auditEmpty for one with a setting: it is there at every instant, but
// where a segment was left retired, which whoever opens it makes anew.
func auditChosen(t testing.TB, name string, acks map[string]bool) {
	t.Helper()
	w := &World{}
	s, err := shm.Attach(name, w, nil)
	if err == nil {
		if v := w.Root.Load(); v != 7 {
			t.Errorf("the setting is %d, want 7", v)
		}
		Must(t, s.Close())
	} else if acks["ended"] || !errors.Is(err, shm.ErrRetired) {
		t.Errorf("attach: %v", err)
	}
	auditEmpty(t, name, acks)
}

// auditEmpty checks a segment that was made, or made empty, or removed, or not
// yet: whoever opens it finds a whole one, and after a removal nothing remains.
func auditEmpty(t testing.TB, name string, acks map[string]bool) {
	t.Helper()
	s, err := shm.Attach(name, &World{}, nil)
	if acks["there"] {
		Must(t, err)
	}
	if err == nil {
		Must(t, s.Close())
	} else if !errors.Is(err, shm.ErrNotExist) && !errors.Is(err, shm.ErrRetired) {
		t.Errorf("attach: %v", err)
	}
	w := &World{}
	s, err = shm.Open(name, w, nil)
	Must(t, err)
	_, err = s.Sweep(t.Context())
	Must(t, err)
	shmtest.Verify(t, s)
	if n := len(s.Processes()); n != 1 {
		t.Errorf("%d processes registered: %+v", n, s.Processes())
	}
	if n := Used(s, "jobs"); acks["ended"] && n != 0 {
		t.Errorf("ended, and %d jobs left", n)
	}
	Must(t, s.Remove())
	path := filepath.Join(dir(), name)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("removed: %v", err)
	}
	side, err := shm.SideFiles(path)
	Must(t, err)
	if len(side) != 0 {
		t.Errorf("side files: %v", side)
	}
}
