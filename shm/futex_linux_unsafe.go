//go:build linux && (amd64 || arm64)

package shm

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The raw system calls. futex_waitv (Linux 5.16) waits for the shared word and
// for a private cancel word at once. Where it is missing or a seccomp filter
// refuses it, a plain FUTEX_WAIT on the shared word serves, and who cancels wakes
// that; one thread then cannot wait for several words, so it polls them.

const (
	futexWait    = 0
	futexWake    = 1
	futex2Size32 = 2
	futexPrivate = 128
	mostWords    = 127 // futex_waitv takes 128, one of them our cancel word
	pollPlain    = 10 * time.Millisecond
)

type futexWaitV struct {
	val      uint64
	addr     uint64
	flags    uint32
	reserved uint32
}

// noWaitV is set when the kernel or a filter has refused futex_waitv.
var noWaitV atomic.Bool

// kernelWait is one thread's wait. It is pooled because its cancel word must
// stay at its address while another goroutine may wake it.
type kernelWait struct {
	word      uint32 // the private cancel word: 1 ends the wait
	cancelled bool
	plain     atomic.Pointer[word32] // slept on without futex_waitv
	v         [mostWords + 1]futexWaitV
}

var kernelWaits = sync.Pool{New: func() any { return new(kernelWait) }}

func newKernelWait() *kernelWait {
	k := kernelWaits.Get().(*kernelWait)
	k.reset()
	return k
}

func (k *kernelWait) reset() { atomic.StoreUint32(&k.word, 0) }

func (k *kernelWait) release() {
	if !k.cancelled { // a late cancel of a reused wait would end a stranger's sleep
		kernelWaits.Put(k)
	}
}

// cancel ends the wait, now or when it starts.
func (k *kernelWait) cancel() {
	atomic.StoreUint32(&k.word, 1)
	_, _, _ = unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&k.word)),
		futexWake|futexPrivate, 1, 0, 0, 0)
	// A plain wait looks at the cancel word before it sleeps and not while: it
	// may be about to, so it is woken until it has gone.
	for w := k.plain.Load(); w != nil && k.plain.Load() == w; time.Sleep(50 * time.Microsecond) {
		futexWakeAll(w)
	}
}

// wait sleeps while *w is v, for d at most, and tells whether it was that long.
// All other returns are the same to the caller, who looks again.
func (k *kernelWait) wait(w *word32, v uint32, d time.Duration) (slept bool) {
	if noWaitV.Load() {
		return k.waitPlain(w, v, d)
	}
	k.set(0, w, v)
	return k.waitV(1, d)
}

// waitMany is wait for the first of several words that changes.
func (k *kernelWait) waitMany(ws []*word32, vs []uint32, d time.Duration) {
	if noWaitV.Load() {
		ts := unix.NsecToTimespec(int64(pollPlain))
		_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&k.word)), futexWait|futexPrivate, 0,
			uintptr(unsafe.Pointer(&ts)), 0, 0)
		return
	}
	for i, w := range ws {
		k.set(i, w, vs[i])
	}
	k.waitV(len(ws), d)
	runtime.KeepAlive(ws)
}

func (k *kernelWait) set(i int, w *word32, v uint32) {
	k.v[i] = futexWaitV{val: uint64(v), addr: uint64(uintptr(unsafe.Pointer(&w.v))), flags: futex2Size32}
}

func (k *kernelWait) waitV(n int, d time.Duration) (slept bool) {
	k.v[n] = futexWaitV{addr: uint64(uintptr(unsafe.Pointer(&k.word))), flags: futex2Size32 | futexPrivate}
	var end unix.Timespec
	timeout := unsafe.Pointer(nil)
	if d != forever {
		end = unix.NsecToTimespec(int64(time.Since(started)+d) + monotonicStart())
		timeout = unsafe.Pointer(&end)
	}
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX_WAITV, uintptr(unsafe.Pointer(&k.v[0])), uintptr(n+1),
		0, uintptr(timeout), unix.CLOCK_MONOTONIC, 0)
	runtime.KeepAlive(k)
	if errno == unix.ENOSYS || errno == unix.EPERM {
		noWaitV.Store(true)
	}
	return errno == unix.ETIMEDOUT
}

// monotonicStart is the kernel's monotonic clock when the process started, so that
// a sleep costs no system call to find its end. Measured once: half a slice of
// error would do.
var monotonicStart = sync.OnceValue(func() int64 {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // cannot fail
	return now.Nano() - int64(time.Since(started))
})

func (k *kernelWait) waitPlain(w *word32, v uint32, d time.Duration) (slept bool) {
	k.plain.Store(w)
	defer k.plain.Store(nil)
	if atomic.LoadUint32(&k.word) != 0 {
		return false
	}
	ts := unix.NsecToTimespec(int64(d))
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&w.v)), futexWait, uintptr(v),
		uintptr(unsafe.Pointer(&ts)), 0, 0)
	runtime.KeepAlive(w)
	return errno == unix.ETIMEDOUT
}

// futexWakeAll wakes every sleeper of the word in every process. The word is
// shared: no FUTEX_PRIVATE_FLAG, or other processes would not hear it.
func futexWakeAll(w *word32) {
	reach(ptFutexWake)
	_, _, _ = unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&w.v)), futexWake, 1<<31-1, 0, 0, 0)
}
