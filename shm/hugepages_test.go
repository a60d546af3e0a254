//go:build linux && (amd64 || arm64)

package shm_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// huge DIR: mount a tmpfs there that grants huge pages on request, and say how
	// many kB of memory get them by a plain request, and of segments that ask or not.
	shmtest.Register("huge", func(args []string) {
		dir := args[0]
		type large struct{ Bytes [1 << 16]byte }
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "huge=advise,size=256m"); err != nil {
			fmt.Println("no mount:", err)
			return
		}
		f, err := os.Create(dir + "/plain")
		check1(err)
		check1(f.Truncate(size))
		m, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		check1(err)
		check1(unix.Madvise(m, unix.MADV_HUGEPAGE))
		clear(m)
		fmt.Println("plain", hugeKB(dir))
		check1(unix.Munmap(m))
		for _, huge := range []bool{false, true} {
			s, err := shm.Create(fmt.Sprint("s-", huge), arenaOf[large](),
				&shm.Options{Dir: dir, HugePages: huge, Prefault: true, Capacity: map[string]int{"a": size >> 16}})
			check1(err)
			fmt.Println(huge, hugeKB(dir))
			check1(s.Close())
		}
		_, err = shm.Create("full", arenaOf[large](),
			&shm.Options{Dir: dir, HugePages: true, Capacity: map[string]int{"a": 256 << 20 >> 16}})
		fmt.Println("full", errors.Is(err, shm.ErrNoSpace))
	})
}

const size = 32 << 20

// hugeKB is how much of its shared memory this process has mapped by huge pages.
func hugeKB(dir string) (n int) {
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	check1(err)
	_, rest, _ := strings.Cut(string(text), "ShmemPmdMapped:")
	_, err = fmt.Sscan(rest, &n)
	check1(err)
	return n
}

func TestOptions_HugePages(t *testing.T) {
	exe, err := os.Executable()
	must(t, err)
	c := exec.Command(exe, t.TempDir())
	c.Env = append(os.Environ(), "SHMTEST_CHILD=huge")
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	said, err := c.CombinedOutput()
	out := string(said)
	if c.Process == nil || strings.HasPrefix(out, "no mount") {
		t.Skipf("needs a user and a mount namespace: %v %s", err, out)
	}
	var plain, without, with int
	var full bool
	if _, e := fmt.Sscanf(out, "plain %d\nfalse %d\ntrue %d\nfull %t", &plain, &without, &with, &full); e != nil || err != nil {
		t.Fatalf("the child: %v\n%s", err, out)
	}
	if plain < size>>10 {
		t.Skipf("the kernel gave %d kB of %d: it has no huge pages to give", plain, size>>10)
	}
	if without != 0 || with < size>>10 {
		t.Errorf("%d kB of huge pages without asking, %d of %d with", without, with, size>>10)
	}
	if !full {
		t.Error("a segment larger than the file system: want ErrNoSpace")
	}
}
