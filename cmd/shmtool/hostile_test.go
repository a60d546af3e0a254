package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
	"github.com/cespare/xxhash/v2"
)

// The description of the objects in a segment: see docs/format.md.
const (
	wordTextAt, wordTextLen, wordTextSum = 6, 7, 8
	pageOne                              = 4096
)

func wordAt(b []byte, i int) uint64     { return binary.LittleEndian.Uint64(b[8*i:]) }
func setWord(b []byte, i int, v uint64) { binary.LittleEndian.PutUint64(b[8*i:], v) }

// strange are values that bounds are broken with.
func strange(r *rand.Rand) uint64 {
	switch r.IntN(6) {
	case 0:
		return 0
	case 1:
		return ^uint64(0)
	case 2:
		return 1 << r.IntN(64)
	case 3:
		return 1<<r.IntN(64) - 1
	case 4:
		return uint64(r.IntN(5000))
	}
	return r.Uint64()
}

// mutate damages an image in one of the ways that files are damaged in, or that
// somebody would choose.
func mutate(base []byte, r *rand.Rand) (b []byte, how string) {
	b = bytes.Clone(base)
	at, n := int(wordAt(b, wordTextAt)), int(wordAt(b, wordTextLen))
	text := func() { setWord(b, wordTextSum, xxhash.Sum64(b[at:at+n])) } // else it would be refused at once
	switch r.IntN(10) {
	case 0:
		how = "bytes anywhere"
		for range 1 + r.IntN(50) {
			b[r.IntN(len(b))] = byte(r.Uint32())
		}
	case 1:
		how = "a word of the header"
		setWord(b, r.IntN(72), strange(r))
	case 2:
		how = "the registry"
		for range 1 + r.IntN(20) {
			setWord(b, (pageOne+r.IntN(at-pageOne))/8, strange(r))
		}
	case 3:
		how = "bytes of the description"
		for range 1 + r.IntN(4) {
			b[at+r.IntN(n)] = byte(' ' + r.IntN(95))
		}
		text()
	case 4:
		how = "numbers of the description"
		for range 1 + r.IntN(6) {
			for i := at + r.IntN(n); i < at+n; i++ {
				if b[i] >= '0' && b[i] <= '9' {
					b[i] = byte('0' + r.IntN(10))
					break
				}
			}
		}
		text()
	case 5:
		how = "truncated"
		b = b[:r.IntN(len(b))]
	case 6:
		how = "longer"
		b = append(b, make([]byte, r.IntN(3*pageOne))...)
		if r.IntN(2) == 0 {
			setWord(b, 2, uint64(len(b)))
		}
	case 7:
		how = "a page of zeroes or ones"
		page := r.IntN(len(b)/pageOne) * pageOne
		copy(b[page:page+pageOne], bytes.Repeat([]byte{byte(r.IntN(2) * 255)}, pageOne))
	default:
		how = "words of the objects"
		for range 1 + r.IntN(100) {
			setWord(b, (at+n)/8+1+r.IntN((len(b)-at-n)/8-1), strange(r))
		}
	}
	return b, how
}

// survives calls the tool, and wants it to end with a documented exit code, and
// a message when that is no verdict.
func survives(t *testing.T, what string, args ...string) (code int) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("%s: shmtool %q: panic: %v\n%s", what, args, p, debug.Stack())
		}
	}()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &out, &errs)
	said := errs.Len() > 0 || args[0] == "verify" || args[0] == "watch" || args[0] == "top"
	if code < 0 || code > 3 || code != 0 && !said || strings.Contains(errs.String(), "goroutine") {
		t.Fatalf("%s: shmtool %q: exit code %d, %q", what, args, code, errs.String())
	}
	return code
}

func images() int {
	if n, err := strconv.Atoi(os.Getenv("SHMTOOL_IMAGES")); err == nil {
		return n
	}
	return 200
}

// deadShop is the image of a segment with something in each object, whose
// process died.
func deadShop(t *testing.T) []byte {
	t.Helper()
	name := closedShop(t)
	child := shmtest.Child(t, "fill", name)
	child.Want("ready")
	child.Kill()
	return content(t, name)
}

func init() {
	// fill NAME: put something into each object, and wait to be killed.
	shmtest.Register("fill", func(args []string) {
		a := &shop{}
		_, err := shm.Attach(args[0], a, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		a.fill(&testing.T{}) // what fails here is seen by the parent
		fmt.Println("ready")
		select {}
	})
}

func TestHostile_Images(t *testing.T) {
	base, name := deadShop(t), shmtest.Name(t)
	dir, err := os.MkdirTemp(segments(), "shmtest-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, name)
	codes := map[string]map[int]int{}
	for seed := range images() {
		b, how := mutate(base, rand.New(rand.NewPCG(uint64(seed), 1)))
		must(t, os.WriteFile(path, b, 0o600))
		what := fmt.Sprintf("image %d (%s)", seed, how)
		if codes[how] == nil {
			codes[how] = map[int]int{}
		}
		codes[how][survives(t, what, "verify", path)]++
		for _, args := range [][]string{
			{"ls", "--dir", dir}, {"stat", path}, {"stat", path, "--waits"}, {"dump", path, "--all", "--limit", "0"},
			{"dump", path, "--json", "--redact"}, {"get", path}, {"top", path, "--count", "1"},
			{"watch", path, "--count", "2", "--every", "10ms", "--json"},
		} {
			survives(t, what, args...)
		}
		must(t, os.Remove(path))
	}
	t.Logf("%d images; exit codes of verify: %v", images(), codes)
	seen := map[int]bool{}
	for _, c := range codes {
		for code := range c {
			seen[code] = true
		}
	}
	if !seen[1] || !seen[2] || !seen[3] {
		t.Errorf("verdicts seen: %v: the images are too tame", seen)
	}
}

// Files that are no segment at all, and commands that write.
func TestHostile_Foreign(t *testing.T) {
	base := deadShop(t)
	for what, b := range map[string][]byte{
		"empty": {}, "one byte": {1}, "text": bytes.Repeat([]byte("hello\n"), 5000), "zeroes": make([]byte, 1<<16),
		"the header alone": base[:pageOne], "an ELF file": append([]byte("\x7fELF"), make([]byte, 1<<16)...),
	} {
		path := filepath.Join(t.TempDir(), "file")
		must(t, os.WriteFile(path, b, 0o600))
		for _, args := range append(looking(path), []string{"sweep", path}, []string{"set", path, "stop"},
			[]string{"kill-owner", path, "--slot", "0", "--yes"}, []string{"reset", path, "--force"}, []string{"rm", path, "--force"}) {
			if code := survives(t, what, args...); code == 0 {
				t.Errorf("%s: shmtool %q finds nothing wrong", what, args)
			}
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, b) {
			t.Errorf("%s: a command changed it (%v)", what, err)
		}
	}
	huge := filepath.Join(t.TempDir(), "huge")
	must(t, os.WriteFile(huge, base, 0o600))
	for _, size := range []int64{1 << 30, 1 << 40} {
		if err := os.Truncate(huge, size); err != nil {
			t.Logf("no file of %d bytes here: %v", size, err)
			continue
		}
		for _, args := range looking(huge) {
			if code := survives(t, "huge", args...); code == 0 {
				t.Errorf("huge: shmtool %q finds nothing wrong", args)
			}
		}
	}
}

// The file is cut, emptied and removed while the commands read it.
func TestHostile_WhileItGoes(t *testing.T) {
	base := deadShop(t)
	dir, err := os.MkdirTemp(segments(), "shmtest-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "segment")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			switch i % 4 {
			case 0, 2:
				_ = os.WriteFile(path+".new", base, 0o600)
				_ = os.Rename(path+".new", path)
			case 1:
				_ = os.Truncate(path, int64(i*97%len(base)))
			case 3:
				_ = os.Remove(path)
			}
		}
	})
	codes := map[int]int{}
	for range max(images()/20, 10) {
		for _, args := range looking(path) {
			codes[survives(t, "while it goes", args...)]++
		}
	}
	close(stop)
	wg.Wait()
	if t.Logf("exit codes: %v", codes); codes[1] == 0 {
		t.Error("the file was never seen gone: this test sees nothing")
	}
}

// Commands that write meet damaged segments too; they act on copies.
func TestHostile_Writers(t *testing.T) {
	base, name := deadShop(t), shmtest.Name(t)
	path := filepath.Join(segments(), name)
	for seed := range max(images()/4, 20) {
		b, how := mutate(base, rand.New(rand.NewPCG(uint64(seed), 2)))
		what := fmt.Sprintf("image %d (%s)", seed, how)
		for _, args := range [][]string{{"sweep", path}, {"set", path, "stop"}, {"kill-owner", path, "--slot", "0", "--yes"},
			{"reset", path}, {"rm", path, "--force"}} {
			must(t, os.WriteFile(path, b, 0o600))
			survives(t, what, args...)
		}
	}
}
