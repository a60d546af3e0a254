//go:build linux && (amd64 || arm64)

package shm_test

import (
	"cmp"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func TestOptions_Prefault(t *testing.T) {
	page := make([]byte, os.Getpagesize())
	m, err := unix.Mmap(-1, 0, len(page), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	must(t, err)
	defer func() { _ = unix.Munmap(m) }()
	if unix.Madvise(m, unix.MADV_POPULATE_WRITE) == unix.EINVAL {
		t.Skip("the kernel cannot prefault; Linux 5.14 can")
	}
	type large struct{ Bytes [1 << 16]byte }
	for _, prefault := range []bool{false, true} {
		o := &shm.Options{Prefault: prefault, Capacity: map[string]int{"a": 64}}
		name := shmtest.Name(t)
		first, err := shm.Create(name, arenaOf[large](), o)
		must(t, err)
		created := wholeMappings(t, name)
		second, err := shm.Attach(name, arenaOf[large](), o)
		must(t, err)
		attached := wholeMappings(t, name)
		wantCreated, wantAttached := 0, 0
		if prefault {
			wantCreated, wantAttached = 1, 2
		}
		if created != wantCreated || attached != wantAttached {
			t.Errorf("prefault %v: %d mappings have all pages after Create, %d after Attach", prefault, created, attached)
		}
		must(t, second.Close())
		must(t, first.Close())
	}
}

// wholeMappings counts this process's mappings of a segment whose pages are all
// mapped. The creator's has no name in the list, so the file's number tells.
func wholeMappings(t *testing.T, name string) (n int) {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Stat(filepath.Join(cmp.Or(os.Getenv("SHM_DIR"), shm.DefaultDir), name), &st))
	text, err := os.ReadFile("/proc/self/smaps")
	must(t, err)
	ours, size := false, ""
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		switch {
		case strings.Contains(f[0], "-"):
			ours = f[4] == strconv.FormatUint(st.Ino, 10)
		case ours && f[0] == "Size:":
			size = f[1]
		case ours && f[0] == "Rss:" && f[1] == size:
			n++
		}
	}
	return n
}
