//go:build linux && !crashpoint && (amd64 || arm64)

package linear

// pause does nothing here; see pause_crashpoint_test.go.
func pause() {}

// stepping tells whether calls stand still between their steps, so that many are
// killed in the middle.
const stepping = false
