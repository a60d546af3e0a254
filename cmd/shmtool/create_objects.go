package main

import (
	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
)

// createSegment makes a segment with AOTF's layout, leaves it, and returns its
// size.
func createSegment(name string, opt *shm.Options) (size uint64, err error) {
	m, err := objects.Create(name, &objects.Options{Dir: opt.Dir, Capacity: opt.Capacity})
	if err != nil {
		return 0, err
	}
	size = m.Segment().Stats().Size
	return size, m.Close()
}
