package primitives

import (
	"context"
	"errors"
	"testing"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// echo NAME WAY: send back everything that comes, polling or blocked.
	shmtest.Register("echo", func(args []string) {
		var w wire
		s, err := shm.Attach(args[0], &w, nil)
		check(err)
		blocked := args[1] == "blocked"
		for {
			c, err := get(&w.There, blocked)
			if errors.Is(err, shm.ErrStopped) {
				check(s.Close())
				return
			}
			check(err)
			check(w.Back.TryPut(c))
		}
	})
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func get(r *shm.Ring[cell], blocked bool) (shm.Claim[cell], error) {
	if blocked {
		return r.Get(context.Background())
	}
	for {
		if c, err := r.TryGet(); !errors.Is(err, shm.ErrEmpty) {
			return c, err
		}
	}
}

// ring is a record that goes to another process and back, through two rings.
func ring(b *testing.B, way string) {
	var w wire
	s := shmtest.New(b, &w, nil)
	shmtest.Child(b, "echo", s.Name(), way)
	c, err := w.Cells.TryNew()
	must(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if err = w.There.TryPut(c); err == nil {
			c, err = get(&w.Back, way == "blocked")
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	must(b, c.Free())
}

// BenchmarkRoundTrip is one item to another process and back.
func BenchmarkRoundTrip(b *testing.B) {
	b.Run("kind=ring", func(b *testing.B) { ring(b, "polling") })
	b.Run("kind=ring-blocking", func(b *testing.B) { ring(b, "blocked") })
}
