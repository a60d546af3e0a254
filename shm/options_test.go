//go:build linux && (amd64 || arm64)

package shm_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

type inner struct{ X, Y uint32 }

type baseRecord struct {
	Number uint64
	In     inner
}

// arenaOf declares one arena "a" of T, and what more says.
func arenaOf[T any](more ...func(l *shm.Layout, a *shm.Arena[T])) shm.Definer {
	a := new(shm.Arena[T])
	return definer(func(l *shm.Layout) {
		a.Define(l, "a", 4)
		for _, f := range more {
			f(l, a)
		}
	})
}

func ringOf[T any](name string) func(l *shm.Layout, a *shm.Arena[T]) {
	r := new(shm.Ring[T])
	return func(l *shm.Layout, a *shm.Arena[T]) { r.Define(l, name, a) }
}

func bagOf[T any](name string) func(l *shm.Layout, a *shm.Arena[T]) {
	r := new(shm.Bag[T])
	return func(l *shm.Layout, a *shm.Arena[T]) { r.Define(l, name, a) }
}

func TestAttach_Layout(t *testing.T) {
	type renamed struct {
		Count uint64
		In    inner
	}
	type retyped struct {
		Number int64
		In     inner
	}
	type longer struct {
		Number uint64
		In     inner
		More   uint64
	}
	type shorter struct{ Number uint64 }
	type innerRenamed struct{ X, Z uint32 }
	type deep struct {
		Number uint64
		In     innerRenamed
	}
	type phased struct {
		Number uint64
		In     inner `shm:"phase=1"`
	}
	name := shmtest.Name(t)
	must(t, create(t, name, arenaOf(ringOf[baseRecord]("r")), nil).Close())
	for _, c := range []struct {
		what          string
		app           shm.Definer
		object, field string
	}{
		{"renamed field", arenaOf(ringOf[renamed]("r")), "a", "Count"},
		{"other type", arenaOf(ringOf[retyped]("r")), "a", "Number"},
		{"field more", arenaOf(ringOf[longer]("r")), "a", "More"},
		{"field less", arenaOf(ringOf[shorter]("r")), "a", "In"},
		{"nested field", arenaOf(ringOf[deep]("r")), "a", "In.Z"},
		{"phase", arenaOf(ringOf[phased]("r")), "a", "In.X"},
		{"object missing", arenaOf[baseRecord](), "r", ""},
		{"object more", arenaOf(ringOf[baseRecord]("r"), ringOf[baseRecord]("more")), "more", ""},
		{"object renamed", arenaOf(ringOf[baseRecord]("q")), "q", ""},
		{"other kind", arenaOf(bagOf[baseRecord]("r")), "", ""},
	} {
		_, err := shm.Attach(name, c.app, nil)
		var le *shm.LayoutError
		if !errors.As(err, &le) || !errors.Is(err, shm.ErrLayout) {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		if c.object != "" && le.Object != c.object || le.Field != c.field {
			t.Errorf("%s: named %q %q, want %q %q: %v", c.what, le.Object, le.Field, c.object, c.field, err)
		}
		if le.Segment == "" || le.Program == "" || !strings.Contains(err.Error(), le.Object) {
			t.Errorf("%s: does not say both: %v", c.what, err)
		}
	}
	s, err := shm.Attach(name, arenaOf(ringOf[baseRecord]("r")), nil)
	must(t, err)
	must(t, s.Close())
}

func TestCapacity_Adopted(t *testing.T) {
	name := shmtest.Name(t)
	f, g := &farm{}, &farm{jobs: 1000}
	s := create(t, name, f, &shm.Options{Capacity: map[string]int{"jobs": 7, "slots": 2, "processes": 3, "data-64": 5}})
	defer s.Close()
	s2, err := shm.Attach(name, g, &shm.Options{Capacity: map[string]int{"jobs": 100, "nothing": -1}})
	must(t, err)
	defer s2.Close()
	for _, x := range []*farm{f, g} {
		if x.Jobs.Cap() != 7 || x.Named.Cap() != 64 || x.Slots.Free() != 2 {
			t.Fatalf("%d jobs, %d named, %d permits", x.Jobs.Cap(), x.Named.Cap(), x.Slots.Free())
		}
	}
	for range 7 {
		newJob(t, g, "", 0)
	}
	if _, err := f.Jobs.TryNew(); !errors.Is(err, shm.ErrFull) {
		t.Fatal(err)
	}
}

func TestCapacity_Bad(t *testing.T) {
	for _, c := range []map[string]int{{"jobs": 0}, {"jobs": -1}, {"jobs": 1<<24 - 1}, {"slots": 4097}, {"slots": 0},
		{"processes": 0}, {"processes": -3}, {"processes": 1023}, {"unknown": 3}, {"todo": 3}, {"change": 1}, {"jobs": 5, "x": 1}} {
		name := shmtest.Name(t)
		_, e1 := shm.Create(name, &farm{}, &shm.Options{Capacity: c})
		_, e2 := shm.Open(name, &farm{}, &shm.Options{Capacity: c})
		_, e3 := shm.Private(&farm{}, &shm.Options{Capacity: c})
		for _, err := range []error{e1, e2, e3} {
			if !errors.Is(err, shm.ErrCapacity) {
				t.Errorf("%v: %v", c, err)
			}
		}
		if _, err := os.Lstat(pathOf(name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v: something was created: %v", c, err)
		}
	}
}

func TestDirectories(t *testing.T) {
	if _, err := shm.Create("x", &farm{}, &shm.Options{Dir: "/does/not/exist"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	dir := t.TempDir()
	var st unix.Statfs_t
	must(t, unix.Statfs(dir, &st))
	if st.Type == unix.TMPFS_MAGIC {
		t.Skip("the temporary directory is on a tmpfs")
	}
	if _, err := shm.Create("x", &farm{}, &shm.Options{Dir: dir}); !errors.Is(err, shm.ErrNotTmpfs) {
		t.Errorf("create: %v", err)
	}
	name, m := makeImage(t)
	must(t, os.WriteFile(dir+"/"+name, m.b, 0o600))
	if _, err := shm.Attach(name, &farm{jobs: 8}, &shm.Options{Dir: dir}); !errors.Is(err, shm.ErrNotTmpfs) {
		t.Errorf("attach: %v", err)
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func init() {
	// tiny-tmpfs DIR: in a namespace of our own, on a tmpfs too small for a farm.
	shmtest.Register("tiny-tmpfs", func(args []string) {
		dir := args[0]
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=128k"); err != nil {
			fmt.Println("no mount:", err)
			return
		}
		free := func() uint64 {
			var st unix.Statfs_t
			check1(unix.Statfs(dir, &st))
			return st.Bfree
		}
		before := free()
		for range 3 {
			_, err := shm.Create("x", &farm{}, &shm.Options{Dir: dir, Capacity: map[string]int{"jobs": 10000}})
			_, err2 := shm.Open("x", &farm{}, &shm.Options{Dir: dir, Capacity: map[string]int{"jobs": 10000}})
			entries, _ := os.ReadDir(dir)
			if !errors.Is(err, shm.ErrNoSpace) || !errors.Is(err2, shm.ErrNoSpace) || len(entries) != 0 || free() != before {
				fmt.Printf("%v, %v, entries %v, %d of %d blocks free\n", err, err2, entries, free(), before)
				return
			}
		}
		small := arenaOf[baseRecord]()
		s, err := shm.Create("x", small, &shm.Options{Dir: dir}) // what fits is fine
		check1(err)
		check1(s.Remove())
		fmt.Println("refused")
	})
}

func TestNoSpace(t *testing.T) {
	exe, err := os.Executable()
	must(t, err)
	c := exec.Command(exe, t.TempDir())
	c.Env = append(os.Environ(), "SHMTEST_CHILD=tiny-tmpfs")
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Skipf("needs a user and mount namespace: %v", err)
	}
	err = c.Wait()
	switch said := strings.TrimSpace(out.String()); {
	case strings.HasPrefix(said, "no mount:"):
		t.Skip("needs to mount a tmpfs in a namespace of its own: ", said)
	case err != nil || said != "refused":
		t.Fatalf("%v: %s", err, said)
	}
}
