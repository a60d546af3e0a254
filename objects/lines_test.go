//go:build crashpoint

package objects_test

import (
	"fmt"
	"testing"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
)

// Launch and lookup touch as many shared cache lines among a million requests as
// among a thousand.
func TestLines_DoNotGrow(t *testing.T) {
	small, large := linesPerCall(t, 1_000), linesPerCall(t, 1_000_000)
	t.Logf("lines per launch and lookup: %.2f and %.2f among 10^3, %.2f and %.2f among 10^6",
		small[0], small[1], large[0], large[1])
	for i, what := range []string{"launch", "lookup"} {
		// Equal but for chance: how full a key's bucket happens to be.
		if large[i] > small[i]+1 {
			t.Errorf("%s: %.2f lines among 10^6 requests, %.2f among 10^3", what, large[i], small[i])
		}
	}
}

// linesPerCall fills a private tree with n requests and counts the lines of the
// last hundred launches, and of as many lookups spread over all.
func linesPerCall(t *testing.T, n int) (lines [2]float64) {
	ctx := t.Context()
	m, err := objects.Open("", &objects.Options{Private: true, Capacity: map[string]int{"users": n + n/8}})
	must(t, err)
	defer m.Close()
	launch := func(i int) {
		_, _, err := m.Users.Launch(ctx, objects.Query{URL: fmt.Sprint("https://example.org/", i)})
		must(t, err)
	}
	for i := range n - 100 {
		launch(i)
	}
	for i := n - 100; i < n; i++ {
		lines[0] += float64(shm.CountLines(func() { launch(i) })) / 100
	}
	for i := range 100 {
		q := objects.Query{URL: fmt.Sprint("https://example.org/", i*(n/100))}
		lines[1] += float64(shm.CountLines(func() {
			if _, ok, err := m.Users.Lookup(ctx, q); err != nil || !ok {
				t.Error(i, ok, err)
			}
		})) / 100
	}
	return lines
}
