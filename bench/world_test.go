package bench

import "testing"

// world is one mode, started: a memory that lasts as long as the benchmark that
// made it, with a client in this process.
type world struct {
	mode    mode
	addr    string
	servers []*process
	memory  memory
}

// usualUsers has room above the requests that an operation has in memory at a
// time, a batch, and for no more ended ones than every mode can make beforehand.
const usualUsers = 1024

// newWorld skips the benchmark, and says how to install it, when the mode is
// missing.
func newWorld(tb testing.TB, m mode, s size) *world {
	if why := m.missing(); why != "" {
		tb.Skip(why)
	}
	w := &world{mode: m}
	w.addr, w.servers = m.serve(tb, s)
	var err error
	if w.memory, err = m.open(tb, w.addr); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := w.memory.Close(); err != nil {
			tb.Error(err)
		}
	})
	return w
}

// newFullWorld is one whose table is full, of ended requests but for s.fill: from
// the first launch on, launching frees ended ones, in every mode alike.
func newFullWorld(tb testing.TB, m mode, s size) *world {
	w := newWorld(tb, m, s)
	if err := launchAndEnd(nil, w.memory, s.users-s.fill); err != nil {
		tb.Fatal(err)
	}
	return w
}

// measure runs an operation b.N times, after a few that are not measured. args
// are for a Python client, which has the operation under its own name, and runs it
// a hundred times at least: what it prepares would keep b.N at 1.
func (w *world) measure(b *testing.B, o op, args ...any) {
	b.Helper()
	if c, ok := w.memory.(*pyroClient); ok {
		_, err := c.run(o.name, 10, args...)
		if err != nil {
			b.Fatal(err)
		}
		b.ResetTimer()
		n := max(b.N, 100)
		took, err := c.run(o.name, n, args...)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(took)/float64(n), "ns/op")
		return
	}
	if err := o.run(b, w.memory, 100); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs() // of the client
	b.ResetTimer()
	b.StartTimer()
	if err := o.run(b, w.memory, b.N); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
}

// shared is for benchmarks whose sub-benchmarks use one world for each key: it
// is made with the first that runs, and lasts until b ends.
func shared[K comparable](b *testing.B, make func(testing.TB, K) *world) func(*testing.B, K) *world {
	worlds := map[K]*world{}
	return func(sub *testing.B, key K) *world {
		if worlds[key] == nil {
			worlds[key] = make(&lasting{sub, b}, key)
		}
		return worlds[key]
	}
}

// lasting fails and skips one benchmark, and cleans up after another.
type lasting struct {
	testing.TB
	parent testing.TB
}

func (l *lasting) Cleanup(f func()) { l.parent.Cleanup(f) }
func (l *lasting) TempDir() string  { return l.parent.TempDir() }
