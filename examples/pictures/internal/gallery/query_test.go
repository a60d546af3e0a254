package gallery

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

const near = 8

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, data)
}

func firstOf(t *testing.T, dir, account string) string {
	t.Helper()
	a, ok, err := Find(dir, account)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	pictures, err := a.Pictures()
	if err != nil {
		t.Fatal(err)
	}
	return pictures[0].Path
}

// hashesOf hashes the readable pictures of an account, in its own simple way.
func hashesOf(t *testing.T, dir, account string) map[int64]uint64 {
	t.Helper()
	a, ok, err := Find(dir, account)
	if err != nil {
		t.Fatal(err)
	}
	hashes := make(map[int64]uint64)
	if !ok {
		return hashes
	}
	pictures, err := a.Pictures()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pictures {
		if hash, err := HashFile(p.Path); err == nil {
			hashes[p.ID] = hash
		}
	}
	return hashes
}

func TestMakeQueries(t *testing.T) {
	t.Parallel()
	dir := tree(t, 4, "one", "two", "deep/three")
	write(t, filepath.Join(dir, "one", "broken.png"), []byte("not a picture"))
	write(t, filepath.Join(dir, "void", "broken.png"), []byte("not a picture"))
	copyFile(t, firstOf(t, dir, "two"), filepath.Join(dir, "two", "again.jpg"))

	const n = 24
	out := t.TempDir()
	queries, err := MakeQueries(dir, out, 5, n, near)
	if err != nil {
		t.Fatal(err)
	}
	absent, unknown, wrong, twins := 0, 0, 0, 0
	for _, q := range queries {
		page, err := ReadPage(q.Page)
		if err != nil {
			t.Fatal(err)
		}
		if hash, err := HashFile(page.Image); err != nil || hash != q.Hash {
			t.Errorf("%s: hash %#x, %v; want %#x", page.Image, hash, err, q.Hash)
		}
		if len(page.Artist) < 1 || len(page.Artist) > 3 {
			t.Errorf("%s names %q", q.Page, page.Artist)
		}
		for _, name := range page.Artist {
			hashes := hashesOf(t, dir, name)
			switch {
			case len(hashes) == 0:
				unknown++
			case name != q.Account:
				wrong++
			}
			for id, hash := range hashes {
				if q.Absent && Distance(hash, q.Hash) <= near {
					t.Errorf("%s is absent, but picture %d of %s is at distance %d", q.Page, id, name, Distance(hash, q.Hash))
				}
			}
		}
		if q.Absent {
			absent++
			if q.Account != "" || q.Picture != 0 || q.Same != nil {
				t.Errorf("absent, but %+v", q)
			}
			continue
		}
		hashes := hashesOf(t, dir, q.Account)
		source, ok := hashes[q.Picture]
		if !ok || !slices.Contains(page.Artist, q.Account) || Distance(source, q.Hash) > near {
			t.Errorf("%+v: page names %q, distance %d", q, page.Artist, Distance(source, q.Hash))
		}
		var same []int64
		for id, hash := range hashes {
			if hash == source {
				same = append(same, id)
			}
		}
		slices.Sort(same)
		if !slices.Equal(same, q.Same) || !slices.Contains(same, q.Picture) {
			t.Errorf("%+v: want Same %v", q, same)
		}
		if len(same) > 1 {
			twins++
		}
	}
	if len(queries) != n || absent != n/8 || unknown == 0 || wrong == 0 || twins == 0 {
		t.Errorf("%d queries, %d absent, %d unknown and %d wrong names, %d with twins", len(queries), absent, unknown, wrong, twins)
	}
	checkRepeatable(t, dir, out, queries)
}

func checkRepeatable(t *testing.T, dir, out string, queries []Query) {
	t.Helper()
	again, err := MakeQueries(dir, t.TempDir(), 5, len(queries), near)
	if err != nil {
		t.Fatal(err)
	}
	for i := range again {
		ending := filepath.Base(again[i].Page)
		first, err1 := os.ReadFile(filepath.Join(out, ending))
		second, err2 := os.ReadFile(again[i].Page)
		if err1 != nil || err2 != nil || !bytes.Equal(first, second) {
			t.Errorf("page %s differs: %v, %v", ending, err1, err2)
		}
		again[i].Page = queries[i].Page
	}
	if !reflect.DeepEqual(again, queries) {
		t.Error("the same seed gave other queries")
	}
}

func TestMakeQueriesOfOnePicture(t *testing.T) {
	dir := tree(t, 1, "only")
	queries, err := MakeQueries(dir, t.TempDir(), 1, 9, near)
	if err != nil || len(queries) != 9 {
		t.Fatalf("%d queries, %v", len(queries), err)
	}
	for i, q := range queries {
		if q.Absent != (i == 7) || (!q.Absent && q.Account != "only") {
			t.Errorf("query %d: %+v", i, q)
		}
	}
}

func TestMakeQueriesRefuses(t *testing.T) {
	dir := tree(t, 1, "only")
	unreadable := t.TempDir()
	write(t, filepath.Join(unreadable, "x", "1.png"), []byte("no"))
	for name, tree := range map[string]string{"no account": t.TempDir(), "nothing readable": unreadable} {
		if _, err := MakeQueries(tree, t.TempDir(), 1, 1, near); !errors.Is(err, ErrNoReadable) {
			t.Errorf("%s: error %v, want ErrNoReadable", name, err)
		}
	}
	for name, try := range map[string]func() ([]Query, error){
		"inside the tree":    func() ([]Query, error) { return MakeQueries(dir, filepath.Join(dir, "only"), 1, 1, near) },
		"the tree itself":    func() ([]Query, error) { return MakeQueries(dir, dir, 1, 1, near) },
		"negative count":     func() ([]Query, error) { return MakeQueries(dir, t.TempDir(), 1, -1, near) },
		"negative distance":  func() ([]Query, error) { return MakeQueries(dir, t.TempDir(), 1, 1, -1) },
		"no tree":            func() ([]Query, error) { return MakeQueries(filepath.Join(dir, "no"), t.TempDir(), 1, 1, near) },
		"everything is near": func() ([]Query, error) { return MakeQueries(dir, t.TempDir(), 1, 8, 64) },
	} {
		if queries, err := try(); err == nil || errors.Is(err, ErrNoReadable) {
			t.Errorf("%s: %d queries, error %v", name, len(queries), err)
		}
	}
}
