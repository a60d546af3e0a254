package bench

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cpu is the processor time of the processes so far, all their threads, ended
// ones included.
func cpu(tb testing.TB, ps ...*process) (sum time.Duration) {
	for _, p := range ps {
		var ts unix.Timespec
		// The clock of another process: see clock_getcpuclockid(3).
		if err := unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|2), &ts); err != nil {
			tb.Fatal(err)
		}
		sum += time.Duration(ts.Nano())
	}
	return sum
}

// procField is the sum of a field of a file of each process in /proc.
func procField(tb testing.TB, file, field string, ps ...*process) (sum float64) {
	for _, p := range ps {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, file))
		if err != nil {
			tb.Fatal(err)
		}
		var v float64
		_, rest, found := strings.Cut(string(b), "\n"+field+":")
		if _, err := fmt.Sscan(rest, &v); !found || err != nil {
			tb.Fatalf("%s: no %s", file, field)
		}
		sum += v
	}
	return sum
}

// switches counts how often threads of the processes have given up a processor.
func switches(tb testing.TB, ps ...*process) (sum float64) {
	for _, p := range ps {
		dir := fmt.Sprintf("/proc/%d/task", p.cmd.Process.Pid)
		tasks, err := os.ReadDir(dir)
		if err != nil {
			tb.Fatal(err)
		}
		for _, t := range tasks {
			b, err := os.ReadFile(dir + "/" + t.Name() + "/status")
			if err != nil {
				continue // the thread has ended
			}
			var v float64
			_, rest, _ := strings.Cut(string(b), "\nvoluntary_ctxt_switches:")
			_, _ = fmt.Sscan(rest, &v)
			sum += v
		}
	}
	return sum
}
