package objects

import (
	"errors"

	"github.com/aotf/sharedmem/shm"
)

// What calls return, for errors.Is. Those of the segment are shm's own.
var (
	ErrFull         = shm.ErrFull         // no room for another record
	ErrGone         = shm.ErrGone         // the request was shed
	ErrStale        = shm.ErrStale        // the claim is spent: somebody else has the request now
	ErrStopped      = shm.ErrStopped      // the application was told to stop
	ErrRetired      = shm.ErrRetired      // the segment was reset or removed
	ErrClosed       = shm.ErrClosed       // this process has closed the store
	ErrCorrupt      = shm.ErrCorrupt      // memory damaged
	ErrSegmentFault = shm.ErrSegmentFault // the segment's file was truncated
	ErrUnsupported  = shm.ErrUnsupported  // no shared segments on this system
	ErrTooLarge     = shm.ErrTooLarge     // a value beyond its limit; nothing was stored

	ErrLimit       = errors.New("objects: the address has its maximum of unfinished requests")
	ErrTaken       = errors.New("objects: the name belongs to a living process")
	ErrInvalid     = errors.New("objects: invalid value")
	ErrBlacklisted = errors.New("objects: the account is blacklisted")

	// For stores behind a network, to come.
	ErrUnavailable    = errors.New("objects: the store cannot be reached")
	ErrUnknownOutcome = errors.New("objects: the store did not say whether it did it")
)
