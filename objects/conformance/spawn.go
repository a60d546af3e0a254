package conformance

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
)

// ActorVar is set in the environment of an actor's process: TestMain is to call
// [Serve] and to exit when it is.
const ActorVar = "CONFORMANCE_ACTOR"

// remote is the near side of an actor in another process.
type remote struct {
	cmd *exec.Cmd
	in  io.WriteCloser

	writing sync.Mutex // of in

	mu      sync.Mutex
	next    uint64
	pending map[uint64]chan *answer // nil when the process has ended
}

// Spawn starts the test binary again as an actor's process, in which Serve opens
// the named store. The process is killed when the test ends, if it still runs.
func Spawn(t testing.TB, name string, o objects.Options) *Actor {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &remote{cmd: exec.Command(exe), pending: map[uint64]chan *answer{}}
	p.cmd.Env = append(os.Environ(), ActorVar+"=1")
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		p.read(out)
		close(ended)
	}()
	kill := sync.OnceFunc(func() {
		_ = p.cmd.Process.Kill()
		<-ended // all it wrote is read before Wait closes the pipe
		_ = p.cmd.Wait()
	})
	t.Cleanup(func() {
		_ = p.in.Close() // a closed one ends by itself; others too, with what they hold
		kill()
	})
	var r result
	if err := p.call(t.Context(), "open", &args{Texts: []string{name}, Options: &o}, &r); err != nil {
		t.Fatal("open an actor: ", err)
	}
	n := &node{p}
	return &Actor{
		Root: &remoteRoot{n}, Users: &remoteUsers{n}, Scans: &remoteScans{n}, HTTP: &remoteHTTP{n},
		Metrics: &remoteMetrics{n}, Threads: &remoteThreads{n}, Processes: &remoteProcesses{n}, kill: kill,
	}
}

func (p *remote) read(r io.Reader) {
	in := bufio.NewReader(r)
	for {
		a := new(answer)
		if receive(in, a, &a.tail) != nil {
			break
		}
		p.mu.Lock()
		c := p.pending[a.ID]
		delete(p.pending, a.ID)
		p.mu.Unlock()
		if c != nil {
			c <- a
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.pending {
		close(c)
	}
	p.pending = nil
}

// call makes one call and waits for its answer. The end of the context is told
// to the other side and the answer still waited for: a claim that was made
// meanwhile is not lost.
func (p *remote) call(ctx context.Context, method string, x *args, r *result) error {
	c := &call{Method: method, Ended: ctx.Err() == context.Canceled}
	c.raw = x.raw
	if at, ok := ctx.Deadline(); ok {
		c.Within = max(1, time.Until(at))
	}
	var err error
	if c.Args, err = json.Marshal(x); err != nil {
		return err
	}
	back := make(chan *answer, 1)
	p.mu.Lock()
	if p.pending == nil {
		p.mu.Unlock()
		return ErrKilled
	}
	p.next++
	c.ID = p.next
	p.pending[c.ID] = back
	p.mu.Unlock()
	if p.send(c) != nil {
		return ErrKilled
	}
	stop := context.AfterFunc(ctx, func() {
		if ctx.Err() != context.Canceled {
			return // the other side has the deadline
		}
		_ = p.send(&call{ID: c.ID, Method: "cancel"})
	})
	defer stop()
	a, ok := <-back
	if !ok {
		return ErrKilled
	}
	if a.Result != nil {
		if err := json.Unmarshal(a.Result, r); err != nil {
			return err
		}
	}
	r.raw = a.raw
	return a.err()
}

func (p *remote) send(c *call) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	return send(p.in, c, &c.tail)
}

// node is what all remote nodes and claims have in common.
type node struct{ p *remote }

func (n *node) do(ctx context.Context, method string, x *args) (r result, err error) {
	err = n.p.call(ctx, method, x, &r)
	return r, err
}

func (n *node) just(ctx context.Context, method string, x *args) error {
	_, err := n.do(ctx, method, x)
	return err
}
