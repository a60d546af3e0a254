//go:build crashpoint

package world

import (
	"time"

	"github.com/aotf/sharedmem/shm"
)

// later makes it so much later for the calling process.
func later(d time.Duration) bool {
	shm.Later(d)
	return true
}
