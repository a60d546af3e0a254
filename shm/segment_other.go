//go:build !(linux && (amd64 || arm64))

package shm

import "fmt"

// Shared segments need Linux. Private ones work everywhere.

type segmentFile struct{}

func (*segmentFile) tryRegister(uint32) bool { return false }
func (*segmentFile) unlockRegister(uint32)   {}
func (*segmentFile) tryLife(uint32) bool     { return false }
func (*segmentFile) unlockLife(uint32)       {}
func (*segmentFile) lifeFree(uint32) bool    { return false }
func (*segmentFile) leave() error            { return nil }
func (*segmentFile) unmap()                  {}
func (*segmentFile) close() error            { return nil }

// Create returns ErrUnsupported on this system.
func Create(name string, app Definer, o *Options) (*Segment, error) {
	return nil, fmt.Errorf("%w: create %s", ErrUnsupported, name)
}

// Attach returns ErrUnsupported on this system.
func Attach(name string, app Definer, o *Options) (*Segment, error) {
	return nil, fmt.Errorf("%w: attach %s", ErrUnsupported, name)
}

func pidNamespace() uint64 { return 0 }
