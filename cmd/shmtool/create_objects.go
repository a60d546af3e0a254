package main

import "github.com/aotf/sharedmem/objects"

// createSegment makes a segment with AOTF's layout, leaves it, and returns its
// size.
func createSegment(name string, opt *objects.Options) (size uint64, err error) {
	m, err := objects.Create(name, opt)
	if err != nil {
		return 0, err
	}
	size = m.Segment().Stats().Size
	return size, m.Close()
}
