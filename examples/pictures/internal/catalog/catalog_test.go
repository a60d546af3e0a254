package catalog

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func open(t *testing.T, path string) *Catalog {
	t.Helper()
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCounts(t *testing.T, c *Catalog, pictures, accounts int64) {
	t.Helper()
	p, a, err := c.Counts(t.Context())
	if err != nil || p != pictures || a != accounts {
		t.Errorf("%d pictures, %d accounts, error %v; want %d and %d", p, a, err, pictures, accounts)
	}
}

func TestAddIsIdempotent(t *testing.T) {
	ctx := t.Context()
	// A name which would be cut or decoded if the URI were not escaped.
	path := filepath.Join(t.TempDir(), "a?b #100%20.db")
	c := open(t, path)
	for range 2 {
		check(t, c.AddAccount(ctx, 1, "mirako"))
		check(t, c.Add(ctx, 1, 10, "a.png", math.MaxUint64))
		check(t, c.Add(ctx, 2, 10, "a.png", 0))
		check(t, c.AddUnreadable(ctx, 1, 11, "b.png", "cut short"))
	}
	wantCounts(t, c, 2, 1)
	for _, has := range []struct {
		account, picture int64
		want             bool
	}{{1, 10, true}, {1, 11, true}, {2, 10, true}, {2, 11, false}, {3, 10, false}} {
		if got, err := c.Has(ctx, has.account, has.picture); err != nil || got != has.want {
			t.Errorf("Has(%d, %d) = %v, %v", has.account, has.picture, got, err)
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file has another name: %v", err)
	}
	// Another handle sees it, and opening again keeps it.
	wantCounts(t, open(t, path), 2, 1)
}

func TestPictureIsReadableOrNot(t *testing.T) {
	ctx := t.Context()
	c := open(t, filepath.Join(t.TempDir(), "c.db"))
	check(t, c.Add(ctx, 1, 10, "a.png", 5))
	check(t, c.AddUnreadable(ctx, 1, 10, "a.png", "was damaged"))
	check(t, c.AddUnreadable(ctx, 1, 9, "z.png", "no"))
	if matches, err := c.Search(ctx, []int64{1}, 5, 64); err != nil || len(matches) != 0 {
		t.Errorf("found %v, %v; want nothing", matches, err)
	}
	want := []UnreadableFile{{1, 10, "a.png", "was damaged"}, {1, 9, "z.png", "no"}}
	if got, err := c.Unreadable(ctx); err != nil || !slices.Equal(got, want) {
		t.Errorf("unreadable %v, %v; want %v", got, err, want)
	}
	check(t, c.Add(ctx, 1, 10, "a.png", 5))
	if got, err := c.Unreadable(ctx); err != nil || !slices.Equal(got, want[1:]) {
		t.Errorf("after repair unreadable %v, %v", got, err)
	}
}

func TestSearch(t *testing.T) {
	ctx := t.Context()
	c := open(t, filepath.Join(t.TempDir(), "c.db"))
	const hash = 0xf000_0000_0000_0001 // its top bit must survive being stored
	for _, p := range []struct {
		account, picture int64
		hash             uint64
	}{
		{1, 5, hash}, {1, 4, hash ^ 3}, {1, 6, hash ^ 7<<61}, {2, 5, hash}, {2, 1, ^uint64(hash)}, {3, 7, hash},
	} {
		check(t, c.Add(ctx, p.account, p.picture, "p", p.hash))
	}
	for _, s := range []struct {
		accounts []int64
		near     int
		want     []Match
	}{
		{[]int64{2, 1, 2, 9}, 2, []Match{{1, 5, "p", 0}, {2, 5, "p", 0}, {1, 4, "p", 2}}},
		{[]int64{1}, 3, []Match{{1, 5, "p", 0}, {1, 4, "p", 2}, {1, 6, "p", 3}}},
		{[]int64{2}, 64, []Match{{2, 5, "p", 0}, {2, 1, "p", 64}}},
		{[]int64{1, 2, 3}, -1, nil},
		{nil, 64, nil},
	} {
		asked := slices.Clone(s.accounts)
		got, err := c.Search(ctx, s.accounts, hash, s.near)
		if err != nil || !reflect.DeepEqual(got, s.want) {
			t.Errorf("Search(%v, %d) = %v, %v; want %v", s.accounts, s.near, got, err, s.want)
		}
		if !slices.Equal(asked, s.accounts) {
			t.Errorf("Search changed its argument to %v", s.accounts)
		}
	}
}

func TestCursors(t *testing.T) {
	ctx := t.Context()
	c := open(t, filepath.Join(t.TempDir(), "c.db"))
	want := func(a, b string, scanned bool) {
		t.Helper()
		gotA, gotB, got, err := c.Cursors(ctx, 1)
		if err != nil || gotA != a || gotB != b || got != scanned {
			t.Errorf("cursors %q, %q, %v, %v; want %q, %q, %v", gotA, gotB, got, err, a, b, scanned)
		}
	}
	want("", "", false)
	check(t, c.SaveCursor(ctx, 1, 'A', "7"))
	want("7", "", false)
	check(t, c.AddAccount(ctx, 1, "mirako"))
	want("7", "", false)
	check(t, c.SaveCursor(ctx, 1, 'B', ""))
	check(t, c.SaveCursor(ctx, 1, 'A', "8"))
	want("8", "", true)
	check(t, c.SaveCursor(ctx, 2, 'B', "other"))
	want("8", "", true)
	wantCounts(t, c, 0, 2)
	if err := c.SaveCursor(ctx, 1, 'C', "x"); err == nil {
		t.Error("saved a cursor of leg C")
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "text"), []byte(strings.Repeat("no database ", 500)), 0o644))
	for name, statement := range map[string]string{
		"newer":   `PRAGMA user_version = 99`,
		"foreign": `CREATE TABLE other (x)`,
	} {
		db, err := sql.Open("sqlite3", dataSource(filepath.Join(dir, name)))
		check(t, err)
		_, err = db.Exec(statement)
		check(t, errors.Join(err, db.Close()))
	}
	for _, name := range []string{"text", "newer", "foreign", "no/such/folder", "."} {
		path := filepath.Join(dir, name)
		if c, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Open(%s): %v, %v; want an error that names the file", name, c, err)
		}
	}
}

// A writer kept out by another must wait and succeed, or give up when its
// context ends.
func TestWaitsForTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	c, other := open(t, path), open(t, path)
	tx, err := other.db.BeginTx(t.Context(), nil)
	check(t, err)
	defer tx.Rollback()

	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Add(short, 1, 1, "p", 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Add beside a lock: %v, want the context's error", err)
	}
	if has, err := c.Has(t.Context(), 1, 1); err != nil || has {
		t.Errorf("reading beside a lock: %v, %v", has, err)
	}

	done := make(chan error, 1)
	go func() { done <- c.Add(t.Context(), 1, 1, "p", 1) }()
	select {
	case err := <-done:
		t.Errorf("Add did not wait for the lock: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	check(t, tx.Rollback())
	check(t, <-done)
	wantCounts(t, c, 1, 0)
}
