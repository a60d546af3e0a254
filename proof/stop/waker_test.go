//go:build crashpoint

package stop

import (
	"syscall"
	"testing"
	"time"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// Who has put and is stopped, or killed, before the wake-up that he owes leaves
// nobody asleep: the sleeper looks once a slice, and a death wakes everybody.
func TestStop_Waker(t *testing.T) {
	for _, point := range []string{"event.bump", "futex.wake"} {
		for _, end := range []syscall.Signal{syscall.SIGCONT, syscall.SIGKILL} {
			t.Run(point+"/"+end.String(), func(t *testing.T) {
				name := world.Stage(t, 8, world.Roomy)
				w := &world.World{}
				s, err := shm.Attach(name, w, nil)
				world.Must(t, err)
				defer s.Close()
				for {
					c, err := w.Todo.TryGet()
					if err != nil {
						break
					}
					world.Must(t, c.Free())
				}
				got := make(chan error)
				go func() {
					c, err := w.Todo.Get(ctx)
					if err == nil {
						err = c.Free()
					}
					got <- err
				}()
				for {
					if p := s.Processes(); len(p) == 1 && p[0].Waiting == "todo" {
						break
					}
					time.Sleep(time.Millisecond)
				}
				time.Sleep(200 * time.Millisecond) // from the announcement to the sleep
				c := start(t, "op", name, "put", point)
				if c.point != point {
					t.Fatalf("stopped at %q", c.point)
				}
				if end == syscall.SIGKILL {
					c.signal(end)
				}
				select {
				case err := <-got:
					world.Must(t, err)
				case <-time.After(20 * time.Second): // a slice is one
					t.Fatal("the sleeper was never woken")
				}
				c.signal(syscall.SIGCONT)
				if end == syscall.SIGCONT && !c.toEnd() {
					t.Error("stopped twice")
				}
				c.Kill()
				for range 1000 {
					if len(s.Processes()) == 1 {
						break
					}
					time.Sleep(10 * time.Millisecond)
				}
				shmtest.Verify(t, s)
			})
		}
	}
}
