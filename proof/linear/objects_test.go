//go:build linux && (amd64 || arm64)

package linear

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
)

// What the clients do. Each model has a kind of object of its own; all of them
// lie in one segment, with the cells that start and end a window.
type yard struct {
	Items  shm.Arena[world.Job]
	Queue  shm.Ring[world.Job]
	Named  shm.Arena[world.Job]
	ByName shm.Index[world.Job, world.Key]
	Slots  shm.Semaphore
	Window shm.Cell          // number of the window that runs
	Done   [clients]shm.Cell // the last window that a client has finished
}

const (
	ringRoom = 4
	permits  = 2
	keys     = 3
)

func (y *yard) Define(l *shm.Layout) {
	y.Items.Define(l, "items", ringRoom)
	y.Queue.Define(l, "queue", &y.Items)
	y.Named.Define(l, "named", 256)
	y.ByName.Define(l, "by-name", &y.Named)
	y.Slots.Define(l, "slots", permits)
	y.Window.Define(l, "window")
	for i := range y.Done {
		y.Done[i].Define(l, fmt.Sprint("done-", i))
	}
}

// Results of calls, where they are no number of something.
const (
	no  = 0
	yes = 1
)

// not tells whether the call said no; anything else than the given errors ends
// the process, which the test reports.
func not(err error, also ...error) bool {
	if err == nil {
		return false
	}
	for _, e := range also {
		if errors.Is(err, e) {
			return true
		}
	}
	panic(err)
}

// mine tells whether the call found that the caller still had what it was given.
// No model accepts a no: somebody else has had it meanwhile.
func mine(err error) uint64 {
	if not(err, shm.ErrStale) {
		return no
	}
	return yes
}

// A client is one process in one window.
type client struct {
	*recorder
	y      *yard
	m      *objects.SharedMemory
	rng    *rand.Rand
	id     uint64 // of the client and the window, for keys and values
	window uint64
}

// Operations, as they stand on the tape.
const (
	opNew uint64 = iota
	opPut
	opGet
	opFree
	opInsert
	opLookup
	opRetire
	opEnd
	opAcquire
	opRelease
	opLaunch
	opFind
	opClaim
	opAdvance
	opFinish
	opStatus
	opRecover // the sweep of a dead client's things
)

var opNames = [...]string{"new", "put", "get", "free", "insert", "lookup", "retire", "end", "acquire", "release", "launch", "find", "claim", "advance", "finish", "status", "recover"}

// ring makes an item and puts it, or gets one and frees it.
func (c *client) ring() {
	var k shm.Claim[world.Job]
	var err error
	if c.rng.IntN(2) == 0 {
		if c.do(opNew, 0, func() uint64 {
			if k, err = c.y.Items.TryNew(); not(err, shm.ErrFull) {
				return no
			}
			return yes
		}) == no {
			return
		}
		c.id++
		k.Record().Number = c.id
		c.do(opPut, c.id, func() uint64 { return mine(c.y.Queue.TryPut(k)) })
		return
	}
	v := c.do(opGet, 0, func() uint64 {
		if k, err = c.y.Queue.TryGet(); not(err, shm.ErrEmpty) {
			return no
		}
		return k.Record().Number
	})
	if v != no {
		c.do(opFree, v, func() uint64 { return mine(k.Free()) })
	}
}

// index inserts, looks up and retires records of few keys. An answer of insert is
// the reference and whether it is new, in the lowest bit.
func (c *client) index() {
	key := uint64(c.rng.IntN(keys))
	name := world.KeyOf(fmt.Sprint("key ", key))
	switch c.rng.IntN(3) {
	case 0:
		k, err := c.y.Named.TryNew()
		world.Check(err)
		k.Record().Key = name
		c.do(opInsert, key, func() uint64 {
			r, created, err := c.y.ByName.Insert(k, nil)
			world.Check(err)
			return answer(short(r.Uint64()), created)
		})
	default:
		var r shm.Ref[world.Job]
		if c.do(opLookup, key, func() (found uint64) {
			r, found = c.y.find(name)
			return found
		}) == no || c.rng.IntN(2) == 0 {
			return
		}
		in := short(r.Uint64()) | key<<keyShift
		var k shm.Claim[world.Job]
		var err error
		if c.do(opRetire, in, func() uint64 {
			if k, err = c.y.Named.Retire(r); not(err, shm.ErrStale, shm.ErrGone) {
				return no
			}
			return yes
		}) == yes {
			c.do(opEnd, in, func() uint64 { return mine(k.Free()) })
		}
	}
}

func (y *yard) find(name world.Key) (shm.Ref[world.Job], uint64) {
	r, ok, err := y.ByName.Lookup(name)
	world.Check(err)
	if !ok {
		return r, no
	}
	return r, short(r.Uint64())
}

// short is a reference without its arena: 50 bits, never 0. The key, and whether
// a record is new, fit beside it.
func short(r uint64) uint64 { return r & (1<<50 - 1) }

const keyShift = 52

func answer(r uint64, created bool) uint64 {
	if created {
		return r<<1 | 1
	}
	return r << 1
}

func (c *client) semaphore() {
	var p shm.Permit
	var err error
	if c.do(opAcquire, 0, func() uint64 {
		if p, err = c.y.Slots.TryAcquire(); not(err, shm.ErrEmpty) {
			return no
		}
		return yes
	}) == yes {
		c.do(opRelease, 0, func() uint64 { return mine(p.Release()) })
	}
}

const urls = 2 // of one window; the first is a direct search

func query(window, i uint64) objects.Query {
	return objects.Query{URL: fmt.Sprint("https://example.org/", window, "/", i), Direct: i == 0}
}

func number(id objects.UserID) uint64 {
	n, err := strconv.ParseUint(id.String()[1:], 36, 64)
	world.Check(err)
	return short(n)
}

// users launches, finds, claims and brings on requests. A claim that finds
// nothing in its time is no answer and is left out of the history.
func (c *client) users() {
	ctx := context.Background()
	i := uint64(c.rng.IntN(urls))
	switch c.rng.IntN(6) {
	case 0, 1:
		c.do(opLaunch, i, func() uint64 {
			id, created, err := c.m.Users.Launch(ctx, query(c.window, i))
			world.Check(err)
			return answer(number(id), created)
		})
	case 2:
		c.look(i)
	default:
		c.work(objects.Step(1 + c.rng.IntN(3)))
	}
}

// look finds a request and loads it. The status on the tape is one more than the
// tree's: where the model's stages begin.
func (c *client) look(i uint64) {
	ctx := context.Background()
	var id objects.UserID
	if c.do(opFind, i, func() uint64 {
		found, ok, err := c.m.Users.Lookup(ctx, query(c.window, i))
		world.Check(err)
		if !ok {
			return no
		}
		id = found
		return number(id)
	}) != no {
		c.do(opStatus, i, func() uint64 {
			var r objects.UserRequest
			world.Check(c.m.Users.Load(ctx, id, &r))
			return uint64(r.Status) + 1
		})
	}
}

func (c *client) work(step objects.Step) {
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Microsecond)
	defer cancel()
	var k objects.UserClaim
	var err error
	who := c.do(opClaim, uint64(step), func() uint64 {
		if k, err = c.m.Users.Claim(ctx, nil, step); not(err, context.DeadlineExceeded) {
			return no
		}
		for i := range uint64(urls) {
			if query(c.window, i).URL == k.Request().Query.URL {
				return i + 1
			}
		}
		panic("a request of another window: " + k.Request().Query.URL)
	})
	if who == no {
		return
	}
	ctx = context.Background()
	op := opAdvance
	if step == objects.Step3 {
		op = opFinish
	}
	c.do(op, who-1, func() uint64 {
		switch step {
		case objects.Step1:
			err = k.LinkFound(ctx, []objects.Account{{ID: 1, Name: "one"}}, nil, time.Time{})
		case objects.Step2:
			err = k.Indexed(ctx)
		default:
			err = k.Finish(ctx, nil)
		}
		return mine(err)
	})
}
