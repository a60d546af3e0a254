//go:build linux && (amd64 || arm64)

package shm_test

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// Words of the header; layout_test.go holds them in their places.
const (
	wordMagic, wordVersion, wordSize, wordSlots        = 0, 1, 2, 5
	wordTextAt, wordTextLen, wordTextSum, wordBoot     = 6, 7, 8, 9
	wordState                                      int = 32
)

// image is a segment file that a test breaks.
type image struct {
	t testing.TB
	b []byte
}

func (m *image) word(i int) uint64   { return binary.LittleEndian.Uint64(m.b[8*i:]) }
func (m *image) set(i int, v uint64) { binary.LittleEndian.PutUint64(m.b[8*i:], v) }
func (m *image) text() []byte        { return m.b[m.word(wordTextAt):][:m.word(wordTextLen)] }
func (m *image) cut(n int)           { m.b = m.b[:n] }
func (m *image) describe(text string) {
	m.describeRaw(text)
	m.set(wordTextSum, xxhash.Sum64String(text))
}
func (m *image) describeRaw(text string) {
	copy(m.b[m.word(wordTextAt):], text)
	m.set(wordTextLen, uint64(len(text)))
}

// makeImage creates a closed segment and returns its name and content.
func makeImage(t testing.TB) (string, *image) {
	t.Helper()
	name := brokenName(t)
	must(t, create(t, name, &farm{jobs: 8}, nil).Close())
	b, err := os.ReadFile(pathOf(name))
	must(t, err)
	return name, &image{t, b}
}

func noise(n int) []byte {
	b := make([]byte, 0, n+32)
	for h := sha256.Sum256([]byte("noise")); len(b) < n; h = sha256.Sum256(h[:]) {
		b = append(b, h[:]...)
	}
	return b[:n]
}

func TestAttach_RefusesContent(t *testing.T) {
	for what, c := range map[string]struct {
		damage func(m *image)
		want   error
	}{
		"empty":             {func(m *image) { m.cut(0) }, shm.ErrNotSegment},
		"short":             {func(m *image) { m.cut(100) }, shm.ErrNotSegment},
		"random":            {func(m *image) { m.b = noise(3 * 4096) }, shm.ErrNotSegment},
		"zeroes":            {func(m *image) { clear(m.b) }, shm.ErrNotSegment},
		"magic":             {func(m *image) { m.set(wordMagic, m.word(wordMagic)^1) }, shm.ErrNotSegment},
		"version":           {func(m *image) { m.set(wordVersion, 2) }, shm.ErrVersion},
		"truncated":         {func(m *image) { m.cut(len(m.b) - 4096) }, shm.ErrCorrupt},
		"only header":       {func(m *image) { m.cut(4096) }, shm.ErrCorrupt},
		"longer":            {func(m *image) { m.b = append(m.b, make([]byte, 4096)...) }, shm.ErrCorrupt},
		"size":              {func(m *image) { m.set(wordSize, m.word(wordSize)+4096) }, shm.ErrCorrupt},
		"no slots":          {func(m *image) { m.set(wordSlots, 0) }, shm.ErrCorrupt},
		"slots":             {func(m *image) { m.set(wordSlots, 1<<40) }, shm.ErrCorrupt},
		"fewer slots":       {func(m *image) { m.set(wordSlots, m.word(wordSlots)-1) }, shm.ErrCorrupt},
		"text offset":       {func(m *image) { m.set(wordTextAt, 1<<63) }, shm.ErrCorrupt},
		"text length":       {func(m *image) { m.set(wordTextLen, 1<<63) }, shm.ErrCorrupt},
		"text too long":     {func(m *image) { m.set(wordTextLen, m.word(wordSize)) }, shm.ErrCorrupt},
		"text hash":         {func(m *image) { m.set(wordTextSum, 7) }, shm.ErrCorrupt},
		"text":              {func(m *image) { m.text()[10] ^= 1 }, shm.ErrCorrupt},
		"text no JSON":      {func(m *image) { m.describe(string(noise(500))) }, shm.ErrCorrupt},
		"text cut":          {func(m *image) { m.describe(string(m.text()[:200])) }, shm.ErrCorrupt},
		"text null":         {func(m *image) { m.describe("null") }, shm.ErrCorrupt},
		"text empty list":   {func(m *image) { m.describe("[]") }, shm.ErrLayout},
		"text other place":  {func(m *image) { m.replace(`,"capacity":8,"offset":`, `,"capacity":8,"offset":1`) }, shm.ErrCorrupt},
		"text no capacity":  {func(m *image) { m.replace(`"capacity":8`, `"capacity":0`) }, shm.ErrCorrupt},
		"text negative":     {func(m *image) { m.replace(`"capacity":8`, `"capacity":-8`) }, shm.ErrCorrupt},
		"text all capacity": {func(m *image) { m.replace(`"capacity":8`, `"capacity":16777214`) }, shm.ErrCorrupt},
		"boot":              {func(m *image) { m.set(wordBoot, m.word(wordBoot)+1) }, shm.ErrBoot},
		"state":             {func(m *image) { m.set(wordState, 77) }, shm.ErrCorrupt},
		"retired":           {func(m *image) { m.set(wordState, 3) }, shm.ErrRetired},
	} {
		t.Run(strings.ReplaceAll(what, " ", "-"), func(t *testing.T) {
			name, m := makeImage(t)
			c.damage(m)
			must(t, os.WriteFile(pathOf(name), m.b, 0o600))
			must(t, os.Truncate(pathOf(name), int64(len(m.b))))
			calls := map[string]func(string, shm.Definer, *shm.Options) (*shm.Segment, error){"Attach": shm.Attach, "Open": shm.Open}
			if what == "retired" { // Open makes a new one; see TestOpen_Retired
				delete(calls, "Open")
			}
			for call, open := range calls {
				s, err := open(name, &farm{jobs: 8}, nil)
				if !errors.Is(err, c.want) || s != nil {
					t.Errorf("%s: %v, want %v", call, err, c.want)
				}
				var bad *shm.CorruptError
				if errors.As(err, &bad) && (bad.Object == "" || bad.What == "") {
					t.Errorf("%s: nameless: %v", call, err)
				}
			}
			b, err := os.ReadFile(pathOf(name))
			must(t, err)
			if string(b) != string(m.b) {
				t.Error("a refused attach has changed the file")
			}
		})
	}
}

func (m *image) replace(from, to string) {
	text := string(m.text())
	if !strings.Contains(text, from) {
		m.t.Fatalf("no %s in %s", from, text)
	}
	m.describe(strings.Replace(text, from, to, 1))
}

func TestAttach_RefusesFiles(t *testing.T) {
	name := shmtest.Name(t)
	path := pathOf(name)
	if _, err := shm.Attach(name, &farm{}, nil); !errors.Is(err, shm.ErrNotExist) {
		t.Fatalf("nothing there: %v", err)
	}
	real := shmtest.Name(t)
	must(t, create(t, real, &farm{}, nil).Close())
	for what, mk := range map[string]func() error{
		"link to a segment": func() error { return os.Symlink(pathOf(real), path) },
		"link to nothing":   func() error { return os.Symlink(path+".not", path) },
		"directory":         func() error { return os.Mkdir(path, 0o700) },
		"fifo":              func() error { return unix.Mkfifo(path, 0o600) },
		"socket":            func() error { return mksocket(path) },
	} {
		must(t, mk())
		for _, open := range []func(string, shm.Definer, *shm.Options) (*shm.Segment, error){shm.Attach, shm.Open} {
			if _, err := open(name, &farm{}, nil); !errors.Is(err, shm.ErrNotSegment) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := shm.Inspect(name, nil); !errors.Is(err, shm.ErrNotSegment) {
			t.Errorf("inspect %s: %v", what, err)
		}
		if _, err := shm.Create(name, &farm{}, nil); !errors.Is(err, shm.ErrExist) {
			t.Errorf("create over %s: %v", what, err)
		}
		must(t, os.Remove(path))
	}
	s, err := shm.Attach(real, &farm{}, nil) // the link's aim is as it was
	must(t, err)
	must(t, s.Close())
}

func mksocket(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Close(fd))
}

func TestNames(t *testing.T) {
	for _, name := range []string{"", ".", "..", ".hidden", "-x", "a/b", "../x", "a b", "ä", "a\x00", "a\n", strings.Repeat("a", 101)} {
		_, e1 := shm.Create(name, &farm{}, nil)
		_, e2 := shm.Attach(name, &farm{}, nil)
		_, e3 := shm.Open(name, &farm{}, nil)
		e4, e5 := shm.Remove(name, nil, true), shm.Reset(name, nil, true)
		for _, err := range []error{e1, e2, e3, e4, e5} {
			if !errors.Is(err, shm.ErrName) {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	long := shmtest.Name(t)
	long += strings.Repeat("x", 100-len(long))
	s := create(t, long, &farm{}, nil)
	for _, what := range []string{"", "../x", "a/b", "*"} {
		if _, err := s.SideFile(what); !errors.Is(err, shm.ErrName) {
			t.Errorf("side file %q: %v", what, err)
		}
	}
	must(t, s.Remove())
}

func init() {
	// attach-as NAME UID GID MODE: drop all rights, attach, and say what came of it.
	shmtest.Register("attach-as", func(args []string) {
		uid, _ := strconv.Atoi(args[1])
		gid, _ := strconv.Atoi(args[2])
		mode, _ := strconv.ParseUint(args[3], 8, 32)
		check1(syscall.Setgroups(nil))
		check1(syscall.Setgid(gid))
		check1(syscall.Setuid(uid))
		s, err := shm.Attach(args[0], &farm{}, &shm.Options{Mode: fs.FileMode(mode)})
		switch {
		case errors.Is(err, shm.ErrOwner):
			fmt.Println("ErrOwner")
		case errors.Is(err, fs.ErrPermission):
			fmt.Println("permission")
		case err != nil:
			fmt.Println(err)
		default:
			fmt.Println("attached")
			check1(s.Close())
		}
	})
}

func TestAttach_Users(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	const other = 65534
	name := brokenName(t)
	must(t, create(t, name, &farm{}, nil).Close())
	as := func(mode, want string) {
		t.Helper()
		p := shmtest.Child(t, "attach-as", name, fmt.Sprint(other), fmt.Sprint(other), mode)
		p.Want(want)
		must(t, p.Wait())
	}
	as("600", "permission")
	must(t, os.Chmod(pathOf(name), 0o666)) // so that the kernel lets them open it
	as("600", "ErrOwner")
	as("666", "ErrOwner")
	must(t, os.Remove(pathOf(name)))
	must(t, create(t, name, &farm{}, &shm.Options{Mode: 0o660, Group: other}).Close())
	as("600", "ErrOwner")
	as("660", "attached")
	must(t, os.Chown(pathOf(name), other, other))
	as("660", "attached")
	must(t, os.Chmod(pathOf(name), 0o600))
	as("600", "attached")
	s, err := shm.Attach(name, &farm{}, nil) // root may
	must(t, err)
	must(t, s.Close())
}

func TestAttach_Mode(t *testing.T) {
	name := brokenName(t)
	must(t, create(t, name, &farm{}, nil).Close())
	for _, c := range []struct {
		file, option fs.FileMode
		want         error
	}{{0o666, 0, shm.ErrMode}, {0o660, 0, shm.ErrMode}, {0o602, 0, shm.ErrMode}, {0o662, 0o660, shm.ErrMode},
		{0o660, 0o660, nil}, {0o644, 0, nil}, {0o600, 0, nil}} {
		must(t, os.Chmod(pathOf(name), c.file))
		s, err := shm.Attach(name, &farm{}, &shm.Options{Mode: c.option})
		if !errors.Is(err, c.want) {
			t.Errorf("file %o, option %o: %v, want %v", c.file, c.option, err, c.want)
		}
		if err == nil {
			must(t, s.Close())
		}
	}
}

// A retired segment that nobody is attached to, left by a Reset or Remove that
// was killed, is replaced by Open; one that is in use is not.
func TestOpen_Retired(t *testing.T) {
	name, m := makeImage(t)
	m.set(wordState, 3)
	must(t, os.WriteFile(pathOf(name), m.b, 0o600))
	s, err := shm.Open(name, &farm{jobs: 8}, nil)
	must(t, err)
	defer s.Close()
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
}

// A file with holes, as some ways to copy it make, is refused: touching a hole of
// a full tmpfs would end the process. It can be reset.
func TestAttach_Holes(t *testing.T) {
	name, m := makeImage(t)
	path := pathOf(name)
	must(t, os.WriteFile(path, m.b, 0o600))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	must(t, unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(len(m.b)-4096), 4096))
	if _, err := shm.Attach(name, &farm{jobs: 8}, nil); !errors.Is(err, shm.ErrCorrupt) || !strings.Contains(err.Error(), "holes") {
		t.Fatalf("attached: %v", err)
	}
	must(t, shm.Reset(name, nil, false))
	s, err := shm.Attach(name, &farm{jobs: 8}, nil)
	must(t, err)
	shmtest.Verify(t, s)
	must(t, s.Close())
}
