//go:build linux && (amd64 || arm64)

package hostile

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/aotf/sharedmem/proof/world"
)

// A hole in the address space has just the size of a file, and a page on either
// side that nobody may touch. The kernel puts the next mapping of the file there,
// unless another gap suits it better. Who reads or writes outside of the mapping by
// less than a page ends the process.
type hole struct{ at, size uintptr }

var page = uintptr(os.Getpagesize())

func digHole(size int) hole {
	n := (uintptr(size) + page - 1) / page * page
	at, _, errno := unix.Syscall6(unix.SYS_MMAP, 0, n+2*page, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE, ^uintptr(0), 0)
	if errno != 0 {
		panic(errno)
	}
	h := hole{at + page, n}
	unmap(h.at, n)
	return h
}

func unmap(at, size uintptr) {
	if _, _, errno := unix.Syscall(unix.SYS_MUNMAP, at, size, 0); errno != 0 {
		panic(errno)
	}
}

// fill takes the pages beside the hole away.
func (h hole) fill() {
	unmap(h.at-page, page)
	unmap(h.at+h.size, page)
}

// holds tells whether the file is mapped in the hole, and nothing else is.
func (h hole) holds(path string) bool {
	maps, err := os.ReadFile("/proc/self/maps")
	world.Check(err)
	for line := range strings.Lines(string(maps)) {
		if strings.HasPrefix(line, fmt.Sprintf("%x-%x ", h.at, h.at+h.size)) {
			return strings.HasSuffix(line, path+"\n")
		}
	}
	return false
}
