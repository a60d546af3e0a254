//go:build linux && crashpoint && (amd64 || arm64)

package linear

import (
	"math/rand/v2"
	"time"

	"github.com/aotf/sharedmem/shm"
)

const stepping = true

// pause makes the next call stand still at some access to a shared word, so that
// the calls of others fall between its steps even on few processors.
func pause() {
	shm.AtAccess(1+rand.Int64N(12), func(string) { time.Sleep(time.Duration(rand.Int64N(100)) * time.Microsecond) })
}
