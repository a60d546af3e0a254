//go:build !(linux && (amd64 || arm64))

package shm

import (
	"sync/atomic"
	"time"
)

// Elsewhere there are no shared segments, so nothing here is ever called: a
// private segment uses the localSleeper.

const mostWords = 1

var noWaitV atomic.Bool

type kernelWait struct{ cancelled bool }

func newKernelWait() *kernelWait                                  { return new(kernelWait) }
func (k *kernelWait) release()                                    {}
func (k *kernelWait) reset()                                      {}
func (k *kernelWait) cancel()                                     {}
func (k *kernelWait) wait(*word32, uint32, time.Duration) bool    { return false }
func (k *kernelWait) waitMany([]*word32, []uint32, time.Duration) {}
func futexWakeAll(*word32)                                        {}
