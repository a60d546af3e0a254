//go:build linux && (amd64 || arm64)

package linear

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
)

// The parent's calls at the end of a window belong to the history: they show what
// is left.

func (c *client) drainRing() {
	for {
		var k shm.Claim[world.Job]
		if c.do(opGet, 0, func() uint64 {
			var err error
			if k, err = c.y.Queue.TryGet(); not(err, shm.ErrEmpty) {
				return no
			}
			return k.Record().Number
		}) == no {
			return
		}
		c.do(opFree, k.Record().Number, func() uint64 { return mine(k.Free()) })
	}
}

func (c *client) drainIndex() {
	for key := range uint64(keys) {
		var r shm.Ref[world.Job]
		if c.do(opLookup, key, func() (found uint64) {
			r, found = c.y.find(world.KeyOf(fmt.Sprint("key ", key)))
			return found
		}) != no {
			k, err := c.y.Named.Retire(r)
			world.Check(err)
			world.Check(k.Free())
		}
	}
}

func (c *client) drainSemaphore() {
	var all []shm.Permit
	for {
		var p shm.Permit
		if c.do(opAcquire, 0, func() uint64 {
			var err error
			if p, err = c.y.Slots.TryAcquire(); not(err, shm.ErrEmpty) {
				return no
			}
			return yes
		}) == no {
			break
		}
		all = append(all, p)
	}
	for _, p := range all {
		c.do(opRelease, 0, func() uint64 { return mine(p.Release()) })
	}
}

func (c *client) drainUsers() {
	for i := range uint64(urls) {
		c.look(i)
	}
	for step := objects.Step1; step <= objects.Step3; step++ {
		for {
			if n, err := c.m.Users.Queued(context.Background(), step); err != nil || n == 0 {
				world.Check(err)
				break
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			k, err := c.m.Users.Claim(ctx, nil, step)
			cancel()
			world.Check(err)
			world.Check(k.Fail(context.Background(), objects.NotAnURL))
		}
	}
}

// judge makes the history of a window and has it checked, part by part.
func (h *herd) judge(about subject, victim int, killed, swept int64, last []entry, sum *tally) {
	var all []porcupine.Operation
	add := func(client int, e entry, open bool) {
		part, ok := about.part(e)
		switch {
		case open && e.op == opClaim: // of whichever request
			for part := range about.parts {
				all = append(all, operation(client, e, part, open))
			}
		case open && (e.op == opLookup || e.op == opFind || e.op == opStatus): // changes nothing, says nothing
		case ok:
			all = append(all, operation(client, e, part, open))
		}
	}
	for i := range clients {
		entries := h.tape.entries(i)
		for _, e := range entries {
			switch {
			case e.state == 2:
				add(i, e, false)
			case i == victim:
				e.returned = swept
				add(i, e, true)
				sum.open++
			default:
				h.t.Fatalf("%s: client %d has not finished a call", about.name, i)
			}
		}
		if i == victim {
			for part := range about.parts {
				e := entry{op: opRecover, in: had(entries, about, part), call: killed, returned: swept}
				all = append(all, operation(clients+1, e, part, false))
			}
		}
	}
	for _, e := range last {
		add(clients, e, false)
	}
	sum.histories++
	sum.operations += len(all)
	for part := range about.parts {
		history := slices.DeleteFunc(slices.Clone(all), func(o porcupine.Operation) bool { return o.Input.(input).part != part })
		result := porcupine.Illegal
		if victim < 0 || about.name != "ring" { // which records a dead process had is not followed
			result = porcupine.CheckOperationsTimeout(about.check(part, false), history, time.Minute)
		}
		if result == porcupine.Illegal {
			result = porcupine.CheckOperationsTimeout(about.check(part, true), history, time.Minute)
			if victim < 0 || about.name != "ring" {
				sum.relaxed++
			}
		}
		if result != porcupine.Ok {
			h.t.Errorf("%s: window %d, part %d: %s; no order explains\n%s", about.name, h.number, part, result, text(history))
		}
	}
}

func operation(client int, e entry, part uint64, open bool) porcupine.Operation {
	return porcupine.Operation{ClientId: client, Input: input{e.op, e.in, open, part}, Output: e.out, Call: e.call, Return: e.returned}
}

// had is what a dead client surely had when it died: what its last call but the
// unknown one gave it.
func had(entries []entry, about subject, part uint64) uint64 {
	if len(entries) == 0 {
		return 0
	}
	e := entries[len(entries)-1]
	if p, ok := about.part(e); e.state != 2 || !ok || p != part || e.out == no {
		return 0
	}
	switch e.op {
	case opGet, opClaim:
		return e.out
	case opRetire:
		return e.in
	case opAcquire:
		return yes
	}
	return 0
}

func text(history []porcupine.Operation) string {
	slices.SortFunc(history, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var b strings.Builder
	for _, o := range history {
		in := o.Input.(input)
		fmt.Fprintf(&b, "client %d  %9d .. %9d  %s %d -> %v", o.ClientId, o.Call-history[0].Call, o.Return-history[0].Call, opNames[in.op], in.in, o.Output)
		if in.unknown {
			b.WriteString(" ? (killed)")
		}
		b.WriteByte('\n')
	}
	return b.String()
}
