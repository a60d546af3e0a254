package shm

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// The first page of a segment, in words. Everything but state, sweeper and the
// registry's event is written before the segment has a name, and copied out and
// checked at attach. docs/format.md describes the whole file; a test compares.
const (
	headMagic     = 0
	headVersion   = 1
	headSize8     = 2 // bytes of the segment
	headHash      = 3 // of the layout, without capacities and places
	headSeed      = 4 // of the key hashes
	headSlots     = 5 // registry slots
	headTextAt    = 6 // description of all objects: offset, length, hash
	headTextLen   = 7
	headTextSum   = 8
	headBoot      = 9 // boot id, 16 bytes
	headCreated   = 11
	headCreator   = 12 // process id
	headState     = 32 // open, stopped or retired; on a line of its own
	headSweeper   = 48 // who sweeps, a hint; on a line of its own
	headMembers   = 64 // event: somebody joined or left; on a line of its own
	headSize      = 4096
	pageSize      = 4096
	segmentMagic  = 0x314d48532d6f47 | widthMark // "Go-SHM1" in little-endian order
	FormatVersion = 1                            // of the segment format; any change of it is a new one

	segmentOpen    = 1
	segmentStopped = 2
	segmentRetired = 3

	maxText    = 1 << 20
	maxObjects = 1000 // of a description: each costs an attacher more than its text
)

// geometry is what an attacher copies out of the header, once.
type geometry struct {
	size    uint64
	hash    uint64
	seed    uint64
	slots   uint32
	objects []Object
}

// initialise fills in the fixed part of a zeroed segment and every object.
func (c *core) initialise(l *Layout, size, seed uint64, boot [16]byte) error {
	text := l.describe(true)
	at := headSize + uint64(l.processes())*slotSize
	for i, v := range map[int]uint64{
		headVersion: FormatVersion, headSize8: size, headHash: l.hash(), headSeed: seed,
		headSlots: uint64(l.processes()), headTextAt: at, headTextLen: uint64(len(text)),
		headTextSum: xxhash.Sum64(text), headCreated: wallNow(), headCreator: uint64(getpid()),
		headBoot: binary.LittleEndian.Uint64(boot[:8]), headBoot + 1: binary.LittleEndian.Uint64(boot[8:]),
		headState: segmentOpen, headMagic: segmentMagic,
	} {
		c.mem.words(uint64(i)*8, 1)[0].store(ptInit, v)
	}
	copy(c.mem.b[at:], text)
	c.bindHead(uint32(l.processes()), seed)
	for _, o := range l.objects {
		if err := c.bindObject(o); err != nil {
			return err
		}
		if a, ok := o.(*arena); ok {
			a.fill()
		}
	}
	reach(ptInit)
	return nil
}

func (c *core) bindHead(slots uint32, seed uint64) {
	c.head = c.mem.words(0, headSize/8)
	c.nslots, c.seed = slots, seed
	c.slots = c.mem.words(headSize, uint64(slots)*slotWords)
	c.members.attach(c, headMembers*8)
}

// readGeometry checks the header of a segment whose file has the given size,
// and copies out what it says.
func readGeometry(m memory, boot [16]byte) (g geometry, err error) {
	if len(m.b) < headSize {
		return g, fmt.Errorf("%w: %d bytes", ErrNotSegment, len(m.b))
	}
	h := m.words(0, headSize/8)
	get := func(i int) uint64 { return h[i].load(ptAttachRead) }
	if get(headMagic) != segmentMagic {
		return g, ErrNotSegment
	}
	if v := get(headVersion); v != FormatVersion {
		return g, fmt.Errorf("%w: format %d, this program knows %d", ErrVersion, v, FormatVersion)
	}
	if b := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, get(headBoot)), get(headBoot+1)); boot != [16]byte{} && [16]byte(b) != boot {
		return g, ErrBoot
	}
	g.size, g.hash, g.seed = get(headSize8), get(headHash), get(headSeed)
	slots, at, n := get(headSlots), get(headTextAt), get(headTextLen)
	switch {
	case g.size > uint64(len(m.b)):
		return g, fmt.Errorf("%w: the file was truncated: %d of %d bytes are there", ErrCorrupt, len(m.b), g.size)
	case g.size != uint64(len(m.b)):
		return g, &CorruptError{"header", "size", g.size, uint64(len(m.b))}
	case slots < 1 || slots > maxSlots-1:
		return g, &CorruptError{"header", "registry slots", slots, maxSlots - 1}
	case at != headSize+slots*slotSize:
		return g, &CorruptError{"header", "offset of the description", at, headSize + slots*slotSize}
	case n > maxText || at+n > g.size:
		return g, &CorruptError{"header", "length of the description", n, min(maxText, g.size-min(at, g.size))}
	}
	g.slots = uint32(slots)
	text := make([]byte, n)
	copy(text, m.b[at:at+n])
	if sum := xxhash.Sum64(text); sum != get(headTextSum) {
		return g, &CorruptError{"header", "hash of the description", sum, get(headTextSum)}
	}
	if g.objects, err = parseObjects(text); err != nil {
		return g, fmt.Errorf("%w: description: %w", ErrCorrupt, err)
	}
	return g, nil
}

func parseObjects(text []byte) (all []Object, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, errors.Join(errors.New("want a list of objects"), err)
	}
	for d.More() {
		var o Object
		if err := d.Decode(&o); err != nil {
			return nil, err
		}
		if all = append(all, o); len(all) > maxObjects {
			return nil, fmt.Errorf("more than %d objects", maxObjects)
		}
	}
	_, err = d.Token()
	return all, err
}

// capacities is what an attacher adopts.
func (g *geometry) capacities() map[string]int {
	m := map[string]int{capProcesses: int(g.slots)}
	for _, o := range g.objects {
		if o.Capacity > 0 {
			m[o.Name] = o.Capacity
		}
	}
	return m
}

// adopt declares app with the segment's capacities and compares everything.
func (g *geometry) adopt(app Definer) (*Layout, error) {
	l, err := newLayout(app, nil)
	if err != nil {
		return nil, err
	}
	program := make([]Object, len(l.objects))
	for i, o := range l.objects {
		program[i] = *o.object()
	}
	if e := differ(g.objects, program); e != nil {
		return nil, e
	}
	if h := l.hash(); h != g.hash {
		return nil, fmt.Errorf("%w: hash %#x, this program has %#x", ErrLayout, g.hash, h)
	}
	l.capacity = g.capacities()
	l.errs = nil
	for i, o := range l.objects {
		d := o.object()
		d.Capacity = g.objects[i].Capacity
		switch d.Kind {
		case KindArena:
			l.checkCapacity(d, maxRecords)
		case KindSemaphore:
			l.checkCapacity(d, maxPermits)
		}
		if k, ok := o.(*Counters); ok {
			k.n = uint64(g.slots)
		}
	}
	if len(l.errs) > 0 {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, l.errs[0])
	}
	return l, g.checkPlaces(l)
}

// checkPlaces computes every place again and compares it with the segment's.
func (g *geometry) checkPlaces(l *Layout) error {
	size := l.place()
	for i, o := range l.objects {
		d := o.object()
		if s := g.objects[i]; s.Offset != d.Offset || s.Bytes != d.Bytes {
			return &CorruptError{d.Name, "place", s.Offset, d.Offset}
		}
	}
	if size != g.size {
		return &CorruptError{"header", "size", g.size, size}
	}
	return nil
}
