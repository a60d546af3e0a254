package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

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
	said := errs.Len() > 0 || args[0] == "restore" && out.Len() > 0 || args[0] == "verify" || args[0] == "watch" || args[0] == "top"
	if code < 0 || code > 3 || code != 0 && !said || strings.Contains(errs.String(), "goroutine") {
		t.Fatalf("%s: shmtool %q: exit code %d, %q", what, args, code, errs.String())
	}
	return code
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func images() int {
	if n, err := strconv.Atoi(os.Getenv("SHMTOOL_IMAGES")); err == nil {
		return n
	}
	return 400 // about 20 s; docs/proof.md has the command for 10,000
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

// deadAOTF is the image of a small segment with AOTF's layout, whose process died
// in the middle of its work.
func deadAOTF(t *testing.T) []byte {
	t.Helper()
	name := shmtest.Name(t)
	child := shmtest.Child(t, "fill-aotf", name)
	child.Want("<nil>")
	child.Kill()
	return content(t, name)
}

// smallAOTF makes a segment of 816 KiB, so that an image is quickly written and read.
func smallAOTF() map[string]int {
	few := map[string]int{}
	for object := range objects.DefaultCapacity() {
		few[object] = 8
	}
	return few
}

func init() {
	// fill-aotf NAME: create AOTF's segment, have requests in many of its states, and
	// wait to be killed.
	shmtest.Register("fill-aotf", func(args []string) {
		ctx := context.Background()
		m, err := objects.Create(args[0], &objects.Options{Capacity: smallAOTF()})
		for i := range 4 {
			if err == nil {
				_, _, err = m.Users.Launch(ctx, objects.Query{URL: fmt.Sprint("https://art.example.org/", i), Address: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})})
			}
			if err == nil {
				_, err = m.Scans.Launch(ctx, objects.Account{ID: int64(i), Name: fmt.Sprint("a", i)}, i == 0, false)
			}
		}
		if err == nil {
			err = m.SetCounts(ctx, objects.Counts{Tweets: 637, Accounts: 13, ReadAt: time.Now()})
		}
		var w objects.Worker
		if err == nil {
			w, err = m.Threads.Register(ctx, "finder")
		}
		if err == nil {
			_, err = m.Users.Claim(ctx, w, objects.Step1)
		}
		fmt.Println(err)
		select {}
	})
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
	bases := [][]byte{deadShop(t), deadAOTF(t)}
	dir, err := os.MkdirTemp(segments(), "shmtest-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path, aside := filepath.Join(dir, "image"), filepath.Join(t.TempDir(), "copy")
	codes := map[string]map[int]int{}
	for seed := range images() {
		b, how := mutate(bases[seed%2], rand.New(rand.NewPCG(uint64(seed), 1)))
		must(t, os.WriteFile(path, b, 0o600))
		what := fmt.Sprintf("image %d (%s)", seed, how)
		if codes[how] == nil {
			codes[how] = map[int]int{}
		}
		codes[how][survives(t, what, "verify", path)]++
		for _, args := range [][]string{
			{"ls", "--dir", dir}, {"stat", path}, {"stat", path, "--waits"}, {"stat", path, "--waits", "--json"},
			{"dump", path, "--all", "--limit", "0"}, {"dump", path, "--where", "Started=1", "--status", "posted"},
			{"dump", path, "--json", "--redact"}, {"get", path}, {"top", path, "--count", "1"},
			{"watch", path, "--count", "2", "--every", "10ms", "--json"},
		} {
			survives(t, what, args...)
		}
		site := newWebsite(place{path, dir, "image", path}, false)
		for _, at := range []string{"/", "/api/state", "/metrics"} {
			answer := httptest.NewRecorder()
			site.ServeHTTP(answer, httptest.NewRequest("GET", "http://localhost"+at, nil))
			if answer.Code != http.StatusOK || answer.Body.Len() == 0 {
				t.Fatalf("%s: %s answers %d", what, at, answer.Code)
			}
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, b) {
			t.Fatalf("%s: looking changed it (%v)", what, err)
		}
		for _, args := range [][]string{
			{"snapshot", path, aside}, {"restore", path, "copy", "--dir", dir}, {"stacks", path, "--timeout", "1ms"},
			{"set", path, "tokens=2"}, {"kill-owner", path, "--slot", "0", "--yes"}, {"sweep", path}, {"reset", path},
		} {
			must(t, os.WriteFile(path, b, 0o600))
			survives(t, what, args...)
		}
		for _, left := range []string{aside, filepath.Join(dir, "copy"), path} {
			must(t, removeIfThere(left))
		}
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
