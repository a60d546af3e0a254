//go:build linux && (amd64 || arm64)

package shm

import (
	"os"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The raw system calls. They get addresses of words whose memory may be gone, and
// must not touch them on the way: &w.v would, it checks w by a look.
//
// One thread waits for many shared words with futex_waitv (Linux 5.16), and for a
// private control word at once. Where it is missing or a seccomp filter refuses it,
// it polls them.

const (
	futexWaitFor    = 0 // the one with a relative timeout
	futexWake       = 1
	futexWaitBitset = 9
	futexWakeBitset = 10
	futex2Size32    = 2
	futexPrivate    = 128
	mostWords       = 127 // futex_waitv takes 128, one of them our control word
	pollPlain       = 10 * time.Millisecond

	// forever is a wait without a bound.
	forever = time.Duration(-1)
)

// ownBit marks the direct sleepers of this process, as far as 32 bits can tell
// processes apart: those of another one with the same bit look once for nothing.
var ownBit = uintptr(1) << (os.Getpid() % 32)

// futexWait sleeps while *w is v. It may return for no reason; the caller looks again.
func futexWait(w *word32, v uint32) {
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), futexWaitBitset, uintptr(v), 0, 0, ownBit)
}

// futexWakeAll wakes every sleeper of the word in every process. The word is
// shared: no FUTEX_PRIVATE_FLAG, or other processes would not hear it.
func futexWakeAll(w *word32) {
	reach(ptFutexWake)
	_, _, _ = unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), futexWake, 1<<31-1, 0, 0, 0)
}

// futexWakeOwn wakes those of this process, or tells that the word is gone.
func futexWakeOwn(w *word32) (gone bool) {
	_, _, errno := unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), futexWakeBitset, 1<<31-1, 0, 0, ownBit)
	return errno == unix.EFAULT
}

type futexWaitV struct {
	val      uint64
	addr     uint64
	flags    uint32
	reserved uint32
}

// noWaitV is set when the kernel or a filter has refused futex_waitv.
var noWaitV atomic.Bool

// control lets one thread wait for many words, and others end its wait.
type control struct {
	word uint32 // private to the process: 1 ends the wait
	v    [mostWords + 1]futexWaitV
}

func (k *control) reset() { atomic.StoreUint32(&k.word, 0) }

// ring ends the wait, now or when it starts.
func (k *control) ring() {
	atomic.StoreUint32(&k.word, 1)
	_, _, _ = unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&k.word)), futexWake|futexPrivate, 1, 0, 0, 0)
}

// wait sleeps while each word has its value and nobody rings, for d at most.
func (k *control) wait(ws []*word32, vs []uint32, d time.Duration) {
	if noWaitV.Load() {
		ts := unix.NsecToTimespec(int64(pollPlain))
		_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&k.word)), futexWaitFor|futexPrivate, 0,
			uintptr(unsafe.Pointer(&ts)), 0, 0)
		return
	}
	for i, w := range ws {
		k.v[i] = futexWaitV{val: uint64(vs[i]), addr: uint64(uintptr(unsafe.Pointer(w))), flags: futex2Size32}
	}
	n := len(ws)
	k.v[n] = futexWaitV{addr: uint64(uintptr(unsafe.Pointer(&k.word))), flags: futex2Size32 | futexPrivate}
	var end unix.Timespec
	timeout := unsafe.Pointer(nil)
	if d != forever {
		_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &end) // cannot fail
		end = unix.NsecToTimespec(end.Nano() + int64(d))
		timeout = unsafe.Pointer(&end)
	}
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX_WAITV, uintptr(unsafe.Pointer(&k.v[0])), uintptr(n+1),
		0, uintptr(timeout), unix.CLOCK_MONOTONIC, 0)
	runtime.KeepAlive(k)
	runtime.KeepAlive(ws)
	if errno == unix.ENOSYS || errno == unix.EPERM {
		noWaitV.Store(true)
	}
}
