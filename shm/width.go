//go:build !tinywidth

package shm

// How many bits count the things that come round again. The sizes of the fields
// are the format's; these are how far the counts in them go.
const (
	lifeBits    = 26 // allocations of a record
	turnBits    = 16 // posts of a record
	lapBits     = 24 // passes of a ring over a slot
	versionBits = 30 // steps of an index bucket
	hintBits    = 16 // changes of a bitmap word

	widthMark = 0 // in the magic: builds of other widths are refused
)
