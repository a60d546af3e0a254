//go:build linux && (amd64 || arm64)

package objects_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// wantLimits attaches with limits of its own, which must not count.
func wantLimits(t *testing.T, name string, tokens, perAddress int) {
	t.Helper()
	m, err := objects.Open(name, &objects.Options{Attach: true, Tokens: 99, PerAddress: 16})
	must(t, err)
	defer m.Close()
	ids := 0
	for err = nil; err == nil; ids++ {
		_, _, err = m.Users.Launch(t.Context(), objects.Query{URL: strings.Repeat("x", ids+1), Address: addr("192.0.2.1")})
	}
	if !errors.Is(err, objects.ErrLimit) || ids-1 != perAddress || m.Tokens() != tokens {
		t.Errorf("%d tokens and %d requests of an address, want %d and %d (%v)", m.Tokens(), ids-1, tokens, perAddress, err)
	}
}

func TestLimits_OutliveResetAndRestore(t *testing.T) {
	name := shmtest.Name(t)
	m, err := objects.Create(name, &objects.Options{Tokens: 5, PerAddress: 3})
	must(t, err)
	must(t, m.Close())
	file := filepath.Join(t.TempDir(), "snapshot")
	_, err = shm.Snapshot(name, file, nil, false)
	must(t, err)
	wantLimits(t, name, 5, 3)
	must(t, shm.Reset(name, nil, false))
	wantLimits(t, name, 5, 3)

	must(t, shm.Remove(name, nil, false))
	_, err = objects.Restore(file, name, nil)
	must(t, err)
	wantLimits(t, name, 5, 3)

	must(t, shm.Remove(name, nil, false))
	m, err = objects.Create(name, &objects.Options{Tokens: 9, PerAddress: 2})
	must(t, err)
	must(t, m.Close())
	r, err := shm.Restore(file, name, nil, nil)
	must(t, err)
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "setting limits stays") {
		t.Errorf("notes: %q", r.Notes)
	}
	wantLimits(t, name, 9, 2)
}

func TestSetLimits(t *testing.T) {
	name := shmtest.Name(t)
	m, err := objects.Create(name, &objects.Options{Tokens: 5, PerAddress: 3})
	must(t, err)
	if err := objects.SetLimits(name, &objects.Options{Tokens: 7}); !errors.Is(err, shm.ErrInUse) {
		t.Errorf("while a process is attached: %v", err)
	}
	must(t, m.Close())
	must(t, objects.SetLimits(name, &objects.Options{Tokens: 7}))
	wantLimits(t, name, 7, 3)
	must(t, shm.Reset(name, nil, false))
	must(t, objects.SetLimits(name, &objects.Options{PerAddress: 2}))
	wantLimits(t, name, 7, 2)
	for _, o := range []objects.Options{{Tokens: 129}, {PerAddress: 17}, {Tokens: -1}} {
		if err := objects.SetLimits(name, &o); err == nil {
			t.Errorf("%+v was set", o)
		}
	}
	if err := shm.SetSetting(name, "counts-current", func(uint64) uint64 { return 1 }, nil); !errors.Is(err, shm.ErrLayout) {
		t.Errorf("a cell that is no setting: %v", err)
	}
}
