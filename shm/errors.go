package shm

import (
	"errors"
	"fmt"
	"io/fs"
)

// Errors of a segment's name, file and layout.
var (
	ErrName        = errors.New("shm: bad segment name: use 1 to 100 of A-Z a-z 0-9 . _ -, not starting with . or -")
	ErrExist       = fmt.Errorf("shm: segment exists: attach to it, or remove it first: %w", fs.ErrExist)
	ErrNotExist    = fmt.Errorf("shm: no such segment: has its creator run, and with the same directory? (%w)", fs.ErrNotExist)
	ErrNoSpace     = errors.New("shm: not enough room for the segment: enlarge the tmpfs or lower the capacities")
	ErrNotTmpfs    = errors.New("shm: not on a tmpfs: shared segments live in memory; choose another directory")
	ErrNotSegment  = errors.New("shm: not a segment: the file has no segment header")
	ErrVersion     = errors.New("shm: segment has another format version: use the program that made it, or remove it")
	ErrLayout      = errors.New("shm: segment has another layout")
	ErrOwner       = errors.New("shm: segment belongs to another user")
	ErrMode        = errors.New("shm: segment may be written by more users than the mode allows: chmod it")
	ErrInUse       = errors.New("shm: processes are attached to the segment: end them, or use force")
	ErrUnused      = errors.New("shm: no process is attached to the segment")
	ErrBoot        = errors.New("shm: segment is of an earlier boot: remove it")
	ErrUnsupported = errors.New("shm: shared segments need Linux on amd64 or arm64; private ones work on every 64-bit system")
	ErrCapacity    = errors.New("shm: bad capacity")
	ErrDeclaration = errors.New("shm: bad declaration")
)

// Errors of calls on an attached segment.
var (
	ErrFull         = errors.New("shm: full")
	ErrEmpty        = errors.New("shm: empty")
	ErrGone         = errors.New("shm: the record was freed")
	ErrStale        = errors.New("shm: the claim is spent: the record has moved on")
	ErrNotIndexed   = errors.New("shm: records of an arena with an index are published by Index.Insert")
	ErrTooLarge     = errors.New("shm: value too large")
	ErrBusy         = errors.New("shm: claims were still open; they were given back")
	ErrClosed       = errors.New("shm: segment closed by this process")
	ErrStopped      = errors.New("shm: segment stopped")
	ErrRetired      = errors.New("shm: segment retired: it was reset or removed; attach again")
	ErrCorrupt      = errors.New("shm: segment corrupt")
	ErrSegmentFault = errors.New("shm: memory of the segment is gone: its file was truncated")
)

// LayoutError names the first object and field in which the segment's own
// description differs from the program's declaration. It wraps ErrLayout.
type LayoutError struct{ Object, Field, Segment, Program string }

func (e *LayoutError) Error() string {
	at := "object " + e.Object
	if e.Field != "" {
		at += ", field " + e.Field
	}
	return fmt.Sprintf("%v: %s: the segment has %s, this program %s: attach with the program that made it, or remove the segment",
		ErrLayout, at, e.Segment, e.Program)
}

func (e *LayoutError) Unwrap() error { return ErrLayout }

// CorruptError names a value of the segment that breaks its bounds. It wraps
// ErrCorrupt.
type CorruptError struct {
	Object, What string
	Value, Limit uint64
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%v: %s: %s is %d, limit %d: run shmtool verify", ErrCorrupt, e.Object, e.What, e.Value, e.Limit)
}

func (e *CorruptError) Unwrap() error { return ErrCorrupt }

// BusyError lists the records this process still had claimed when it closed
// the segment. It wraps ErrBusy.
type BusyError struct{ Claims []string }

func (e *BusyError) Error() string { return fmt.Sprintf("%v: %v", ErrBusy, e.Claims) }

func (e *BusyError) Unwrap() error { return ErrBusy }
