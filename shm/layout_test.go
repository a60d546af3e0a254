//go:build !tinywidth

package shm

import (
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// The numbers of the segment format, written out. A change of any of them is a
// new FormatVersion.
func TestFormat_Numbers(t *testing.T) {
	for _, c := range []struct {
		what      string
		got, want uint64
	}{
		{"version", FormatVersion, 1}, {"magic", segmentMagic, 0x314d48532d6f47},
		{"head magic", headMagic, 0}, {"head version", headVersion, 1}, {"head size", headSize8, 2}, {"head hash", headHash, 3},
		{"head seed", headSeed, 4}, {"head slots", headSlots, 5}, {"head text at", headTextAt, 6}, {"head text length", headTextLen, 7},
		{"head text sum", headTextSum, 8}, {"head boot", headBoot, 9}, {"head created", headCreated, 11}, {"head creator", headCreator, 12},
		{"head state", headState, 32}, {"head sweeper", headSweeper, 48}, {"head members", headMembers, 64}, {"head page", headSize, 4096},
		{"open", segmentOpen, 1}, {"stopped", segmentStopped, 2}, {"retired", segmentRetired, 3},
		{"slot word", slotWord, 0}, {"slot pid", slotPID, 1}, {"slot pid namespace", slotPIDNS, 2}, {"slot joined", slotJoined, 3},
		{"slot waiting", slotWaiting, 4}, {"slot noticed", slotNoticed, 5}, {"slot swept", slotSwept, 6}, {"slot uid", slotUID, 7},
		{"slot name", slotName, 8}, {"slot size", slotSize, 256}, {"slot free", slotFree, 0}, {"slot alive", slotAlive, 1}, {"slot dead", slotDead, 2},
		{"slot value", slotValue(5, slotDead), 5<<8 | 2},
		{"line", hotLine, 128}, {"page", pageSize, 4096}, {"bits per word", bitsPerWord, 48},
		{"state", uint64(header(0).with(Retiring, 0, 0)), 5 << 60}, {"queue", uint64(header(0).with(0, 63, 0)), 63 << 54},
		{"owner", uint64(header(0).with(0, 0, 1023)), 1023 << 44}, {"attempt", uint64(header(0).withAttempt(9)), 3 << 42},
		{"life", uint64(header(0).nextLife()), 1 << 16}, {"last life", uint64(header(1<<42 - 1).nextLife()), 1<<16 | 0xffff},
		{"turn", uint64(header(0).nextTurn()), 1}, {"last turn", uint64(header(0xffff).nextTurn()), 0},
		{"new", uint64(New), 1}, {"posted", uint64(Posted), 2}, {"owned", uint64(Owned), 3}, {"settled", uint64(Settled), 4}, {"retiring", uint64(Retiring), 5},
		{"ref", uint64(makeRef(3, header(7<<16), 9)), 3<<50 | 7<<24 | 9},
		{"ring slot", slotOf(3, 5, 7), 3<<40 | 5<<24 | 7},
		{"cell died", cellDied, 1 << 63}, {"cell slot", cellSlot, 53}, {"cell generation", cellGen, 32}, {"cell generation mask", cellGenMask, 1<<21 - 1},
		{"control version", ctlVersion, 34}, {"control second line", ctlSecond, 1 << 33}, {"control op", ctlOp, 31}, {"control place", ctlPlace, 24},
		{"op insert", opInsert, 1}, {"op delete", opDelete, 2},
		{"entry full", entryFull, 1 << 63}, {"entry", entryFrag(5<<50 | 6<<24 | 7), 5}, {"entry life", uint64(entryLife(5<<50 | 6<<24 | 7)), 6},
		{"entry record", uint64(entryRecord(5<<50 | 6<<24 | 7)), 7}, {"bucket", bucketWords, 16}, {"per bucket", perBucket, 15}, {"first line", firstLine, 7},
		{"records", maxRecords, 1<<24 - 2}, {"arenas", maxArenas, 255}, {"queues", maxQueues, 63}, {"slots", maxSlots, 1023}, {"permits", maxPermits, 4096},
		{"blob head", blobHead, 16},
		{"step", step(1<<33|5<<34, opDelete, 3, 9), 6<<34 | 1<<33 | 2<<31 | 3<<24 | 9},
	} {
		if c.got != c.want {
			t.Errorf("%s is %#x, want %#x", c.what, c.got, c.want)
		}
	}
}

func TestFormat_Sizes(t *testing.T) {
	arenaOf := func(n, record int, tickets bool) *arena {
		return &arena{obj: Object{Capacity: n, Tickets: tickets, Record: &RecordType{Size: record}}}
	}
	for _, c := range []struct {
		n, record int
		tickets   bool
		parts     [5]uint64
	}{ // event; headers; bitmap; ticket counter and tickets; records, end
		{1, 8, false, [5]uint64{128, 256, 384, 384, 448}},
		{64, 72, false, [5]uint64{128, 640, 768, 768, 768 + 64*128}},
		{64, 72, true, [5]uint64{128, 640, 768, 1408, 1408 + 64*128}},
		{100, 64, true, [5]uint64{128, 128 + 1024, 1152 + 128, 1280 + 128 + 896, 2304 + 6400}},
	} {
		if got := arenaOf(c.n, c.record, c.tickets).parts(); got != c.parts {
			t.Errorf("arena of %d records of %d bytes: %v, want %v", c.n, c.record, got, c.parts)
		}
	}
	a := arenaOf(100, 64, false)
	r, b, x := &ring{}, &bag{}, &index{arena: a}
	r.arena, b.arena = a, a
	for what, c := range map[string][2]uint64{
		"ring":      {r.size(), 384 + 128*8},
		"bag":       {b.size(), 128 + 3*8},
		"index":     {x.size(), 64 * 128},
		"semaphore": {(&Semaphore{obj: Object{Capacity: 3}}).size(), 128 + 24},
		"event":     {(&Event{}).size(), 128},
		"cell":      {(&Cell{}).size(), 8},
		"counters":  {(&Counters{n: 64, row: 16}).size(), 64 * 128},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %d, want %d", what, c[0], c[1])
		}
	}
}

// A header's record is found by its place and the other way round.
func TestFormat_Columns(t *testing.T) {
	for _, n := range []int{1, 2, 7, 8, 9, 63, 64, 65, 1000} {
		a := &arena{obj: Object{Capacity: n, Record: &RecordType{Size: 8}}, n: uint32(n)}
		shift, total := a.columns()
		a.column, a.headers = shift, make([]word, total)
		seen := map[*word]bool{}
		for i := range a.n {
			w := a.head(i)
			if seen[w] {
				t.Fatalf("%d records: two in one place", n)
			}
			seen[w] = true
			w.v = uint64(i) + 1
		}
		for p := range a.headers {
			if i, ok := a.indexAt(p); ok != (a.headers[p].v != 0) || ok && a.headers[p].v != uint64(i)+1 {
				t.Fatalf("%d records: place %d is of %d (%v), and has %d", n, p, i, ok, a.headers[p].v)
			}
		}
	}
}

func TestField_Refuses(t *testing.T) {
	type pad struct {
		A uint32
		B uint64
	}
	type tail struct {
		A uint64
		B uint32
	}
	type nested struct{ In struct{ P *int } }
	for _, c := range []struct {
		rec  any
		says []string
	}{
		{struct{ P *int }{}, []string{".P", "*int"}},
		{struct{ S []byte }{}, []string{".S", "[]uint8"}},
		{struct{ S string }{}, []string{".S", "string"}},
		{struct{ M map[int]int }{}, []string{".M", "map[int]int"}},
		{struct{ I int }{}, []string{".I", "int"}},
		{struct{ I uint }{}, []string{".I", "uint"}},
		{struct{ I uintptr }{}, []string{".I", "uintptr"}},
		{struct{ F func() }{}, []string{".F", "func()"}},
		{struct{ C chan int }{}, []string{".C", "chan int"}},
		{struct{ I any }{}, []string{".I", "interface"}},
		{struct{ C complex128 }{}, []string{".C", "complex128"}},
		{struct{ T time.Time }{}, []string{".T", "hidden padding", "int64"}[:1]},
		{struct{ A [2]string }{}, []string{".A", "string"}},
		{struct{ A [0]uint64 }{}, []string{"size"}},
		{nested{}, []string{".In", ".P", "*int"}},
		{pad{}, []string{"pad.B", "4 bytes of hidden padding"}},
		{tail{}, []string{"tail", "4 bytes of hidden padding at its end"}},
		{struct{ A uint32 }{}, []string{"multiple of 8"}},
		{struct{}{}, []string{"size"}},
		{uint64(1), []string{"uint64 is not a struct"}},
		{struct {
			A uint64 `shm:"what"`
		}{}, []string{".A", `"what"`}},
		{struct {
			A uint64 `shm:"text"`
		}{}, []string{".A", "text"}},
		{struct {
			A [8]byte `shm:"addr"`
		}{}, []string{".A", "addr"}},
		{struct {
			A float64 `shm:"flags=a|b"`
		}{}, []string{".A", "flags"}},
		{struct {
			A int64 `shm:"low=3"`
		}{}, []string{".A", "low"}},
		{struct {
			A uint8 `shm:"low=8"`
			_ [7]byte
		}{}, []string{".A", "low"}},
		{struct {
			A [8]byte `shm:"low=8"`
		}{}, []string{".A", "low"}},
		{struct {
			A float64 `shm:"boot"`
		}{}, []string{".A", "boot"}},
		{struct {
			A uint64 `shm:"phase=x"`
		}{}, []string{".A", "phase"}},
		{struct {
			A uint64 `shm:"phase=101"`
		}{}, []string{".A", "phase"}},
	} {
		_, _, err := recordType(reflect.TypeOf(c.rec))
		if !errors.Is(err, ErrDeclaration) {
			t.Errorf("%T: %v", c.rec, err)
			continue
		}
		for _, s := range c.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%T: %q does not say %q", c.rec, err, s)
			}
		}
	}
	type shared struct {
		A uint32
		B uint32 `shm:"phase=1"`
	}
	rt, _, err := recordType(reflect.TypeFor[shared]())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rt.publishedSpans(); !errors.Is(err, ErrDeclaration) || !strings.Contains(err.Error(), "share a word") {
		t.Errorf("two phases in one word: %v", err)
	}
}

func TestField_PartOfANumber(t *testing.T) {
	type parts struct {
		State Word  `shm:"flags=open|shut,low=2"`
		Kind  uint8 `shm:"enum=none|one|two,low=2"`
		Low   uint8 `shm:"low=4"`
		_     [6]byte
		Since time.Duration `shm:"boot"`
		Seen  Word          `shm:"boot"`
	}
	rt, _, err := recordType(reflect.TypeFor[parts]())
	if err != nil {
		t.Fatal(err)
	}
	if err := rt.check(); err != nil {
		t.Error(err)
	}
	b := make([]byte, rt.Size)
	put := func(at int, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }
	put(0, 0xabc<<2|2)
	b[8], b[9] = 0xf0|2, 0xf0|7
	put(16, uint64(time.Minute))
	want := []Value{{"State", "shut"}, {"Kind", "two"}, {"Low", uint64(7)}, {"Since", "1m0s"}, {"Seen", nil}}
	if got := fieldValues(rt.Fields, b, 0, &core{}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := fieldValues(rt.Fields, b, 0, &core{otherBoot: true})[3].Value; got != "1m0s after an earlier boot" {
		t.Errorf("in a segment of an earlier boot: %v", got)
	}
	rt.Fields[0].Low = 64
	if rt.check() == nil {
		t.Error("64 bits are a part of a word")
	}
}

func TestField_Kinds(t *testing.T) {
	type in struct{ X, Y uint32 }
	type all struct {
		Text  [16]byte `shm:"text"`
		Addr  [16]byte `shm:"addr"`
		Raw   [8]byte
		Enum  uint8 `shm:"enum=a|b"`
		Yes   bool
		Flags uint16 `shm:"flags=x|y"`
		F     float32
		When  int64 `shm:"time"`
		D     time.Duration
		Ref   Ref[in]
		Blob  Blob
		Word  Word
		In    in
		List  [3]in
		_     [8]byte
		Late  uint64 `shm:"phase=2"`
	}
	rt, _, err := recordType(reflect.TypeFor[all]())
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		name, kind   string
		offset, size int
	}{{"Text", "text", 0, 16}, {"Addr", "addr", 16, 16}, {"Raw", "bytes", 32, 8}, {"Enum", "enum", 40, 1}, {"Yes", "bool", 41, 1},
		{"Flags", "flags", 42, 2}, {"F", "f32", 44, 4}, {"When", "time", 48, 8}, {"D", "duration", 56, 8}, {"Ref", "ref", 64, 8},
		{"Blob", "blob", 72, 8}, {"Word", "word", 80, 8}, {"In", "struct", 88, 8}, {"List", "array", 96, 24}, {"Late", "u64", 128, 8}}
	if len(rt.Fields) != len(want) || rt.Size != 136 {
		t.Fatalf("%d fields in %d bytes", len(rt.Fields), rt.Size)
	}
	for i, w := range want {
		if f := rt.Fields[i]; f.Name != w.name || f.Kind != w.kind || f.Offset != w.offset || f.Size != w.size {
			t.Errorf("field %d: %s %s at %d, %d bytes; want %v", i, f.Name, f.Kind, f.Offset, f.Size, w)
		}
	}
	spans, err := rt.publishedSpans()
	if err != nil || len(spans) != 3 || !reflect.DeepEqual(spans[0], []span{{0, 15}}) || !reflect.DeepEqual(spans[2], []span{{0, 15}, {16, 1}}) {
		t.Errorf("spans %v, %v", spans, err)
	}
	if at, phase := rt.blobFields(); !reflect.DeepEqual(at, []int{9}) || !reflect.DeepEqual(phase, []int{0}) {
		t.Errorf("blobs at %v, phases %v", at, phase)
	}
}
