package objects

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// ServeMessages does what messages ask of this process until the context or the
// application ends: for WriteStacks it writes the stacks of all goroutines to
// the file stacks-PID.txt in dir, whole. With no dir, that is a side file of the
// segment, where "shmtool stacks" finds it.
func (m *SharedMemory) ServeMessages(ctx context.Context, dir string) error {
	for {
		msg, err := m.Processes.Receive(ctx)
		if err != nil {
			return err
		}
		if msg&WriteStacks != 0 {
			if err := m.writeStacks(dir); err != nil {
				return err
			}
		}
	}
}

func (m *SharedMemory) writeStacks(dir string) error {
	name := fmt.Sprintf("stacks-%d.txt", os.Getpid())
	path := filepath.Join(dir, name)
	if dir == "" {
		var err error
		if path, err = m.seg.SideFile(name); err != nil {
			return err
		}
	}
	buf := make([]byte, 64<<10)
	n := runtime.Stack(buf, true)
	for n == len(buf) && n < 64<<20 {
		buf = make([]byte, 2*len(buf))
		n = runtime.Stack(buf, true)
	}
	part := path + ".part"
	if err := os.WriteFile(part, buf[:n], 0o600); err != nil {
		return fmt.Errorf("write stacks: %w", err)
	}
	return os.Rename(part, path)
}

// residentMemory is a process's memory in bytes, 0 when it cannot be told: the
// process is gone, in another PID namespace, or the system has no /proc.
func residentMemory(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
