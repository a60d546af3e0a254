//go:build linux && (amd64 || arm64)

package peers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// LMDB warns of it, and programs with SQLite files met it: POSIX locks go when
// the process closes any descriptor of the file, a backup's for instance. Locks
// here belong to the open file description.
func TestOpenAndCloseLosesLocks(t *testing.T) {
	_, s := posted(t, nil)
	p := shmtest.Child(t, "backup", s.Name())
	p.Want("read")
	notRobbed(t, s)
	finish(t, p)
}

// A program that closes all descriptors, to become a daemon, closed the lock's.
// Here the mapping keeps the description open, and with it the locks: the process
// keeps what it has, and works on. Its own death watch has ended.
func TestStrayClose(t *testing.T) {
	_, s := posted(t, nil)
	p := shmtest.Child(t, "stray", s.Name(), "")
	p.Want("closed")
	notRobbed(t, s)
	p.Say("work")
	p.Want("worked")
	notRobbed(t, s)
	p.Kill() // what it holds comes back as ever
	w := &world.World{}
	s2, err := shm.Attach(s.Name(), w, nil)
	world.Must(t, err)
	defer s2.Close()
	comesBack(t, w)
}

// Worse: the number of the closed descriptor is given to another file, whose
// locks say nothing. A process that asks it must not take the living for dead.
func TestStrayCloseAndReuse(t *testing.T) {
	_, s := posted(t, nil)
	holder := shmtest.Child(t, "holder", s.Name())
	holder.Want("claimed")
	world.Must(t, s.Close())
	p := shmtest.Child(t, "stray", s.Name(), pathOf(s.Name())+".other")
	t.Cleanup(func() { _ = os.Remove(pathOf(s.Name()) + ".other") })
	p.Want("closed")
	p.Say("sweep")
	p.Want("swept {Dead:0 Posted:0 Settled:0 Freed:0 Permits:0 Hints:0}")
	finish(t, holder)
}

func init() {
	shmtest.Register("backup", func(args []string) {
		line := stdin()
		w := &world.World{}
		s, err := shm.Attach(args[0], w, nil)
		world.Check(err)
		j := claim(w)
		_, err = os.ReadFile(pathOf(args[0]))
		world.Check(err)
		f, err := os.OpenFile(pathOf(args[0]), os.O_RDWR, 0)
		world.Check(err)
		world.Check(f.Close())
		fmt.Println("read")
		line()
		world.Check(j.Free())
		fmt.Println("freed")
		world.Check(s.Close())
	})
	// stray NAME OTHER: attach, close the segment's descriptor behind the library's
	// back, give its number to the file OTHER, and work.
	shmtest.Register("stray", func(args []string) {
		line := stdin()
		w := &world.World{}
		s, err := shm.Attach(args[0], w, nil)
		world.Check(err)
		fd := segmentDescriptor(args[0])
		if args[1] == "" {
			claim(w)
			world.Check(syscall.Close(fd))
		} else {
			f, err := os.OpenFile(args[1], os.O_CREATE|os.O_RDWR, 0o600)
			world.Check(err)
			world.Check(syscall.Dup3(int(f.Fd()), fd, syscall.O_CLOEXEC)) // closes it, too
		}
		fmt.Println("closed")
		for {
			switch line() {
			case "work":
				for range 100 {
					j, err := w.Jobs.TryNew()
					world.Check(err)
					world.Check(w.Done.TryPut(j))
					j, err = w.Done.Get(context.Background())
					world.Check(err)
					world.Check(j.Free())
				}
				fmt.Println("worked")
			case "sweep":
				r, err := s.Sweep(context.Background())
				world.Check(err)
				fmt.Printf("swept %+v\n", r)
			default:
				return
			}
		}
	})
}

// segmentDescriptor is the number of the descriptor that has the segment open.
func segmentDescriptor(name string) int {
	list, err := os.ReadDir("/proc/self/fd")
	world.Check(err)
	for _, e := range list {
		to, _ := os.Readlink("/proc/self/fd/" + e.Name())
		if to == pathOf(name) {
			fd, err := strconv.Atoi(e.Name())
			world.Check(err)
			return fd
		}
	}
	panic("no descriptor of " + name)
}

// doltlite and others met it: a child that was forked and did not exec held the
// lock of its dead parent. Here, too: nobody is robbed, so the claim waits until
// the child ends. The registry shows a process that lives and whose id is gone.
func TestForkWithoutExec(t *testing.T) {
	w, s := posted(t, nil)
	p := shmtest.Child(t, "forker", s.Name())
	line, _ := p.Line()
	child, err := strconv.Atoi(line)
	world.Must(t, err)
	defer syscall.Kill(child, syscall.SIGKILL)
	p.Want("claimed")
	pid := p.Cmd.Process.Pid
	p.Kill()
	for range 5 {
		r, err := s.Sweep(t.Context())
		world.Must(t, err)
		if r != (shm.Report{}) {
			t.Fatalf("swept although the child has the lock: %+v", r)
		}
	}
	found := false
	for _, q := range s.Processes() {
		if !q.Self {
			found = true
			if q.State != "alive" || q.PID != pid {
				t.Errorf("the registry shows %+v", q)
			}
		}
	}
	if st := state(pid); !found || st != "" {
		t.Errorf("listed %v, state of process %d %q: nothing was tested", found, pid, st)
	}
	world.Must(t, syscall.Kill(child, syscall.SIGKILL))
	comesBack(t, w)
}

func init() {
	// forker NAME: claim the job, fork, and stay.
	shmtest.Register("forker", func(args []string) {
		w := &world.World{}
		_, err := shm.Attach(args[0], w, nil)
		world.Check(err)
		claim(w)
		pid, _, e := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
		if e != 0 {
			panic(e)
		}
		if pid == 0 { // the child: no Go runtime to speak of
			for {
				syscall.RawSyscall6(syscall.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
			}
		}
		fmt.Println(pid)
		fmt.Println("claimed")
		stdin()()
	})
}

// Permission taken away under the running: they go on, and are told of nothing.
// Who comes now is refused; given back, he gets in and the claims are there.
func TestPermissionTakenAway(t *testing.T) {
	folder, err := os.MkdirTemp(dir(), "shmtest-folder-")
	world.Must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	c := child(t, "nobody", folder)
	if os.Geteuid() == 0 { // whom nothing is refused: as another user
		const nobody = 65534
		world.Must(t, os.Chown(folder, nobody, nobody))
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		exe, err := os.Open(c.Path) // the test binary lies where nobody may look
		world.Must(t, err)
		defer exe.Close()
		c.ExtraFiles = []*os.File{exe}
		c.Path, c.Dir = "/proc/self/fd/3", "/"
	}
	out, err := says(c)
	if err != nil || out != "worked" {
		t.Fatalf("%v: %s", err, out)
	}
}

func init() {
	shmtest.Register("nobody", func(args []string) {
		o := &shm.Options{Dir: args[0]}
		w := &world.World{}
		s, err := shm.Create("segment", w, o)
		world.Check(err)
		post(w)
		path := args[0] + "/segment"
		attach := func(want error) {
			other, err := shm.Attach("segment", &world.World{}, o)
			if !errors.Is(err, want) {
				panic(fmt.Sprintf("attach: %v, want %v", err, want))
			}
			if err == nil {
				world.Check(other.Close())
			}
		}
		attach(nil)
		world.Check(os.Chmod(path, 0))
		attach(fs.ErrPermission)
		world.Check(os.Chmod(path, 0o666))
		attach(shm.ErrMode)
		world.Check(os.Chmod(args[0], 0)) // not even the name can be looked at
		attach(fs.ErrPermission)
		waited, cancel := context.WithTimeout(context.Background(), 2500*time.Millisecond) // the watch looks at the name once a second
		defer cancel()
		if _, err := w.Done.Get(waited); !errors.Is(err, context.DeadlineExceeded) {
			panic(err)
		}
		world.Check(s.Err())
		j := claim(w)
		world.Check(j.Release())
		world.Check(os.Chmod(args[0], 0o700))
		world.Check(os.Chmod(path, 0o600))
		attach(nil)
		world.Check(s.Remove())
		if left, err := os.ReadDir(args[0]); err != nil || len(left) > 0 {
			panic(fmt.Sprint(left, err))
		}
		fmt.Println("worked")
	})
}
