package gallery

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestDraw(t *testing.T) {
	if testing.Short() {
		t.Skip("paints 600 pictures, which takes a minute under the race detector")
	}
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "gallery")
	const seed = 42
	calls, last := 0, 0
	drawn, err := Draw(dir, seed, func(done, total int) {
		calls++
		if done != calls {
			t.Errorf("progress %d of %d is call %d", done, total, calls)
		}
		last = total
	})
	if err != nil {
		t.Fatal(err)
	}
	if drawn.Painted != 600 || calls != drawn.Painted+drawn.Copied || last != calls {
		t.Errorf("%+v after %d calls of progress, the last of %d", drawn, calls, last)
	}
	if (drawn.Copied == 0) != (drawn.NotCopied != "") {
		t.Errorf("Go's test images: %d copied, but the reason why not is %q", drawn.Copied, drawn.NotCopied)
	}

	accounts, err := Accounts(dir)
	if err != nil {
		t.Fatal(err)
	}
	accounts = slices.DeleteFunc(accounts, func(a Account) bool { return a.Name == TestdataAccount })
	if got := names(accounts); !slices.Equal(got, accountNames[:]) {
		t.Errorf("accounts %q, want %q", got, accountNames)
	}
	var hashes []uint64
	endings := make(map[string]int)
	for _, account := range accounts {
		pictures, err := account.Pictures()
		if err != nil || len(pictures) != 50 {
			t.Fatalf("account %s has %d pictures, error %v", account.Name, len(pictures), err)
		}
		for i, p := range pictures {
			if i > 0 && !(p.ModTime.Before(pictures[i-1].ModTime) && p.Name < pictures[i-1].Name) {
				t.Errorf("%s and %s are not in order of time and name", pictures[i-1].Path, p.Path)
			}
			endings[filepath.Ext(p.Name)]++
			hash, err := HashFile(p.Path)
			if err != nil {
				t.Fatal(err)
			}
			if near := nearest(hash, hashes); near < MinDrawnDistance {
				t.Errorf("%s is at distance %d from another picture", p.Path, near)
			}
			hashes = append(hashes, hash)
		}
	}
	if endings[".png"] < 100 || endings[".jpg"] < 100 {
		t.Errorf("kinds of files %v, want a mix", endings)
	}
	if drawn.Copied > 0 {
		checkTestdata(t, dir)
	}

	// Painting the beginning again must give the same files.
	rng := rand.New(rand.NewPCG(seed, 1))
	var others []uint64
	first := accountNames[0]
	for i := range 10 {
		file, ending, hash, _, err := paintApart(rng, others)
		if err != nil {
			t.Fatal(err)
		}
		others = append(others, hash)
		path := filepath.Join(dir, first, fmt.Sprintf("%s-%03d%s", first, i+1, ending))
		if old, err := os.ReadFile(path); err != nil || !bytes.Equal(old, file) {
			t.Errorf("picture %d is not the one drawn before: %v", i+1, err)
		}
	}
}

// checkTestdata hashes what ships with Go: every kind, CMYK and interlaced ones
// included, is as good as the plain one, but for the file which Draw cut short.
func checkTestdata(t *testing.T, dir string) {
	account, ok, err := Find(dir, TestdataAccount)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	pictures, err := account.Pictures()
	if err != nil || !slices.ContainsFunc(pictures, func(p Picture) bool { return p.Name == cutShort }) {
		t.Fatalf("pictures %v, error %v; want %s among them", pictures, err, cutShort)
	}
	plain, err := HashFile(filepath.Join(account.Dir, "video-001.png"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pictures {
		hash, err := HashFile(p.Path)
		switch {
		case p.Name == cutShort:
			if err == nil {
				t.Errorf("%s was read", p.Name)
			}
		case err != nil:
			t.Error(err)
		case strings.HasPrefix(p.Name, "video-001.") && Distance(hash, plain) > 10:
			t.Errorf("%s is at distance %d from the same picture", p.Name, Distance(hash, plain))
		}
	}
}

func TestDrawFailsWhereItCannotWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, nil)
	if _, err := Draw(path, 1, nil); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Draw into a file: %v", err)
	}
}
