package primitives

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/puzpuzpuz/xsync/v4"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

const (
	throughputWindow = 256 // messages on their way
	mostBatch        = 32
	rteMessages      = 20_000 // in a run of the program
)

func init() {
	// shuttle NAME PAIRS BATCH COUNTS PLACE: take from one ring, put into the other.
	// With a place above 0, from the second into the first, and count there.
	shmtest.Register("shuttle", func(args []string) {
		var w wire
		_, err := shm.Attach(args[0], &w, nil)
		check(err)
		var n [3]int
		for i, a := range []string{args[1], args[2], args[4]} {
			n[i], err = strconv.Atoi(a)
			check(err)
		}
		sh := newShuttle(n[0], n[1])
		if !sh.yields {
			pin(1)
		}
		counts := bareWords(args[3], countWords)
		for at := n[2]; ; {
			if at == 0 {
				_, err = sh.move(&w.There, &w.Back)
			} else {
				var moved int
				moved, err = sh.move(&w.Back, &w.There)
				count(counts, at).Add(int64(moved))
			}
			check(err)
		}
	})
}

const countWords = 8 * apart

func count(words []uint64, at int) *atomic.Int64 {
	return (*atomic.Int64)(unsafe.Pointer(&words[at*apart]))
}

// shuttle moves up to batch records from ring to ring, as one side does.
type shuttle struct {
	yields bool // more processes than processors
	claims []shm.Claim[cell]
}

func newShuttle(pairs, batch int) *shuttle {
	return &shuttle{2*pairs > runtime.NumCPU(), make([]shm.Claim[cell], batch)}
}

func (s *shuttle) move(from, to *shm.Ring[cell]) (n int, err error) {
	if len(s.claims) == 1 {
		var c shm.Claim[cell]
		if c, err = from.TryGet(); err == nil {
			return 1, to.TryPut(c)
		}
	} else if n, err = from.TryGetAll(s.claims); n > 0 {
		return to.TryPutAll(s.claims[:n])
	}
	if !errors.Is(err, shm.ErrEmpty) {
		return 0, err
	}
	if s.yields {
		yield()
	}
	return 0, nil
}

// ringThroughput is the workload of testdata/rtering.c, step by step.
func ringThroughput(b *testing.B, pairs, batch int) {
	var w wire
	s := shmtest.New(b, &w, nil)
	path := place(b)
	counts := bareWords(path, countWords)
	defer unmapWords(counts)
	for i := 1; i < 2*pairs; i++ {
		at := 0
		if i < pairs {
			at = i
		}
		shmtest.Child(b, "shuttle", s.Name(), strconv.Itoa(pairs), strconv.Itoa(batch), path, strconv.Itoa(at))
	}
	sh := newShuttle(pairs, batch)
	if !sh.yields {
		defer pin(0)()
	}
	for range throughputWindow {
		c, err := w.Cells.TryNew()
		must(b, err)
		must(b, w.There.TryPut(c))
	}
	mine, others := 0, 0
	move := func() (total int) {
		n, err := sh.move(&w.Back, &w.There)
		if err != nil {
			b.Fatal(err)
		}
		mine += n
		if pairs > 1 && mine%64 == 0 {
			others = 0
			for i := 1; i < pairs; i++ {
				others += int(count(counts, i).Load())
			}
		}
		return mine + others
	}
	seen := 0
	for seen < throughputWindow { // until all are at work
		seen = move()
	}
	b.ResetTimer()
	m := startMeter(seen)
	for end := seen + b.N; seen < end; {
		seen = move()
		m.look(seen)
	}
	m.report(b)
}

// meter measures messages there and back: all of them, and every thousand, of
// which the median says what they took while the machine did nothing else.
type meter struct {
	last time.Time
	seen int
	each []float64
}

const slice = 1000

func startMeter(seen int) *meter { return &meter{last: time.Now(), seen: seen} }

func (m *meter) look(total int) {
	if n := total - m.seen; n >= slice {
		now := time.Now()
		m.each = append(m.each, float64(now.Sub(m.last))/float64(n))
		m.last, m.seen = now, total
	}
}

func (m *meter) report(b *testing.B) {
	mean := float64(b.Elapsed()) / float64(b.N)
	if len(m.each) == 0 {
		m.each = []float64{mean}
	}
	transfers(b, mean, median(m.each))
}

// transfers reports the time of a message there and back, in ns.
func transfers(b *testing.B, mean, median float64) {
	b.ReportMetric(mean, "ns/op")
	b.ReportMetric(median, "median-ns")
	b.ReportMetric(2e9/median, "transfers/s")
}

// BenchmarkThroughput is messages through two queues, there and back, with 256 of
// them on their way; an op is one message, which is two transfers. Every producer
// and every consumer is a process, but in kind=vyukov, where both are goroutines.
// batch is how many one call takes and puts at most. transfers/s is of the median
// of every thousand messages, ns/op the mean, which other work on the machine moves.
func BenchmarkThroughput(b *testing.B) {
	rte := program(b, "rtering", "libdpdk", "gcc libc6-dev libdpdk-dev pkg-config")
	for _, pairs := range []int{1, 2} {
		for _, batch := range []int{1, mostBatch} {
			shape := fmt.Sprintf("/producers=%d/consumers=%[1]d/batch=%d", pairs, batch)
			b.Run("kind=ring"+shape, func(b *testing.B) { ringThroughput(b, pairs, batch) })
			b.Run("kind=rte_ring"+shape, func(b *testing.B) {
				var means, medians []float64
				for b.Loop() {
					v := rte(b, pairs, batch, rteMessages)
					means, medians = append(means, v[0]), append(medians, v[1])
				}
				transfers(b, median(means), median(medians))
			})
		}
	}
	single := "/producers=1/consumers=1/batch=1"
	b.Run("kind=shmipc"+single, func(b *testing.B) { shmipcPair(b).throughput(b) })
	b.Run("kind=go-ipc"+single, func(b *testing.B) { goIPCPair(b).throughput(b) })
	b.Run("kind=vyukov"+single, vyukovThroughput)
}

func vyukovThroughput(b *testing.B) {
	there, back := xsync.NewMPMCQueue[uint64](1024), xsync.NewMPMCQueue[uint64](1024)
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer pin(1)()
		for !stop.Load() {
			if v, ok := there.TryDequeue(); ok {
				back.TryEnqueue(v)
			}
		}
	}()
	defer pin(0)()
	for i := range throughputWindow {
		there.TryEnqueue(uint64(i))
	}
	b.ResetTimer()
	m := startMeter(0)
	for n := 0; n < b.N; {
		if v, ok := back.TryDequeue(); ok {
			there.TryEnqueue(v)
			n++
			m.look(n)
		}
	}
	m.report(b)
	stop.Store(true)
	<-done
}
