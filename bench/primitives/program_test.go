package primitives

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// program returns what runs a C program of testdata and returns the numbers that
// it prints. It is compiled when it is first wanted, for as long as parent runs.
// Where that fails, the benchmark is skipped and says what to install.
func program(parent *testing.B, name, library, install string) func(b *testing.B, args ...int) []float64 {
	compiled := sync.OnceValues(func() (string, error) { return compile(parent.TempDir(), name, library) })
	return func(b *testing.B, args ...int) (numbers []float64) {
		b.Helper()
		path, err := compiled()
		if err != nil {
			b.Skipf("not measured, apt-get install %s: %v", install, err)
		}
		c := exec.Command(path)
		for _, a := range args {
			c.Args = append(c.Args, strconv.Itoa(a))
		}
		timer := time.AfterFunc(time.Minute, func() { _ = c.Process.Kill() })
		defer timer.Stop()
		out, err := c.Output()
		must(b, err)
		for word := range strings.FieldsSeq(string(out)) {
			v, err := strconv.ParseFloat(word, 64)
			must(b, err)
			numbers = append(numbers, v)
		}
		return numbers
	}
}

// compile makes testdata/NAME.c into a program in dir; library is one that
// pkg-config knows, or "".
func compile(dir, name, library string) (path string, err error) {
	path = filepath.Join(dir, name)
	args := []string{"-O3", "-march=native", "-w", "testdata/" + name + ".c", "-o", path}
	if library != "" {
		flags, err := exec.Command("pkg-config", "--cflags", "--libs", library).Output()
		if err != nil {
			return "", fmt.Errorf("pkg-config %s: %w", library, err)
		}
		args = append(args, strings.Fields(string(flags))...)
	}
	if out, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("cc: %w\n%s", err, out)
	}
	return path, nil
}
