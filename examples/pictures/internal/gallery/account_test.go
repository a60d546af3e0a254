package gallery

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func names(accounts []Account) []string {
	var all []string
	for _, a := range accounts {
		all = append(all, a.Name)
	}
	return all
}

func TestAccounts(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	for _, file := range []string{
		"b/1.JPG", "a/deep/x.gif", "a/deep/notes.txt", "top.png",
		"only-text/readme.txt", ".hidden/1.png", "c/.writing-1.png", "a/.git/1.png",
	} {
		write(t, filepath.Join(dir, file), nil)
	}
	write(t, filepath.Join(outside, "1.png"), nil)
	symlink(t, outside, filepath.Join(dir, "linked"))

	accounts, err := Accounts(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(accounts), []string{".", "a/deep", "b"}; !slices.Equal(got, want) {
		t.Fatalf("accounts %q, want %q", got, want)
	}
	for _, a := range accounts {
		found, ok, err := Find(dir, a.Name)
		if err != nil || !ok || found != a {
			t.Errorf("Find(%q) = %+v, %v, %v; want %+v", a.Name, found, ok, err, a)
		}
		if pictures, err := a.Pictures(); err != nil || len(pictures) != 1 || pictures[0].ID <= 0 {
			t.Errorf("account %q has pictures %+v, %v; want one", a.Name, pictures, err)
		}
	}

	link := filepath.Join(outside, "tree")
	symlink(t, dir, link)
	if through, err := Accounts(link); err != nil || !slices.Equal(names(through), names(accounts)) {
		t.Errorf("through a symbolic link to the tree: accounts %q, %v", names(through), err)
	}
	for _, bad := range []string{filepath.Join(dir, "missing"), filepath.Join(dir, "top.png")} {
		if _, err := Accounts(bad); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("Accounts(%s): error %v, want one that names the folder", bad, err)
		}
	}
}

func TestFindRefusesNamesOutsideTheTree(t *testing.T) {
	dir, outside := tree(t, 1, "inside"), t.TempDir()
	write(t, filepath.Join(outside, "1.png"), nil)
	symlink(t, outside, filepath.Join(dir, "linked"))
	symlink(t, "inside", filepath.Join(dir, "alias"))
	for _, name := range []string{
		"", "..", "../" + filepath.Base(outside), "inside/../inside", "/", outside, "inside/", "/inside",
		"inside//x", "./inside", "linked", "linked/deeper", "alias", "in\x00side",
	} {
		if a, ok, err := Find(dir, name); ok || !errors.Is(err, ErrBadName) {
			t.Errorf("Find(%q) = %+v, %v, %v; want ErrBadName", name, a, ok, err)
		}
	}
	for _, name := range []string{".", "nobody", "inside/00.jpg", "inside/00.jpg/x", "inside/none", strings.Repeat("long", 100)} {
		if a, ok, err := Find(dir, name); ok || err != nil {
			t.Errorf("Find(%q) = %+v, %v, %v; want no account and no error", name, a, ok, err)
		}
	}
}

// The values are those of another implementation of FNV-1a. Processes started from different builds must agree on the identifiers, so
// these must never change.
func TestIDsAreStable(t *testing.T) {
	if got, want := stableID("mirako"), int64(0x3401cbe0e89a6f48); got != want {
		t.Errorf("account ID %#x, want %#x", got, want)
	}
	if got, want := stableID("mirako", "1.png"), int64(0x17448d097c48a5ea); got != want {
		t.Errorf("picture ID %#x, want %#x", got, want)
	}
	if stableID("a", "b/c") == stableID("a/b", "c") || stableID("ab", "c") == stableID("a", "bc") {
		t.Error("two pictures share an ID")
	}
}

func TestPicturesNewestFirst(t *testing.T) {
	dir := t.TempDir()
	noon := time.Date(2025, 5, 5, 12, 0, 0, 0, time.UTC)
	for name, age := range map[string]time.Duration{"old.png": 2, "b.png": 1, "a.gif": 1, "new.jpeg": 0} {
		path := filepath.Join(dir, "x", name)
		write(t, path, nil)
		setTime(t, path, noon.Add(-age*time.Hour))
	}
	write(t, filepath.Join(dir, "x", "notes.txt"), nil)
	account, ok, err := Find(dir, "x")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	pictures, err := account.Pictures()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	ids := make(map[int64]bool)
	for _, p := range pictures {
		got = append(got, p.Name)
		ids[p.ID] = true
	}
	if want := []string{"new.jpeg", "a.gif", "b.png", "old.png"}; !slices.Equal(got, want) || len(ids) != 4 {
		t.Errorf("pictures %q with %d different IDs, want %q", got, len(ids), want)
	}
	if !pictures[0].ModTime.Equal(noon) {
		t.Errorf("newest picture is of %v, want %v", pictures[0].ModTime, noon)
	}
}
