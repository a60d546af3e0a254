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
// the file stacks-PID.txt in dir, whole.
func (m *SharedMemory) ServeMessages(ctx context.Context, dir string) error {
	for {
		msg, err := m.Processes.Receive(ctx)
		if err != nil {
			return err
		}
		if msg&WriteStacks != 0 {
			if err := writeStacks(dir); err != nil {
				return err
			}
		}
	}
}

func writeStacks(dir string) error {
	buf := make([]byte, 64<<10)
	n := runtime.Stack(buf, true)
	for n == len(buf) && n < 64<<20 {
		buf = make([]byte, 2*len(buf))
		n = runtime.Stack(buf, true)
	}
	path := filepath.Join(dir, fmt.Sprintf("stacks-%d.txt", os.Getpid()))
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
