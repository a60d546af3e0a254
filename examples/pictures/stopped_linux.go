package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// waitStopped waits until every thread of a process that was sent SIGSTOP has
// stopped: the signal is delivered to each in its own time.
func waitStopped(pid int) {
	for range 1000 {
		running := false
		tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		for _, t := range tasks {
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/stat", pid, t.Name()))
			// The state follows the command's name, which is in parentheses.
			_, state, _ := strings.Cut(string(b), ") ")
			running = running || state != "" && state[0] != 'T' && state[0] != 'Z' && state[0] != 't'
		}
		if !running {
			return
		}
		time.Sleep(20 * time.Microsecond)
	}
}
