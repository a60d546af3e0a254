//go:build crashpoint

package shm

import "unsafe"

// lineOf is the cache line of a word.
func lineOf(w *uint64) uintptr { return uintptr(unsafe.Pointer(w)) / 64 }

// line is the aligned word that holds a futex word.
func (w *word32) line() *uint64 { return (*uint64)(unsafe.Pointer(w)) }
