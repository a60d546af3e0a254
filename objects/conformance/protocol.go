package conformance

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/aotf/sharedmem/objects"
)

// An actor in another process is spoken to in JSON, an object a line. Every
// call has a number and its own goroutine there, so that a blocked one is in
// nobody's way. Claims and workers live there under a number of their own. The
// bytes of an image follow their line as they are.
type call struct {
	tail
	ID     uint64          `json:"id"`
	Method string          `json:"method"` // "cancel": the call of that number
	Args   json.RawMessage `json:"args,omitempty"`
	// Within is how long the caller's context still has; 0: it has no end.
	Within time.Duration `json:"within,omitempty"`
	// Ended says that the caller's context was cancelled before the call.
	Ended bool `json:"ended,omitempty"`
}

type answer struct {
	tail
	ID     uint64          `json:"id"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"` // text
	Is     []string        `json:"is,omitempty"`    // the names of what it is
}

// tail is what follows the line of a call or an answer.
type tail struct {
	Size int `json:"size,omitempty"`
	raw  []byte
}

// send writes a message, which has the tail.
func send(w io.Writer, message any, t *tail) error {
	t.Size = len(t.raw)
	line, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return err
	}
	_, err = w.Write(t.raw)
	return err
}

// receive reads a message, which has the tail.
func receive(r *bufio.Reader, message any, t *tail) error {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return err
	}
	if err := json.Unmarshal(line, message); err != nil {
		return err
	}
	t.raw = make([]byte, t.Size)
	_, err = io.ReadFull(r, t.raw)
	return err
}

// ErrKilled is what calls of an actor return whose process was killed.
var ErrKilled = errors.New("conformance: the actor was killed")

var errorNames = map[string]error{
	"full": objects.ErrFull, "gone": objects.ErrGone, "stale": objects.ErrStale, "stopped": objects.ErrStopped,
	"retired": objects.ErrRetired, "corrupt": objects.ErrCorrupt, "fault": objects.ErrSegmentFault,
	"unsupported": objects.ErrUnsupported, "too large": objects.ErrTooLarge, "limit": objects.ErrLimit,
	"taken": objects.ErrTaken, "invalid": objects.ErrInvalid, "blacklisted": objects.ErrBlacklisted,
	"unavailable": objects.ErrUnavailable, "unknown outcome": objects.ErrUnknownOutcome,
	"deadline": context.DeadlineExceeded, "canceled": context.Canceled,
}

func (a *answer) setError(err error) {
	if err == nil {
		return
	}
	a.Error = err.Error()
	for name, e := range errorNames {
		if errors.Is(err, e) {
			a.Is = append(a.Is, name)
		}
	}
}

// remoteError is an error as it came back: the same text, and errors.Is of the
// same errors.
type remoteError struct {
	text string
	is   []error
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Unwrap() []error { return e.is }

func (a *answer) err() error {
	if a.Error == "" {
		return nil
	}
	e := &remoteError{text: a.Error}
	for _, name := range a.Is {
		e.is = append(e.is, errorNames[name])
	}
	return e
}

// Arguments and results of the calls. An enumeration travels as a number: the
// text form of objects is for people and has no way back.
type (
	args struct {
		On      int               `json:"on,omitempty"` // claim or worker
		Worker  int               `json:"worker,omitempty"`
		Query   objects.Query     `json:"query"`
		User    *objects.UserID   `json:"user,omitempty"`
		Scan    *objects.ScanID   `json:"scan,omitempty"`
		Scans   []objects.ScanID  `json:"scans,omitempty"`
		Step    objects.Step      `json:"step,omitempty"`
		Problem uint8             `json:"problem,omitempty"`
		Leg     uint8             `json:"leg,omitempty"`
		Metric  uint8             `json:"metric,omitempty"`
		N       int64             `json:"n,omitempty"`
		Took    time.Duration     `json:"took,omitempty"`
		Bools   [2]bool           `json:"bools"`
		Account objects.Account   `json:"account"`
		List    []objects.Account `json:"list,omitempty"`
		Texts   []string          `json:"texts,omitempty"`
		Time    time.Time         `json:"time"`
		Tweet   objects.Tweet     `json:"tweet"`
		Cursor  objects.Cursor    `json:"cursor"`
		Found   []objects.Found   `json:"found,omitempty"`
		Counts  objects.Counts    `json:"counts"`
		Message uint64            `json:"message,omitempty"`
		Image   bool              `json:"image,omitempty"` // the query has one: the tail
		raw     []byte
		Options *objects.Options `json:"options,omitempty"`
	}
	result struct {
		On       int                  `json:"on,omitempty"`
		OK       bool                 `json:"ok,omitempty"`
		N        [3]int               `json:"n"`
		UserID   *objects.UserID      `json:"user_id,omitempty"`
		ScanID   *objects.ScanID      `json:"scan_id,omitempty"`
		User     *wireUser            `json:"user,omitempty"`
		Scan     *objects.ScanRequest `json:"scan,omitempty"`
		Launched *objects.Launched    `json:"launched,omitempty"`
		Attempt  int                  `json:"attempt,omitempty"`
		Account  objects.Account      `json:"account"`
		Leg      uint8                `json:"leg,omitempty"`
		Tweet    *objects.Tweet       `json:"tweet,omitempty"`
		Cursor   objects.Cursor       `json:"cursor"`
		raw      []byte
		Means    []objects.Mean        `json:"means,omitempty"`
		Threads  []objects.Thread      `json:"threads,omitempty"`
		Procs    []objects.ProcessInfo `json:"procs,omitempty"`
		Counts   objects.Counts        `json:"counts"`
		Message  uint64                `json:"message,omitempty"`
	}
	// wireUser hides the text forms of two fields.
	wireUser struct {
		objects.UserRequest
		Status  uint8 `json:"status"`
		Problem uint8 `json:"problem"`
	}
)

func toWire(r *objects.UserRequest) *wireUser {
	return &wireUser{*r, uint8(r.Status), uint8(r.Problem)}
}

func (w *wireUser) request() objects.UserRequest {
	r := w.UserRequest
	r.Status, r.Problem = objects.Status(w.Status), objects.Problem(w.Problem)
	return r
}
