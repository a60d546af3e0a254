//go:build crashpoint

package stop

import (
	"errors"
	"slices"
	"testing"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
)

// A company is the others: a second process that works while one is stopped.
type company interface {
	segment() *shm.Segment
	// cycle does everything once and leaves things as it found them. midway is
	// called in between.
	cycle(midway func())
	// nudge moves the counts of one object by a little.
	nudge(object string)
	// close leaves, and tells the audit what there is of it.
	close() (acks map[string]bool)
}

// open attaches to a segment of either kind.
func open(t *testing.T, m *meter, op, name string, c *child) company {
	w := &world.World{}
	s, err := shm.Attach(name, w, nil)
	if err == nil {
		b := newBare(t, m, s, w, c.slot(s))
		b.fewBlobs, b.crowded = op == "blob-wait", op == "insert-refused"
		return b
	}
	if !errors.Is(err, shm.ErrLayout) {
		t.Fatal(err)
	}
	return newTree(t, m, name)
}

// alone are operations that others cannot work through, and why. While one of
// them is stopped, a newcomer looks in.
var alone = map[string]string{
	"create":               "there is nothing to work on yet",
	"open-new":             "there is nothing to work on yet",
	"restart":              "the segment is stopped until it is over",
	"open-retired":         "there is nothing to work on yet",
	"stop":                 "it ends the work of all",
	"stop-segment":         "it ends the work of all",
	"tree-stop":            "it ends the work of all",
	"remove-own":           "the segment is gone for all who were there",
	"remove":               "it is refused while others are there",
	"remove-force":         "the segment is gone for all who were there",
	"reset":                "it is refused while others are there",
	"setting":              "it is refused while others are there",
	"reset-chosen":         "it is refused while others are there",
	"reset-force":          "the segment is gone for all who were there",
	"tree-launch-shedding": "every request is in use, and the only one that may go is its own to take",
	"tree-expire":          "a request that others move at that instant is expired the next time",
	"tree-allow-evicting":  "every address is in use, and the only one that may go is its own to take",
}

// newcomer comes while the child is stopped, looks and leaves. He gets a segment
// that is whole, or an answer that says why not; a stopped process keeps him from
// neither.
func (k *campaign) newcomer(t *testing.T, name string, c *child) {
	t.Helper()
	if !k.stopped(c) {
		return
	}
	k.calls++
	var s *shm.Segment
	leave := func() error { return s.Close() }
	s, err := shm.Attach(name, &world.World{}, nil)
	if errors.Is(err, shm.ErrLayout) {
		var m *objects.SharedMemory
		if m, err = objects.Open(name, &objects.Options{Attach: true}); err == nil {
			s, leave = m.Segment(), m.Close
		}
	}
	if err != nil {
		k.refused++
		if !slices.ContainsFunc([]error{shm.ErrNotExist, shm.ErrRetired, shm.ErrStopped, shm.ErrInUse},
			func(want error) bool { return errors.Is(err, want) }) {
			t.Errorf("at %s: a newcomer: %v", c.point, err)
		}
		return
	}
	k.admitted++
	sweptNothing(t, s)
	for f := range s.Verify() { // a step is in the middle
		if f.Severity == shm.Corrupt {
			t.Errorf("at %s: a newcomer: %v", c.point, f)
		}
	}
	world.Must(t, leave())
}
