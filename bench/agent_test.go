package bench

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aotf/sharedmem/objects"
)

// An agent is a process of the application: it attaches in a mode, says "ready",
// and does what it is told, one line a command; pyro5/client.py is the same in
// Python. An answer begins with "ok", and one that waits says "ready" before it.
//
//	front N      launches N new requests
//	work STEP N  claims N requests at a step and advances each
//	puts N PACE  puts N times, every PACE nanoseconds, the time since boot
//	gets N       gets N times; answers how old each item was, in nanoseconds
//	block N      waits for requests at step 3, N times at once

func init() {
	roles["agent"] = func(args []string) error {
		m, err := modeNamed(args[0]).open(nil, args[1])
		if err != nil {
			return err
		}
		fmt.Println("ready")
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			words := strings.Fields(in.Text())
			var n [2]int
			for i, w := range words[1:] {
				if n[i], err = strconv.Atoi(w); err != nil {
					return err
				}
			}
			answer, err := agentCommand(m, words[0], n[0], n[1])
			if err != nil {
				return fmt.Errorf("%s: %w", in.Text(), err)
			}
			fmt.Println("ok", strings.Trim(fmt.Sprint(answer), "[]"))
		}
		return nil
	}
}

// agent starts one in the world.
func (w *world) agent(tb testing.TB) *process {
	if w.mode.python() {
		return pyroAgent(tb, w.addr)
	}
	p := self(tb, "agent", w.mode.name, w.addr)
	p.hear("ready")
	return p
}

func agentCommand(m memory, command string, n, m2 int) ([]int64, error) {
	switch command {
	case "front":
		_, err := launchBatch(m, n)
		return nil, err
	case "work":
		return nil, advance(m, objects.Step(n), m2)
	case "puts":
		return nil, pacedPuts(m, n, int64(m2))
	case "gets":
		fmt.Println("ready")
		return agesOfGets(m, n)
	case "block":
		ended := make(chan error)
		for range n {
			go func() {
				_, err := m.Claim(objects.Step3)
				ended <- err
			}()
		}
		fmt.Println("ready")
		return nil, <-ended
	}
	return nil, fmt.Errorf("unknown command")
}

// sinceBoot is a clock that all processes have in common.
func sinceBoot() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return ts.Nano()
}

func pacedPuts(m memory, n int, pace int64) error {
	at := sinceBoot()
	for range n {
		at += pace
		time.Sleep(time.Duration(at - sinceBoot()))
		if err := m.Put(sinceBoot()); err != nil {
			return err
		}
	}
	return nil
}

func agesOfGets(m memory, n int) (ages []int64, err error) {
	ages = make([]int64, 0, n)
	for range n {
		put, err := m.Get()
		if err != nil {
			return nil, err
		}
		ages = append(ages, sinceBoot()-put)
	}
	return ages, nil
}
