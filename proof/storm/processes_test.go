//go:build linux && (amd64 || arm64)

package storm

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// One process in hastyOneIn has a goroutine that never rests: whoever kills it
// kills it in a call. It is the farmer's or the forester's in turn.
const hastyOneIn = 6

type child struct {
	cmd     *exec.Cmd
	foreign bool // in a PID namespace of its own
	mu      sync.Mutex
	killed  int64
	ended   int64
	hellos  []hello
	spared  bool // not to be killed now
	stops   []span
	slow    []pause
	late    []pause
	there   atomic.Int32 // segments that it is attached to
}

type hello struct {
	segment   string
	slot, gen uint64
}

// command is a child of this test binary.
func command(name, procs string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), "SHMTEST_CHILD="+name, "GOMAXPROCS="+procs)
	cmd.Stderr = os.Stderr
	return cmd
}

// listen takes in the slow calls of a child.
func (p *child) listen(in *listener) {
	into := func(list *[]pause) func(op string, ended, took uint64) {
		return func(op string, ended, took uint64) {
			*list = append(*list, pause{op, span{int64(ended - took), int64(ended)}})
		}
	}
	in.slow, in.late = into(&p.slow), into(&p.late)
}

// keep starts a child in the i-th place, again and again, and listens to it.
func (c *campaign) keep(i int) {
	for {
		p, in, n := &child{}, c.l.listener(), uint64(0)
		in.hello = func(segment string, slot, gen uint64) {
			p.hellos = append(p.hellos, hello{segment, slot, gen})
			p.there.Add(1)
		}
		p.listen(in)
		c.mu.Lock()
		if c.over {
			c.mu.Unlock()
			return
		}
		c.incarnation++
		n = c.incarnation
		foreign := n%4 == 0 && i >= witnesses && c.f.noForeign == nil
		c.mu.Unlock()
		hasty := ""
		if n%hastyOneIn == 0 && i >= witnesses {
			hasty = []string{"farmer", "forester"}[n/hastyOneIn%2]
		}
		p.cmd = command("storm", fmt.Sprint(1+n%4), c.farm, c.tree, fmt.Sprint(c.seed), fmt.Sprint(n), hasty)
		if p.foreign = foreign; foreign {
			p.cmd.SysProcAttr = otherNamespace()
		}
		out, err := p.cmd.StdoutPipe()
		if err != nil {
			c.t.Error(err)
			return
		}
		if err := p.cmd.Start(); err != nil {
			if !foreign {
				c.t.Error(err)
				return
			}
			c.mu.Lock()
			c.f.noForeign = err
			c.mu.Unlock()
			continue
		}
		c.mu.Lock()
		c.children[i] = p
		c.mu.Unlock()
		ended := endOf(p.cmd.Process.Pid)
		in.read(out)
		p.ended = <-ended
		err = p.cmd.Wait()
		if !killed(err) && (err != nil || !in.bye) {
			c.t.Errorf("a child ended by itself: %v", err)
			return
		}
		p.mu.Lock()
		in.end(p.killed)
		c.f.child(p)
		p.mu.Unlock()
	}
}

// endOf tells when a process ended. It waits on a thread of high priority, where
// that is allowed, so that it is the time of the end and not of our turn.
func endOf(pid int) <-chan int64 {
	ended := make(chan int64, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its priority
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, -20)
		fd, err := unix.PidfdOpen(pid, 0)
		if err == nil {
			for {
				if _, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); err != unix.EINTR {
					break
				}
			}
			_ = unix.Close(fd)
		}
		ended <- clock()
	}()
	return ended
}

// otherNamespace is a PID namespace where the child is number 1. What pidfds can
// see of it from outside is nothing: its neighbours have to ask.
func otherNamespace() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}},
	}
}

func killed(err error) bool {
	var e *exec.ExitError
	if !errors.As(err, &e) {
		return false
	}
	ws, ok := e.Sys().(syscall.WaitStatus)
	return ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL
}

func (c *campaign) at(i int) *child {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.children[i]
}

// kill kills one child: the first from a random place on that was not killed yet.
// It waits while there are too few.
func (c *campaign) kill(rng *rand.Rand) {
	n := c.attached()
	if n < alive {
		return
	}
	for k, from := 0, rng.IntN(processes-witnesses); k < processes-witnesses; k++ {
		if p := c.at(witnesses + (from+k)%(processes-witnesses)); p != nil && p.kill() {
			c.f.attached += n
			return
		}
	}
}

// attached counts the processes that are attached to both segments and live.
func (c *campaign) attached() (n int) {
	for i := range processes {
		if p := c.at(i); p != nil && p.there.Load() == 2 && p.lives() {
			n++
		}
	}
	return n
}

func (p *child) lives() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.killed == 0
}

func (p *child) kill() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed != 0 || p.spared {
		return false
	}
	now := clock()
	if p.cmd.Process.Kill() != nil {
		return false
	}
	p.killed = now
	return true
}
