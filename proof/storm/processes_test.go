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
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aotf/sharedmem/proof/world"
)

type child struct {
	cmd     *exec.Cmd
	foreign bool // in a PID namespace of its own
	mu      sync.Mutex
	killed  int64
	ended   int64
	hellos  []hello
	stops   []span
	slow    []pause
}

// A pause is a call that does not block and took long all the same.
type pause struct {
	op string
	span
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

// keep starts a child in the i-th place, again and again, and listens to it.
func (c *campaign) keep(i int) {
	for {
		p, in, n := &child{}, c.l.listener(), uint64(0)
		in.hello = func(segment string, slot, gen uint64) { p.hellos = append(p.hellos, hello{segment, slot, gen}) }
		in.slow = func(op string, ended, took uint64) {
			p.slow = append(p.slow, pause{op, span{int64(ended - took), int64(ended)}})
		}
		c.mu.Lock()
		if c.over {
			c.mu.Unlock()
			return
		}
		c.incarnation++
		n = c.incarnation
		foreign := n%4 == 0 && c.noForeign == nil
		c.mu.Unlock()
		p.cmd = command("storm", fmt.Sprint(1+n%8), c.farm, c.tree, fmt.Sprint(n))
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
			c.noForeign = err
			c.mu.Unlock()
			c.t.Log("no processes in other PID namespaces: ", err)
			continue
		}
		c.mu.Lock()
		c.children[i] = p
		c.mu.Unlock()
		ended := endOf(p.cmd.Process.Pid)
		in.read(out)
		p.ended = <-ended
		err = p.cmd.Wait()
		early := len(p.hellos) == 0 && c.ending() // told to end before it could listen
		if !killed(err) && !early && (err != nil || !in.bye) {
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

func (c *campaign) ending() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

func (c *campaign) at(i int) *child {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.children[i]
}

// kill kills the first child from the i-th place on that was not killed yet.
func (c *campaign) kill(i int) {
	for k := range processes {
		if p := c.at((i + k) % processes); p != nil && p.kill() {
			return
		}
	}
}

func (p *child) kill() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed != 0 {
		return false
	}
	now := clock()
	if p.cmd.Process.Kill() != nil {
		return false
	}
	p.killed = now
	return true
}

// stopSome stops a child for a while, now and then. Nobody may take anything
// from it, and nobody may wait for it who does not want what it has.
func (c *campaign) stopSome(rng *rand.Rand, end time.Time) {
	for time.Now().Before(end) {
		time.Sleep(time.Duration(rng.Int64N(int64(2 * stopEvery))))
		p := c.at(rng.IntN(processes))
		if p == nil {
			continue
		}
		p.mu.Lock()
		from := clock()
		err := p.cmd.Process.Signal(syscall.SIGSTOP)
		p.stops = append(p.stops, span{from, 1<<63 - 1})
		n := len(p.stops) - 1
		p.mu.Unlock()
		if err != nil {
			continue
		}
		time.Sleep(time.Duration(rng.Int64N(int64(stopFor))))
		_ = p.cmd.Process.Signal(syscall.SIGCONT) // it may have been killed meanwhile
		p.mu.Lock()
		p.stops[n].to = clock()
		p.mu.Unlock()
	}
}

// startControl starts a process that does the same work in memory of its own: its
// slow calls are the machine's pauses. It is neither killed nor stopped.
func (c *campaign) startControl() func() {
	cmd := command("control", "4")
	out, err := cmd.StdoutPipe()
	world.Must(c.t, err)
	world.Must(c.t, cmd.Start())
	p, own := &child{}, newLedger()
	in := own.listener()
	in.slow = func(op string, ended, took uint64) {
		p.slow = append(p.slow, pause{op, span{int64(ended - took), int64(ended)}})
	}
	done := make(chan struct{})
	go func() { in.read(out); close(done) }()
	return func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-done
		if err := cmd.Wait(); err != nil || !in.bye || len(own.bad) > 0 {
			c.t.Errorf("the control: %v %v", err, own.bad)
		}
		c.f.control(p, own.calls)
	}
}
