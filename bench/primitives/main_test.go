// Package primitives measures queues and wake-ups between processes, beside what
// the machine can do at best and beside what others do.
package primitives

import (
	"testing"

	"github.com/aotf/sharedmem/shm/shmtest"
)

func TestMain(m *testing.M) { shmtest.Main(m) }
