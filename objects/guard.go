package objects

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// ErrDropped reports a worker function that returned without ending its claim.
var ErrDropped = errors.New("objects: the claim was dropped without an end")

// A PanicError is a worker function's panic.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("objects: panic in a worker: %v", e.Value) }

// An Ending is a claim of any kind: a UserClaim, ListingClaim or IndexingClaim.
type Ending interface {
	Open() bool
	Attempt() int
}

// Guard runs one step of a worker on a claim and keeps the worker alive: when
// step panics, returns an error, or forgets to end the claim, Guard ends it as
// failed (ProcessingError, the leg, or the tweet), exactly once, and returns
// what happened: a *PanicError, the error, or ErrDropped. An error after the
// claim was ended, or because somebody else ended it, changes nothing. When the
// context or the application has ended, the claim is given back instead.
func Guard(ctx context.Context, claim Ending, step func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{p, debug.Stack()}
		}
		if !claim.Open() {
			return
		}
		if err == nil {
			err = ErrDropped
		}
		stopped := ctx.Err() != nil || errors.Is(err, ErrStopped) || errors.Is(err, ErrRetired)
		err = errors.Join(err, endFailed(ctx, claim, stopped))
	}()
	return step(ctx)
}

func endFailed(ctx context.Context, claim Ending, stopped bool) (err error) {
	ctx = context.WithoutCancel(ctx)
	if r, ok := claim.(interface{ Release(context.Context) error }); ok && stopped {
		err = r.Release(ctx)
	} else {
		switch c := claim.(type) {
		case UserClaim:
			err = c.Fail(ctx, ProcessingError)
		case ListingClaim:
			err = c.Fail(ctx, false)
		case IndexingClaim:
			err = c.Fail(ctx)
		}
	}
	if errors.Is(err, ErrStale) {
		return nil
	}
	return err
}
