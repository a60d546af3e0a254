//go:build linux && (amd64 || arm64)

package linear

import (
	"encoding/binary"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/aotf/sharedmem/proof/world"
)

// A tape is where the processes of a window write what they call and what they
// get: a file mapped by all, a part for each process, so that writing costs
// nothing that would keep the calls apart, and survives the writer. It has
// nothing to do with the library that is tested.
type tape struct{ b []byte }

const (
	mostOps   = 64 // of one process in one window
	entrySize = 48
	partSize  = mostOps * entrySize
)

// An entry is one call. Its state is written last.
type entry struct {
	state    uint64 // 0 none, 1 called, 2 returned
	op       uint64
	in, out  uint64
	call     int64
	returned int64
}

func openTape(path string) tape {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	world.Check(err)
	defer f.Close()
	world.Check(f.Truncate(clients * partSize))
	b, err := unix.Mmap(int(f.Fd()), 0, clients*partSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	world.Check(err)
	return tape{b}
}

func (t tape) clear() { clear(t.b) }

// now is one clock for all processes.
func now() int64 {
	var ts unix.Timespec
	world.Check(unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts))
	return ts.Nano()
}

// A recorder is one process's part of the tape.
type recorder struct {
	part []byte
	n    int
}

func (t tape) recorder(client int) *recorder {
	return &recorder{part: t.b[client*partSize : (client+1)*partSize]}
}

var fence atomic.Uint64

// do records one call. Killed in it, the entry says called.
func (r *recorder) do(op, in uint64, call func() uint64) uint64 {
	pause()
	e := r.part[r.n*entrySize:]
	r.n++
	put := binary.LittleEndian.PutUint64
	put(e[8:], op)
	put(e[16:], in)
	put(e[32:], uint64(now()))
	fence.Add(1) // the order in which others see the stores
	put(e, 1)
	fence.Add(1)
	out := call()
	put(e[24:], out)
	put(e[40:], uint64(now()))
	fence.Add(1)
	put(e, 2)
	return out
}

func (r *recorder) full() bool { return r.n >= mostOps-4 }

// entries are those of one client.
func (t tape) entries(client int) []entry { return t.recorder(client).entries() }

func (r *recorder) entries() (list []entry) {
	get := binary.LittleEndian.Uint64
	for b := r.part; len(b) > 0 && get(b) != 0; b = b[entrySize:] {
		list = append(list, entry{get(b), get(b[8:]), get(b[16:]), get(b[24:]), int64(get(b[32:])), int64(get(b[40:]))})
	}
	return list
}
