//go:build !(linux && (amd64 || arm64))

package shm

import "context"

// SweepSegment returns ErrUnsupported on this system.
func SweepSegment(context.Context, string, *Options) (Report, error) {
	return Report{}, ErrUnsupported
}

// StopSegment returns ErrUnsupported on this system.
func StopSegment(string, *Options) error { return ErrUnsupported }

// SetSetting returns ErrUnsupported on this system.
func SetSetting(string, string, func(uint64) uint64, *Options) error { return ErrUnsupported }

// KillProcess returns ErrUnsupported on this system.
func KillProcess(context.Context, string, Process, *Options) error { return ErrUnsupported }

// Current is false on this system.
func (m *Image) Current() bool { return false }
