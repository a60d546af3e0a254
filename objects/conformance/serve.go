package conformance

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/aotf/sharedmem/objects"
)

// server is the far side of an actor.
type server struct {
	a *Actor

	writing sync.Mutex // of standard output

	mu      sync.Mutex // of all below
	cancels map[uint64]context.CancelFunc
	held    map[int]any // claims and workers, by number
	next    int
}

// Serve is the body of an actor's process: it opens an actor as told by the
// first call, and answers calls on standard input until that ends. See [Spawn].
func Serve(open func(name string, o objects.Options) (*Actor, error)) {
	s := &server{cancels: map[uint64]context.CancelFunc{}, held: map[int]any{}}
	in := bufio.NewReader(os.Stdin)
	for {
		var c call
		if err := receive(in, &c, &c.tail); err != nil {
			if err != io.EOF {
				fmt.Fprintln(os.Stderr, "conformance:", err)
			}
			return
		}
		switch c.Method {
		case "cancel":
			s.mu.Lock()
			if cancel := s.cancels[c.ID]; cancel != nil {
				cancel()
			}
			s.mu.Unlock()
		case "open":
			var x args
			err := json.Unmarshal(c.Args, &x)
			if err == nil {
				s.a, err = open(x.Texts[0], *x.Options)
			}
			s.reply(c.ID, &result{}, err)
		default:
			s.start(c)
		}
	}
}

func (s *server) start(c call) {
	ctx, cancel := context.WithCancel(context.Background())
	if c.Within != 0 {
		ctx, cancel = context.WithTimeout(context.Background(), c.Within)
	}
	if c.Ended {
		cancel()
	}
	s.mu.Lock()
	s.cancels[c.ID] = cancel
	s.mu.Unlock()
	go func() {
		var x args
		var r result
		err := json.Unmarshal(c.Args, &x)
		x.raw = c.raw
		if err == nil {
			if do := methods[c.Method]; do != nil {
				err = do(s, ctx, &x, &r)
			} else {
				err = fmt.Errorf("no method %q", c.Method)
			}
		}
		cancel()
		s.reply(c.ID, &r, err)
	}()
}

func (s *server) reply(id uint64, r *result, err error) {
	a := answer{ID: id}
	a.setError(err)
	var e error
	if a.Result, e = json.Marshal(r); e != nil {
		a.setError(e)
	}
	a.raw = r.raw
	s.mu.Lock()
	delete(s.cancels, id)
	s.mu.Unlock()
	s.writing.Lock()
	defer s.writing.Unlock()
	_ = send(os.Stdout, &a, &a.tail) // on an error nobody reads: the parent has ended
}

// hold keeps a claim or a worker and returns its number.
func (s *server) hold(x any) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	s.held[s.next] = x
	return s.next
}

func (s *server) on(n int) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[n]
}

func (s *server) worker(n int) objects.Worker {
	w, _ := s.on(n).(objects.Worker)
	return w
}
