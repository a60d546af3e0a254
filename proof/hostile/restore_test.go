//go:build linux && (amd64 || arm64)

package hostile

import (
	"errors"
	"fmt"

	"github.com/aotf/sharedmem/shm"
)

// restore makes a segment of the file as if it were a snapshot. What it accepts is
// sound, but for what only its program can judge.
func (c *checker) restore(name string) {
	fresh := name + "-restored"
	_, err := shm.Restore(pathOf(name), fresh, nil, nil)
	if !c.ok("restore", err) {
		return
	}
	c.restored++
	if m, err := shm.Inspect(fresh, nil); c.ok("inspect restored", err) {
		findings, err := m.Verify()
		c.ok("verify restored", err)
		for _, f := range findings {
			if f.Severity == shm.Corrupt {
				c.bad = errors.Join(c.bad, fmt.Errorf("restored and not sound: %v", f))
			}
		}
		c.ok("close restored", m.Close())
	}
	if err := shm.Remove(fresh, nil, true); err != nil {
		c.bad = errors.Join(c.bad, fmt.Errorf("remove restored: %w", err))
	}
}
