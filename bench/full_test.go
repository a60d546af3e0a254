package bench

import (
	"strconv"
	"testing"
)

// TestFullWorld: the table is full before anything is measured, and stays full:
// each launch frees an ended request, a sixteenth of them at a time.
func TestFullWorld(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		const fill = 16
		before := launched.Load()
		w := newFullWorld(t, m, size{users: usualUsers, fill: fill})
		inMemory := func() (n int) {
			found := func(url string) {
				_, ok, err := w.memory.Lookup(url)
				if err != nil {
					t.Fatal(err)
				}
				if ok {
					n++
				}
			}
			for i := range fill {
				found(fillURL(i))
			}
			for i := before; i < launched.Load(); i++ {
				found(urlPrefix + strconv.FormatUint(i+1, 10))
			}
			return n
		}
		if n := inMemory(); n != usualUsers {
			t.Errorf("%d requests are in memory at the beginning, want %d", n, usualUsers)
		}
		for range 3 {
			if err := launchAndEnd(nil, w.memory, 50); err != nil {
				t.Fatal(err)
			}
			if n := inMemory(); n > usualUsers || n < usualUsers*15/16 {
				t.Errorf("%d requests are in memory, want the %d of the table, or up to a sixteenth less", n, usualUsers)
			}
		}
	})
}
