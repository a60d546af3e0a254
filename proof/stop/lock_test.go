//go:build crashpoint

package stop

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// lock SEGMENT: lock, and release when told to.
	shmtest.Register("lock", func(args []string) {
		w := &world.World{}
		_, err := shm.Attach(args[0], w, nil)
		world.Check(err)
		p, err := w.Lock.TryLock()
		world.Check(err)
		fmt.Println("locked")
		in := bufio.NewScanner(os.Stdin)
		in.Scan()
		world.Check(p.Release())
		fmt.Println("end")
		in.Scan()
	})
}

// waiter waits for the lock in the background.
func waiter(ctx context.Context, t *testing.T, s *shm.Segment, w *world.World) (got chan shm.Permit, failed chan error) {
	t.Helper()
	got, failed = make(chan shm.Permit, 1), make(chan error, 1)
	go func() {
		if p, err := w.Lock.Lock(ctx); err != nil {
			failed <- err
		} else {
			got <- p
		}
	}()
	for limit := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		for _, p := range s.Processes() {
			if p.Self && p.Waiting == "lock" {
				return got, failed
			}
		}
		if time.Now().After(limit) {
			t.Fatal("the waiter does not wait")
		}
	}
}

// A stopped process keeps its lock: waiters end with their context. It hands the
// lock on when it goes on, and when it is killed where it stands.
func TestStop_LockHolder(t *testing.T) {
	for _, end := range []string{"goes on", "is killed"} {
		t.Run(end, func(t *testing.T) {
			name := world.Find("put").Stage(t, 64)
			c := &child{Process: shmtest.Child(t, "lock", name), t: t, acks: map[string]bool{}}
			c.Want("locked")
			c.signal(syscall.SIGSTOP)
			c.waitState("T")

			w := &world.World{}
			s, err := shm.Attach(name, w, nil)
			world.Must(t, err)
			defer s.Close()
			soon, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if _, err := w.Lock.Lock(soon); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a deadline passed: %v", err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			_, failed := waiter(ctx, t, s, w)
			cancel()
			if err := <-failed; !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
			got, _ := waiter(t.Context(), t, s, w)
			sweptNothing(t, s)
			if _, err := w.Lock.TryLock(); !errors.Is(err, shm.ErrEmpty) || world.Used(s, "lock") != 1 {
				t.Errorf("robbed: %v", err)
			}
			select {
			case p := <-got:
				t.Fatalf("robbed: %+v", p)
			default:
			}
			if end == "is killed" {
				c.Kill()
			} else {
				c.signal(syscall.SIGCONT)
				c.Say("release")
				c.Want("end")
			}
			select {
			case p := <-got:
				if p.Recovered() != (end == "is killed") {
					t.Errorf("recovered: %v", p.Recovered())
				}
				world.Must(t, p.Release())
			case <-time.After(time.Minute):
				t.Fatal("the waiter does not get the lock")
			}
		})
	}
}
