//go:build tinywidth

package shm

// Counts so short that they come round within a test: what a process stopped
// for hours could meet, one stopped for a moment meets here. Such a build
// refuses the segments of others, and they its.
const (
	lifeBits    = 3
	turnBits    = 4 // more than a lap of a ring of 8 slots: see publish
	lapBits     = 3
	versionBits = 4
	hintBits    = 2

	widthMark = 1 << 56
)
