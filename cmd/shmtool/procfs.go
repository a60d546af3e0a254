package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// A procInfo is what /proc says of a process, as far as it can be seen.
type procInfo struct {
	rss     uint64        // bytes
	run     string        // R, S, D, T (stopped), Z, ...
	started time.Duration // since boot
}

// look at a process. Everything is zero when it is not visible: another PID
// namespace, hidden by the mount options of /proc, or no Linux.
func procOf(pid int) (p procInfo) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p
	}
	text := string(stat)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:]) // a name may hold anything
	if len(fields) < 22 {
		return p
	}
	p.run = fields[0]
	ticks, _ := strconv.ParseInt(fields[19], 10, 64)
	pages, _ := strconv.ParseUint(fields[21], 10, 64)
	p.started = time.Duration(ticks) * (time.Second / 100) // USER_HZ is 100
	p.rss = pages * uint64(os.Getpagesize())
	return p
}

// ourNamespace is the inode of this process's PID namespace, 0 unknown.
func ourNamespace() uint64 {
	link, err := os.Readlink("/proc/self/ns/pid") // pid:[4026531836]
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(strings.Trim(strings.TrimPrefix(link, "pid:"), "[]"), 10, 64)
	return n
}

// runText is a state of /proc in a word, where it says something.
func runText(run string) string {
	switch run {
	case "T", "t":
		return "stopped"
	case "D":
		return "in the kernel"
	case "Z", "X":
		return "ended"
	}
	return ""
}
