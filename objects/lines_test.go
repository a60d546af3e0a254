//go:build crashpoint

package objects_test

import (
	"bufio"
	"fmt"
	"os"
	"testing"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// attached SEGMENT: be there.
	shmtest.Register("attached", func(args []string) {
		m, err := objects.Open(args[0], &objects.Options{Attach: true})
		if err != nil {
			panic(err)
		}
		fmt.Println("attached")
		bufio.NewScanner(os.Stdin).Scan()
		_ = m.Close()
	})
}

// Launch and lookup touch as many shared cache lines among a million requests as
// among a thousand.
func TestLines_DoNotGrow(t *testing.T) {
	small, large := linesAmong(t, 1_000), linesAmong(t, 1_000_000)
	t.Logf("lines per launch and lookup: %.2f and %.2f among 10^3, %.2f and %.2f among 10^6",
		small[0], small[1], large[0], large[1])
	for i, what := range []string{"launch", "lookup"} {
		// Equal but for chance: how full a key's bucket happens to be.
		if large[i] > small[i]+1 {
			t.Errorf("%s: %.2f lines among 10^6 requests, %.2f among 10^3", what, large[i], small[i])
		}
	}
}

// They touch as many with 64 processes attached as with two.
func TestLines_DoNotGrowWithProcesses(t *testing.T) {
	const n = 1000
	segment := shmtest.Name(t)
	m, err := objects.Create(segment, &objects.Options{Capacity: map[string]int{"users": 4 * n, "processes": 128}})
	must(t, err)
	defer m.Close()
	attached := 1
	attach := func(to int) {
		for ; attached < to; attached++ {
			shmtest.Child(t, "attached", segment).Want("attached")
		}
	}
	attach(2)
	two := linesPerCall(t, m, 0, n)
	attach(64)
	many := linesPerCall(t, m, n, n)
	if got := len(m.Segment().Processes()); got != 64 {
		t.Fatalf("%d processes are attached", got)
	}
	t.Logf("lines per launch and lookup: %.2f and %.2f with 2 processes, %.2f and %.2f with 64", two[0], two[1], many[0], many[1])
	for i, what := range []string{"launch", "lookup"} {
		if many[i] > two[i]+1 {
			t.Errorf("%s: %.2f lines with 64 processes, %.2f with 2", what, many[i], two[i])
		}
	}
}

func linesAmong(t *testing.T, n int) [2]float64 {
	m, err := objects.Open("", &objects.Options{Private: true, Capacity: map[string]int{"users": n + n/8}})
	must(t, err)
	defer m.Close()
	return linesPerCall(t, m, 0, n)
}

// linesPerCall launches n requests more and counts the lines of the last hundred
// launches, and of as many lookups spread over all n.
func linesPerCall(t *testing.T, m *objects.SharedMemory, from, n int) (lines [2]float64) {
	ctx := t.Context()
	launch := func(i int) {
		_, _, err := m.Users.Launch(ctx, objects.Query{URL: fmt.Sprint("https://example.org/", from+i)})
		must(t, err)
	}
	for i := range n - 100 {
		launch(i)
	}
	for i := n - 100; i < n; i++ {
		lines[0] += float64(shm.CountLines(func() { launch(i) })) / 100
	}
	for i := range 100 {
		q := objects.Query{URL: fmt.Sprint("https://example.org/", from+i*(n/100))}
		lines[1] += float64(shm.CountLines(func() {
			if _, ok, err := m.Users.Lookup(ctx, q); err != nil || !ok {
				t.Error(i, ok, err)
			}
		})) / 100
	}
	return lines
}
