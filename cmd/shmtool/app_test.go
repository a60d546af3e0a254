package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func TestMain(m *testing.M) { shmtest.Main(m) }

// job is the record of the tests' own application: a field of every kind.
type job struct {
	Key     jobKey `shm:"key"`
	Number  uint64
	Minus   int32
	On      bool
	_       [3]byte
	Share   float64
	Payload shm.Blob
	Next    shm.Ref[job]
	Hits    shm.Word
	From    [16]byte `shm:"addr"`
	Sum     [40]byte
	At      int64 `shm:"time"`
	Took    time.Duration
	Level   uint32 `shm:"enum=low|high"`
	Marks   uint32 `shm:"flags=hot|new"`
	Steps   [2]step
	Result  result `shm:"phase=1"`
}

type jobKey struct {
	Name [16]byte `shm:"text"`
}

type step struct{ Done, Left uint32 }

type result struct {
	Title [24]byte `shm:"text"`
}

// shop is an application with one of everything.
type shop struct {
	Jobs   shm.Arena[job]
	ByName shm.Index[job, jobKey]
	Todo   shm.Ring[job]
	Later  shm.Bag[job]
	Change shm.Event
	Data   shm.Blobs
	Slots  shm.Semaphore
	Lock   shm.Mutex
	Count  shm.Counters
	Root   shm.Cell
}

func (a *shop) Define(l *shm.Layout) {
	a.Jobs.Define(l, "jobs", 16)
	a.ByName.Define(l, "by-name", &a.Jobs)
	a.Todo.Define(l, "todo", &a.Jobs)
	a.Change.Define(l, "change")
	a.Later.Wake = &a.Change
	a.Later.Define(l, "later", &a.Jobs)
	a.Data.Define(l, "data", shm.BlobClass{Size: 64, Count: 4})
	a.Slots.Define(l, "slots", 3)
	a.Lock.Define(l, "lock")
	a.Count.Define(l, "count", "put", "got")
	a.Root.Define(l, "root")
}

// openShop creates a segment and attaches to it for the time of the test.
func openShop(t *testing.T) (*shop, string) {
	t.Helper()
	a := &shop{}
	return a, shmtest.New(t, a, nil).Name()
}

// closedShop creates a segment that nobody is attached to.
func closedShop(t *testing.T) string {
	t.Helper()
	a, name := &shop{}, shmtest.Name(t)
	s, err := shm.Create(name, a, nil)
	must(t, err)
	must(t, s.Close())
	return name
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// launch inserts a job, as launched by a program, into todo.
func (a *shop) launch(t *testing.T, name string, fill func(c shm.Claim[job])) {
	t.Helper()
	c, err := a.Jobs.TryNew()
	must(t, err)
	must(t, shm.PutText(c.Record().Key.Name[:], name))
	if fill != nil {
		fill(c)
	}
	_, inserted, err := a.ByName.Insert(c, &a.Todo)
	if must(t, err); !inserted {
		t.Fatalf("%s is there already", name)
	}
}

// fill puts three jobs into the segment, one of them claimed, and something
// into each other object.
func (a *shop) fill(t *testing.T) {
	t.Helper()
	a.launch(t, "first", func(c shm.Claim[job]) {
		r := c.Record()
		r.Number, r.Minus, r.On, r.Share, r.Next = 7, -3, true, 0.25, c.Ref()
		r.Hits.Store(9)
		r.From = netip.MustParseAddr("10.1.2.3").As16()
		r.Sum = [40]byte{0xab, 0xcd}
		r.At = time.Date(2024, 2, 29, 12, 0, 0, 5, time.UTC).UnixNano()
		r.Took, r.Level, r.Marks = 1500*time.Millisecond, 1, 5
		r.Steps[1] = step{1, 2}
		must(t, c.SetBlob(&a.Data, &r.Payload, []byte("a value of a blob")))
	})
	a.launch(t, "second", nil)
	a.launch(t, "third", nil)
	c, err := a.Todo.TryGet()
	must(t, err)
	must(t, shm.PutText(c.Record().Result.Title[:], "not to be seen yet"))
	_, err = a.Slots.TryAcquire()
	must(t, err)
	a.Count.Add(0, 3)
	a.Count.Add(1, 1)
	a.Root.CompareAndSwap(0, 42)
}

// call runs the tool and checks its exit code.
func call(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(t.Context(), args, strings.NewReader(""), &out, &errs); code != want {
		t.Fatalf("shmtool %q: exit code %d, want %d\n%s%s", args, code, want, &out, &errs)
	}
	return out.String(), errs.String()
}

// decode calls the tool with --json.
func decode[T any](t *testing.T, want int, args ...string) (v T) {
	t.Helper()
	out, _ := call(t, want, append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("shmtool %q: %v\n%s", args, err, out)
	}
	return v
}

// poke overwrites a word of a segment's file.
func poke(t *testing.T, name string, offset int64, v uint64) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(segments(), name), os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	_, err = f.WriteAt(binary.LittleEndian.AppendUint64(nil, v), offset)
	must(t, err)
}

// segments is where the tests' segments lie.
func segments() string {
	if dir := os.Getenv("SHM_DIR"); dir != "" {
		return dir
	}
	return shm.DefaultDir
}

// garbage makes a file that is no segment.
func garbage(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "garbage")
	must(t, os.WriteFile(path, bytes.Repeat([]byte("garbage!"), 1024), 0o600))
	return path
}
