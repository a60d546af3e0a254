//go:build crashpoint && tinywidth

package stop

// tiny tells that counts come round within a few steps.
const tiny = true
