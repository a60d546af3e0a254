//go:build linux && (amd64 || arm64)

package shm_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// foreign makes an empty segment of another user and group, with a side file.
func foreign(t *testing.T) (name string, opt *shm.Options) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to other users")
	}
	name = shmtest.Name(t)
	opt = &shm.Options{Mode: 0o660}
	t.Cleanup(func() { must(t, shm.Remove(name, opt, true)) }) // shmtest's own does not trust a group
	s := create(t, name, &farm{}, opt)
	side, err := s.SideFile("note")
	must(t, err)
	must(t, os.WriteFile(side, []byte("x"), 0o600))
	must(t, s.Close())
	must(t, os.Chown(pathOf(name), 4321, 5432))
	must(t, os.Chown(side, 4321, 5432))
	return name, opt
}

// usersOf is whose a file is and what they may do.
func usersOf(t *testing.T, path string) string {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	return fmt.Sprintf("%d:%d %o", st.Uid, st.Gid, st.Mode&0o777)
}

func wantUsers(t *testing.T, path, want string) {
	t.Helper()
	if got := usersOf(t, path); got != want {
		t.Errorf("%s is %s, want %s", filepath.Base(path), got, want)
	}
}

func TestOwner_KeptByRoot(t *testing.T) {
	name, opt := foreign(t)
	file := filepath.Join(t.TempDir(), "snapshot")
	_, err := shm.Snapshot(name, file, opt, false)
	must(t, err)
	wantUsers(t, file, "4321:5432 660")
	wantUsers(t, filepath.Join(filepath.Dir(file), ".snapshot,note"), "4321:5432 600")

	must(t, shm.Reset(name, opt, false))
	wantUsers(t, pathOf(name), "4321:5432 660")
	_, err = shm.Restore(file, name, nil, opt) // into the one that is there
	must(t, err)
	wantUsers(t, pathOf(name), "4321:5432 660")
	wantUsers(t, pathOf("."+name+",note"), "4321:5432 600")

	must(t, shm.Remove(name, opt, false))
	_, err = shm.Restore(file, name, nil, nil) // to a new name
	must(t, err)
	wantUsers(t, pathOf(name), "4321:5432 660")
	must(t, shm.Remove(name, opt, false))
	_, err = shm.Restore(file, name, nil, &shm.Options{Mode: 0o660, Group: 777}) // as the caller says
	must(t, err)
	wantUsers(t, pathOf(name), "0:777 660")
}

// A copy that everybody may read does not make a segment that everybody may.
func TestOwner_OfALooseFile(t *testing.T) {
	name, opt := foreign(t)
	file := filepath.Join(t.TempDir(), "snapshot")
	_, err := shm.Snapshot(name, file, opt, false)
	must(t, err)
	must(t, os.Chmod(file, 0o644))
	must(t, shm.Remove(name, opt, false))
	_, err = shm.Restore(file, name, nil, nil)
	must(t, err)
	wantUsers(t, pathOf(name), "4321:5432 600")
}

// Whoever cannot give the new file to the old one's owner changes nothing.
func TestOwner_Refused(t *testing.T) {
	name, opt := foreign(t)
	file := filepath.Join(t.TempDir(), "snapshot")
	_, err := shm.Snapshot(name, file, opt, false)
	must(t, err)
	before, err := os.Stat(pathOf(name))
	must(t, err)
	withoutChown(t, func() {
		if err := shm.Reset(name, opt, false); !errors.Is(err, shm.ErrOwner) {
			t.Errorf("Reset: %v", err)
		}
		if _, err := shm.Restore(file, name, nil, opt); !errors.Is(err, shm.ErrOwner) {
			t.Errorf("Restore: %v", err)
		}
		second := file + "2"
		if _, err := shm.Snapshot(name, second, opt, false); err != nil {
			t.Errorf("Snapshot: %v", err)
		}
		wantUsers(t, second, "0:0 600")
	})
	after, err := os.Stat(pathOf(name))
	must(t, err)
	if !os.SameFile(before, after) {
		t.Error("the segment was replaced")
	}
	if _, err := os.Stat(pathOf("." + name + ",note")); err != nil {
		t.Error(err)
	}
	s, err := shm.Attach(name, &farm{}, opt)
	must(t, err)
	must(t, s.Close())
}

// withoutChown calls f on a thread that may not give files away.
func withoutChown(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		err := unix.Capget(&head, &data[0])
		if err == nil {
			data[0].Effective &^= 1 << unix.CAP_CHOWN
			err = unix.Capset(&head, &data[0])
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	must(t, <-done)
}
