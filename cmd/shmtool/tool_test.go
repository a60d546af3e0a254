package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func TestHelp(t *testing.T) {
	all, _ := call(t, 0, "help")
	for _, c := range commands() {
		if !strings.Contains(all, "  "+c.name+" ") {
			t.Errorf("help does not list %s", c.name)
		}
		out, _ := call(t, 0, c.name, "--help")
		for _, args := range [][]string{{"help", c.name}, {c.name, "-h"}, {"-h", c.name}, {c.name, "x", "--help", "y"}} {
			if same, _ := call(t, 0, args...); same != out {
				t.Errorf("%q says something else than %s --help", args, c.name)
			}
		}
		(&tool{}).flagSet(c).VisitAll(func(f *flag.Flag) {
			if !strings.Contains(out, "  --"+f.Name) {
				t.Errorf("%s --help does not mention --%s", c.name, f.Name)
			}
		})
		for _, want := range []string{"Usage: shmtool " + c.name, "Examples:", "Exit codes:"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s --help has no %q", c.name, want)
			}
		}
		for _, line := range strings.Split(out, "\n") {
			if len(line) > 100 {
				t.Errorf("%s --help: long line %q", c.name, line)
			}
		}
	}
	for _, args := range [][]string{{"--help"}, {"-h"}} {
		if out, _ := call(t, 0, args...); out != all {
			t.Errorf("%q is not help", args)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "no command"},
		{[]string{"dmup"}, `did you mean "dump"?`},
		{[]string{"ver"}, `did you mean "ver`},
		{[]string{"help", "sta"}, `did you mean "stat"?`},
		{[]string{"dump", "x", "--lmit", "3"}, `did you mean "--limit"?`},
		{[]string{"dump", "x", "--limit"}, "wants a value"},
		{[]string{"dump", "x", "--limit=many"}, "bad value"},
		{[]string{"dump", "x", "--all=perhaps"}, "bad value"},
		{[]string{"--jsno", "ls"}, `did you mean "--json"?`},
		{[]string{"rm", "--frce", "x"}, `did you mean "--force"?`},
		{[]string{"--force", "rm", "x"}, "flags stand behind it"},
		{[]string{"stat"}, "missing NAME"},
		{[]string{"stat", "a", "b"}, `"b" is not wanted`},
		{[]string{"ls", "a"}, `"a" is not wanted`},
		{[]string{"create", "a", "--capacity", "jobs"}, "want OBJECT=N"},
		{[]string{"create", "a", "--capacity", "jobs=0"}, "want OBJECT=N"},
	} {
		out, errs := call(t, 2, c.args...)
		if out != "" || !strings.HasPrefix(errs, "shmtool: ") || !strings.Contains(errs, c.want) ||
			strings.Count(errs, "\n") != 1 || !strings.Contains(errs, `(see "shmtool help`) {
			t.Errorf("%q: %q %q", c.args, out, errs)
		}
	}
}

// changed has a type of a field that a shop has otherwise.
type changed struct {
	jobs shm.Arena[struct{ Number, Rest int32 }]
}

func (a *changed) Define(l *shm.Layout) { a.jobs.Define(l, "jobs", 4) }

func TestFailures(t *testing.T) {
	dir, file := t.TempDir(), garbage(t)
	must(t, os.Symlink(file, filepath.Join(dir, "link")))
	shopName := closedShop(t)
	half := filepath.Join(dir, "half")
	must(t, os.WriteFile(half, content(t, shopName)[:8192], 0o600))
	other := filepath.Join(dir, "other")
	s, err := shm.Create(shmtest.Name(t), &changed{}, nil)
	must(t, err)
	must(t, s.Close())
	call(t, 0, "snapshot", s.Name(), other)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"dump", "shmtest-none"}, "no such segment: "},
		{[]string{"stat", filepath.Join(dir, "none")}, "no such segment: " + dir},
		{[]string{"dump", file}, "not a segment"},
		{[]string{"dump", dir + "/"}, "not a segment"},
		{[]string{"dump", "--dir", dir, "link"}, "not a segment"},
		{[]string{"dump", "bad*name"}, "bad segment name"},
		{[]string{"stat", ""}, "bad segment name"},
		{[]string{"reset", file}, "not a segment"},
		{[]string{"reset", "shmtest-none", "--force"}, "no such segment"},
		{[]string{"rm", "shmtest-none", "--force"}, "no such segment"},
		{[]string{"ls", "--dir", file}, "is not a directory"},
		{[]string{"dump", "x", "--dir", filepath.Join(dir, "none")}, "--dir: no directory"},
		{[]string{"restore", filepath.Join(dir, "none"), "x"}, "no file " + dir},
		{[]string{"restore", file, "x"}, "garbage is no snapshot"},
		{[]string{"snapshot", shopName, filepath.Join(dir, "none", "file")}, "snapshot to " + filepath.Join(dir, "none", "file") + ": no such file"},
		{[]string{"create", shopName}, "there is a segment already: " + filepath.Join(segments(), shopName) + `: "shmtool rm"`},
		{[]string{"restore", other, shopName}, "the snapshot has i32 at byte 0, the new layout u64 at byte 16"},
		{[]string{"dump", half}, "the file was truncated: 8192 of "},
		{[]string{"dump", shopName, "--queue", "jobs"}, "object jobs is no queue: its kind is arena"},
	} {
		out, errs := call(t, 1, c.args...)
		if out != "" || !strings.HasPrefix(errs, "shmtool: ") || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%q: %q %q", c.args, out, errs)
		}
	}
	t.Setenv("SHM_DIR", filepath.Join(dir, "none"))
	if _, errs := call(t, 1, "ls"); !strings.Contains(errs, "SHM_DIR: no directory") {
		t.Error(errs)
	}
}

func TestExplain(t *testing.T) {
	for err, want := range map[error]string{
		&fs.PathError{Op: "open segment", Path: "/p", Err: syscall.EACCES}: "as root",
		fmt.Errorf("%w: /p", shm.ErrVersion):                               "rm --force",
		fmt.Errorf("/p: %w", &shm.CorruptError{Object: "header"}):          "rm --force",
		errors.Join(shm.ErrNoSpace, errors.New("second line")):             "tmpfs",
	} {
		if got := explain(err); !strings.Contains(got, want) {
			t.Errorf("%v: %q", err, got)
		}
	}
}

// One error gives one advice, and one that fits.
func TestExplain_Once(t *testing.T) {
	if got := explain(fmt.Errorf("%w: format 9", shm.ErrVersion)); strings.Count(got, "remove it") != 1 || strings.Count(got, "program that made it") != 1 {
		t.Error(got)
	}
	if got := explain(&shm.CorruptError{Object: "header"}); strings.Contains(got, "verify") {
		t.Error(got)
	}
	if _, errs := call(t, 2, "completion"); strings.Contains(errs, "shmtool ls") {
		t.Error(errs)
	}
}

// Flags may stand anywhere; users type both.
func TestFlags_Anywhere(t *testing.T) {
	a, name := openShop(t)
	a.fill(t)
	dir := segments()
	want, _ := call(t, 0, "dump", name, "--limit", "1", "--dir", dir)
	for _, args := range [][]string{
		{"--dir", dir, "dump", name, "--limit", "1"},
		{"--dir=" + dir, "dump", "--limit=1", name},
		{"dump", "-limit", "1", "-dir", dir, "--", name},
		{"dump", dir + "/" + name, "--limit=1"},
	} {
		if got, _ := call(t, 0, args...); steady(got, name) != steady(want, name) {
			t.Errorf("%q:\n%s\nwant:\n%s", args, got, want)
		}
	}
	before, _ := call(t, 0, "--json", "version")
	if after, _ := call(t, 0, "version", "--json"); after != before {
		t.Errorf("%s and %s", before, after)
	}
}

func TestVersion(t *testing.T) {
	v := decode[struct {
		Version, Go string
		Format      int
	}](t, 0, "version")
	if v.Version == "" || v.Format != shm.FormatVersion || !strings.HasPrefix(v.Go, "go") {
		t.Errorf("%+v", v)
	}
	if out, _ := call(t, 0, "version"); !strings.HasPrefix(out, "shmtool ") {
		t.Error(out)
	}
}

// A reader that goes away, or a full disk, is exit code 1, and no verdict.
func TestWriteErrors(t *testing.T) {
	a, name := openShop(t)
	a.fill(t)
	for _, c := range []struct {
		err  error
		args []string
		code int
		says bool
	}{
		{syscall.EPIPE, []string{"dump", name}, 1, false},
		{syscall.ENOSPC, []string{"dump", name}, 1, true},
		{syscall.EPIPE, []string{"help"}, 1, false},
		{syscall.EPIPE, []string{"verify", name}, 3, false},
	} {
		var errs bytes.Buffer
		code := run(t.Context(), c.args, strings.NewReader(""), failing{c.err}, &errs)
		if code != c.code || (errs.Len() > 0) != c.says {
			t.Errorf("%q after %v: exit code %d, %q", c.args, c.err, code, &errs)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
