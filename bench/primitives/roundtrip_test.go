package primitives

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// ring NAME WAY CPU: send back everything that comes, polling or blocked.
	shmtest.Register("ring", func(args []string) {
		var w wire
		s, err := shm.Attach(args[0], &w, nil)
		check(err)
		cpu, err := strconv.Atoi(args[2])
		check(err)
		if args[1] == "polling" {
			pin(cpu)
		} else {
			pinAll(cpu)
		}
		for {
			c, err := get(&w.There, args[1] == "blocked")
			if errors.Is(err, shm.ErrStopped) {
				check(s.Close())
				return
			}
			check(err)
			check(w.Back.TryPut(c))
		}
	})
	shmtest.Register("cacheline", func(args []string) {
		there, back := cacheline(args[0])
		pin(1)
		for n := uint64(1); ; n++ {
			for there.Load() != n {
			}
			back.Store(n)
		}
	})
	shmtest.Register("unix", func(args []string) {
		c, err := net.Dial("unix", args[0])
		check(err)
		echo(c, c)
	})
	shmtest.Register("pipe", func(args []string) {
		there, err := os.OpenFile(args[0], os.O_RDWR, 0) // a fifo opened both ways blocks nobody
		check(err)
		back, err := os.OpenFile(args[1], os.O_RDWR, 0)
		check(err)
		echo(there, back)
	})
	// busy CPU: keep a processor busy.
	shmtest.Register("busy", func(args []string) {
		cpu, err := strconv.Atoi(args[0])
		check(err)
		pin(cpu)
		for n := uint64(1); ; {
			n *= 3
		}
	})
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func echo(from io.Reader, to io.Writer) {
	var m [8]byte
	for {
		if _, err := io.ReadFull(from, m[:]); err != nil {
			return // the test has ended
		}
		_, err := to.Write(m[:])
		check(err)
	}
}

// workers is a context that may end, as that of a worker's loop.
var workers, _ = context.WithCancel(context.Background())

func get(r *shm.Ring[cell], blocked bool) (shm.Claim[cell], error) {
	if blocked {
		return r.Get(workers)
	}
	for {
		if c, err := r.TryGet(); !errors.Is(err, shm.ErrEmpty) {
			return c, err
		}
	}
}

// trips measures one trip after the other, and then how single ones are spread:
// looking at the clock costs too much to do it in between.
func trips(b *testing.B, trip func() error) {
	for range 100 { // until the other one is there
		must(b, trip())
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := trip(); err != nil {
			b.Fatal(err)
		}
	}
	took := make([]float64, samples(b))
	last := time.Now()
	for i := range took {
		must(b, trip())
		now := time.Now()
		took[i], last = float64(now.Sub(last)), now
	}
	slices.Sort(took)
	n := len(took)
	spread(b, took[n/2], took[n*90/100], took[n*99/100], took[n*999/1000])
}

func median(v []float64) float64 {
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func samples(b *testing.B) int { return min(max(b.N, 200), 50_000) }

func spread(b *testing.B, p50, p90, p99, p999 float64) {
	b.ReportMetric(p50, "p50-ns")
	b.ReportMetric(p90, "p90-ns")
	b.ReportMetric(p99, "p99-ns")
	b.ReportMetric(p999, "p99.9-ns")
}

// ring is a record that goes to another process and back, through two rings.
func ring(b *testing.B, way string, cpus [2]int) {
	var w wire
	s := shmtest.New(b, &w, nil)
	shmtest.Child(b, "ring", s.Name(), way, strconv.Itoa(cpus[1]))
	c, err := w.Cells.TryNew()
	must(b, err)
	if way == "polling" {
		defer pin(cpus[0])()
	} else {
		defer pinAll(cpus[0])()
	}
	trips(b, func() (err error) {
		if err = w.There.TryPut(c); err == nil {
			c, err = get(&w.Back, way == "blocked")
		}
		return err
	})
	must(b, c.Free())
}

// bytes is a message of 8 bytes through the kernel.
func bytes(b *testing.B, to io.Writer, from io.Reader) {
	var m [8]byte
	trips(b, func() error {
		if _, err := to.Write(m[:]); err != nil {
			return err
		}
		_, err := io.ReadFull(from, m[:])
		return err
	})
}

// BenchmarkRoundTrip is one item to another process and back.
//
//	cacheline      both spin, each on a line that only the other one writes
//	ring           both poll two rings
//	futex-c        both sleep in the kernel, written in C
//	ring-blocking  both sleep in Get, with a context that could be cancelled
//	unix, pipe     8 bytes through the kernel
//	shmipc, go-ipc other Go libraries, 8 bytes through shared memory: shmipc sleeps,
//	               go-ipc looks a hundred times first, and here seldom has to sleep
//	place=same     both processes on one processor; apart: each on its own; without: as
//	               the kernel likes, which often decides more than anything else
//	load=2         a process on each of two processors computes all the time
func BenchmarkRoundTrip(b *testing.B) {
	b.Run("kind=cacheline", func(b *testing.B) {
		path := place(b)
		there, back := cacheline(path)
		shmtest.Child(b, "cacheline", path)
		defer pin(0)()
		n := uint64(0)
		trips(b, func() error {
			n++
			there.Store(n)
			for back.Load() != n {
			}
			return nil
		})
	})
	b.Run("kind=ring", func(b *testing.B) { ring(b, "polling", [2]int{0, 1}) })

	futex := program(b, "futex", "", "gcc libc6-dev")
	asleep := map[string]func(b *testing.B, cpus [2]int){
		"kind=futex-c": func(b *testing.B, cpus [2]int) { // as the program is asked, an op of the loop is a run
			var runs [5][]float64
			for b.Loop() {
				for i, v := range futex(b, 2000, 2000, cpus[0], cpus[1]) {
					runs[i] = append(runs[i], v)
				}
			}
			b.ReportMetric(median(runs[0]), "ns/op")
			spread(b, median(runs[1]), median(runs[2]), median(runs[3]), median(runs[4]))
		},
		"kind=ring-blocking": func(b *testing.B, cpus [2]int) { ring(b, "blocked", cpus) },
	}
	for _, load := range []string{"", "/load=2"} {
		for _, place := range []struct {
			name string
			cpus [2]int
		}{{"", [2]int{-1, -1}}, {"/place=same", [2]int{0, 0}}, {"/place=apart", [2]int{0, 1}}} {
			for _, kind := range []string{"kind=futex-c", "kind=ring-blocking"} {
				b.Run(kind+place.name+load, func(b *testing.B) {
					for cpu := 0; load != "" && cpu < 2; cpu++ {
						shmtest.Child(b, "busy", strconv.Itoa(cpu))
					}
					asleep[kind](b, place.cpus)
				})
			}
		}
	}
	b.Run("kind=unix", func(b *testing.B) {
		path := place(b)
		l, err := net.Listen("unix", path)
		must(b, err)
		defer l.Close()
		shmtest.Child(b, "unix", path)
		c, err := l.Accept()
		must(b, err)
		defer c.Close()
		bytes(b, c, c)
	})
	b.Run("kind=pipe", func(b *testing.B) {
		var ends [2]*os.File
		var paths [2]string
		for i := range ends {
			paths[i] = place(b)
			must(b, unix.Mkfifo(paths[i], 0o600))
			f, err := os.OpenFile(paths[i], os.O_RDWR, 0)
			must(b, err)
			defer f.Close()
			ends[i] = f
		}
		shmtest.Child(b, "pipe", paths[:]...)
		bytes(b, ends[0], ends[1])
	})
	b.Run("kind=shmipc", func(b *testing.B) { shmipcPair(b).trips(b) })
	b.Run("kind=go-ipc", func(b *testing.B) { goIPCPair(b).trips(b) })
}
