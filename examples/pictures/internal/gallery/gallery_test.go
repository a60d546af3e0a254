package gallery

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// tree writes count pictures into each of the accounts, and returns the folder.
func tree(t *testing.T, count int, accounts ...string) string {
	t.Helper()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(7, 7))
	for _, account := range accounts {
		for i := range count {
			file, ending, err := encode(paint(rng), rng)
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, account, fmt.Sprintf("%02d%s", i, ending)), file)
		}
	}
	return dir
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Skipf("this file system has no symbolic links: %v", err)
	}
}

func setTime(t *testing.T, path string, at time.Time) {
	t.Helper()
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}
