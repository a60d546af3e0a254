package primitives

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// place is a path beside the segments, for whatever a benchmark puts there.
func place(tb testing.TB) string {
	dir := os.Getenv("SHM_DIR")
	if dir == "" {
		dir = shm.DefaultDir
	}
	if _, err := os.Stat(dir); err != nil {
		tb.Skip("not measured, needs a tmpfs: ", err)
	}
	return filepath.Join(dir, shmtest.Name(tb))
}

// bareWords maps n words of the file in any process that asks: shared memory with
// nothing in it.
func bareWords(path string, n int) []uint64 {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	check(err)
	defer f.Close()
	check(unix.Fallocate(int(f.Fd()), 0, 0, int64(n)*8))
	b, err := unix.Mmap(int(f.Fd()), 0, n*8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	check(err)
	return unsafe.Slice((*uint64)(unsafe.Pointer(&b[0])), n)
}

func unmapWords(w []uint64) {
	_ = unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(&w[0])), len(w)*8))
}

// pin keeps this goroutine on a thread, and the thread on a processor, if the
// machine has it: two that spin are to spin on two.
func pin(cpu int) (unpin func()) {
	runtime.LockOSThread()
	var before, one unix.CPUSet
	if unix.SchedGetaffinity(0, &before) != nil {
		return runtime.UnlockOSThread
	}
	one.Set(cpu)
	_ = unix.SchedSetaffinity(0, &one)
	return func() {
		_ = unix.SchedSetaffinity(0, &before)
		runtime.UnlockOSThread()
	}
}

// pinAll keeps all threads of the process on one processor, also those to come;
// GOMAXPROCS stays. A negative one means any.
func pinAll(cpu int) (unpin func()) {
	var before, one unix.CPUSet
	if cpu < 0 || unix.SchedGetaffinity(0, &before) != nil {
		return func() {}
	}
	one.Set(cpu)
	set := func(to *unix.CPUSet) {
		tasks, _ := filepath.Glob("/proc/self/task/*")
		for _, task := range tasks {
			if tid, err := strconv.Atoi(filepath.Base(task)); err == nil {
				_ = unix.SchedSetaffinity(tid, to)
			}
		}
	}
	set(&one)
	return func() { set(&before) }
}

// yield lets another process have this processor.
func yield() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

const apart = 16 // words between two lines that two processes write

// cacheline is a word that goes to and fro on one line each way.
func cacheline(path string) (there, back *atomic.Uint64) {
	w := bareWords(path, 2*apart)
	return (*atomic.Uint64)(unsafe.Pointer(&w[0])), (*atomic.Uint64)(unsafe.Pointer(&w[apart]))
}
