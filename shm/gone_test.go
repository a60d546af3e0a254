//go:build linux && (amd64 || arm64)

package shm

import (
	"runtime/debug"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The system calls get addresses of words and do not touch them: the memory may be
// that of a truncated file, and not all of them are called where a fault is caught.
func TestFutex_MemoryGone(t *testing.T) {
	fd, err := unix.MemfdCreate("gone", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, 4096); err != nil {
		t.Fatal(err)
	}
	b, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(b)
	w := memory{b}.word32(64)
	if err := unix.Ftruncate(fd, 0); err != nil {
		t.Fatal(err)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	touches := func(f func()) (touched bool) {
		defer func() { touched = recover() != nil }()
		f()
		return false
	}
	if !touches(func() { w.load(ptFutexRead) }) {
		t.Fatal("the memory is still there")
	}
	s := newFutexSleeper()
	s.direct[0].w.Store(w)
	gone := false
	for what, f := range map[string]func(){
		"futexWait":    func() { futexWait(w, 1) },
		"futexWakeAll": func() { futexWakeAll(w) },
		"futexWakeOwn": func() { gone = futexWakeOwn(w) },
		"futex_waitv":  func() { s.crowd.control.wait([]*word32{w}, []uint32{1}, time.Second) },
		"pulse":        s.pulse,
	} {
		if touches(f) {
			t.Errorf("%s touches the word", what)
		}
	}
	if !gone {
		t.Error("futexWakeOwn does not tell that the word is gone")
	}
}
