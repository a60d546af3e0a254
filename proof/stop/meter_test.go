//go:build crashpoint

package stop

import (
	"runtime"
	"testing"

	"github.com/aotf/sharedmem/shm"
)

// A meter watches the calls of those who work while another process is stopped:
// that each ends within so many accesses of its own, or that none goes to sleep.
// No clock decides.
type meter struct {
	mode   string
	calls  int
	point  string          // where the other process stands
	hidden map[string]bool // queues in which a post was not found yet
}

const (
	steps  = "steps"  // count accesses
	sleeps = "sleeps" // look for sleeps

	// mostSteps is far above what any call needs with a few records, and far
	// below the rounds after which a loop gives up.
	mostSteps = 1 << 14
)

// call runs f, which must not wait for anybody.
func (m *meter) call(t *testing.T, what string, f func() error) error {
	t.Helper()
	m.calls++
	switch m.mode {
	case steps:
		shm.AtOwnAccess(mostSteps, func(p string) { t.Errorf("%s: more than %d accesses, at %s", what, mostSteps, p) })
	case sleeps:
		shm.AtOwnPoint("waiting", func() {
			t.Errorf("%s: sleeps", what)
			runtime.Goexit() // nobody would wake it
		})
	}
	defer shm.AtAccess(0, nil)
	return f()
}
