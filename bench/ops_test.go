package bench

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/aotf/sharedmem/objects"
)

// op is one operation that is measured. run does it n times; what it needs
// before and leaves behind, it makes and takes away with the timer stopped.
type op struct {
	name string
	run  func(b *testing.B, m memory, n int) error
}

var ops = []op{
	{"launch", launchAndEnd}, {"lookup", lookups}, {"status", statuses}, {"put", puts}, {"get", gets},
	{"acquire", acquires}, {"canrequest", canRequests}, {"advance", advances},
}

// batch is how many requests or tweets an operation's run has in memory at a time.
const batch = 512

var (
	launched  atomic.Uint64
	urlPrefix = fmt.Sprintf("https://example.com/new/%d/", os.Getpid())
)

// newURL is one that no process has used; one allocation, in every mode alike.
func newURL() string {
	var buf [64]byte
	return string(strconv.AppendUint(append(buf[:0], urlPrefix...), launched.Add(1), 10))
}

var errWrong = errors.New("wrong answer")

func check(ok bool, err error) error {
	if err == nil && !ok {
		return errWrong
	}
	return err
}

// launchAndEnd launches a new URL, and lets the oldest waiting request end: the
// same one, unless others wait. That keeps the number of unfinished requests.
// Every mode keeps ended ones until its table is full, and then frees the oldest
// sixteenth of them: in a full one, each launch frees one, on the average.
func launchAndEnd(_ *testing.B, m memory, n int) error {
	for range n {
		if _, created, err := m.Launch(newURL()); check(created, err) != nil {
			return check(created, err)
		}
		c, err := m.Claim(objects.Step1)
		if err != nil {
			return err
		}
		if err := m.Fail(c); err != nil {
			return err
		}
	}
	return nil
}

func launchBatch(m memory, n int) (urls []string, err error) {
	for range n {
		urls = append(urls, newURL())
		if _, created, err := m.Launch(urls[len(urls)-1]); check(created, err) != nil {
			return nil, check(created, err)
		}
	}
	return urls, nil
}

// drain ends the n oldest requests that wait for a step.
func drain(m memory, s objects.Step, n int) error {
	for range n {
		c, err := m.Claim(s)
		if err == nil {
			err = m.Fail(c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func lookups(b *testing.B, m memory, n int) error {
	b.StopTimer()
	urls, err := launchBatch(m, batch)
	if err != nil {
		return err
	}
	b.StartTimer()
	if err := find(m, urls, n); err != nil {
		return err
	}
	b.StopTimer()
	return drain(m, objects.Step1, batch)
}

func find(m memory, urls []string, n int) error {
	for i := range n {
		if _, ok, err := m.Lookup(urls[i%len(urls)]); check(ok, err) != nil {
			return check(ok, err)
		}
	}
	return nil
}

// statuses polls a request that waits for step 2: what step 1 found is visible.
func statuses(b *testing.B, m memory, n int) error {
	b.StopTimer()
	x, created, err := m.Launch(newURL())
	if err = check(created, err); err != nil {
		return err
	}
	c, err := m.Claim(objects.Step1)
	if err == nil {
		err = m.Advance(c)
	}
	if err != nil {
		return err
	}
	b.StartTimer()
	var u objects.UserRequest
	for range n {
		if err := m.Status(x, &u); check(u.Status == objects.WaitIndexTweets && len(u.Accounts) == 1, err) != nil {
			return check(u.Status == objects.WaitIndexTweets && len(u.Accounts) == 1, err)
		}
	}
	b.StopTimer()
	return drain(m, objects.Step2, 1)
}

func putBatch(m memory, n int) error {
	for i := range n {
		if err := m.Put(int64(i)); err != nil {
			return err
		}
	}
	return nil
}

func getBatch(m memory, n int) error {
	for i := range n {
		if v, err := m.Get(); check(v == int64(i), err) != nil {
			return check(v == int64(i), err)
		}
	}
	return nil
}

func puts(b *testing.B, m memory, n int) error { return batches(b, m, n, putBatch, getBatch) }

func gets(b *testing.B, m memory, n int) error {
	b.StopTimer()
	if err := putBatch(m, min(n, batch)); err != nil {
		return err
	}
	b.StartTimer()
	done := 0
	return batches(b, m, n, getBatch, func(m memory, got int) error {
		done += got
		return putBatch(m, min(n-done, batch))
	})
}

// batches measures do and not undo, a batch at a time.
func batches(b *testing.B, m memory, n int, do, undo func(memory, int) error) error {
	for n > 0 {
		k := min(n, batch)
		if err := do(m, k); err != nil {
			return err
		}
		b.StopTimer()
		if err := undo(m, k); err != nil {
			return err
		}
		b.StartTimer()
		n -= k
	}
	return nil
}

// putGets has one tweet in memory.
func putGets(_ *testing.B, m memory, n int) error {
	for i := range n {
		if err := m.Put(int64(i)); err != nil {
			return err
		}
		if v, err := m.Get(); check(v == int64(i), err) != nil {
			return check(v == int64(i), err)
		}
	}
	return nil
}

func acquires(_ *testing.B, m memory, n int) error {
	for range n {
		p, err := m.Acquire()
		if err != nil {
			return err
		}
		if err := m.Release(p); err != nil {
			return err
		}
	}
	return nil
}

// canRequests asks for 1024 addresses in turn: once a second the answer is yes.
func canRequests(_ *testing.B, m memory, n int) error {
	for i := range n {
		if _, err := m.Allow(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8 & 3), byte(i)})); err != nil {
			return err
		}
	}
	return nil
}

// advances measures step 1: the claim, and the transition to step 2.
func advances(b *testing.B, m memory, n int) error {
	b.StopTimer()
	if _, err := launchBatch(m, min(n, batch)); err != nil {
		return err
	}
	b.StartTimer()
	done := 0
	return batches(b, m, n, func(m memory, k int) error { return advance(m, objects.Step1, k) },
		func(m memory, k int) error {
			done += k
			if err := drain(m, objects.Step2, k); err != nil {
				return err
			}
			_, err := launchBatch(m, min(n-done, batch))
			return err
		})
}

func advance(m memory, s objects.Step, n int) error {
	for range n {
		c, err := m.Claim(s)
		if err == nil {
			err = m.Advance(c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
