//go:build linux && (amd64 || arm64)

package peers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// inNamespaces lets a command have namespaces of its own, and be root there.
func inNamespaces(c *exec.Cmd, flags uintptr) {
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags | syscall.CLONE_NEWUSER}
	if os.Geteuid() == 0 {
		c.SysProcAttr.Cloneflags &^= syscall.CLONE_NEWUSER
		return
	}
	c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
}

// runIn runs a registered function in namespaces of its own: "skip: why" is a
// reason to skip, "fine" is success.
func runIn(t *testing.T, c *exec.Cmd, flags uintptr) {
	t.Helper()
	inNamespaces(c, flags)
	out, err := says(c)
	var denied *os.SyscallError
	switch why, skip := strings.CutPrefix(out, "skip: "); {
	case skip:
		t.Skip(why)
	case errors.Is(err, syscall.EPERM) || errors.As(err, &denied):
		t.Skipf("needs namespaces: %v", err)
	case err != nil || out != "fine":
		t.Fatalf("%v: %s", err, out)
	}
}

// Chronicle, LMDB and others decide by process ids: a new process with the id of
// a dead one kept its locks. Here a process with that very id lives, and even has
// the segment open, and the dead one's claim comes back all the same.
func TestProcessIDUsedAgain(t *testing.T) {
	_, s := posted(t, nil)
	world.Must(t, s.Close()) // nobody is to see the death
	runIn(t, child(t, "id-again", s.Name()), syscall.CLONE_NEWPID)
}

func init() {
	// id-again NAME: number 1 of a PID namespace. Let a holder die, give its id to
	// another process that attaches, and see who has the job.
	shmtest.Register("id-again", func(args []string) {
		start := func(name string) (*exec.Cmd, *bufio.Scanner) {
			exe, err := os.Executable()
			world.Check(err)
			c := exec.Command(exe, args[0])
			c.Env = append(os.Environ(), "SHMTEST_CHILD="+name)
			out, err := c.StdoutPipe()
			world.Check(err)
			_, err = c.StdinPipe()
			world.Check(err)
			world.Check(c.Start())
			return c, bufio.NewScanner(out)
		}
		a, said := start("holder")
		if said.Scan(); said.Text() != "claimed" {
			panic(said.Text())
		}
		id := a.Process.Pid
		world.Check(a.Process.Kill())
		_ = a.Wait()
		var b *exec.Cmd
		for range 50 { // a thread of ours may come between
			last := strconv.Itoa(id - 1)
			if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(last), 0); err != nil {
				fmt.Println("skip: cannot choose a process id:", err)
				return
			}
			b, said = start("settler")
			if b.Process.Pid == id {
				break
			}
			_ = b.Process.Kill()
			_ = b.Wait()
		}
		if b.Process.Pid != id {
			fmt.Println("skip: no process got the id that was chosen")
			return
		}
		if said.Scan(); said.Text() != "attached" {
			panic(said.Text())
		}
		w := &world.World{}
		_, err := shm.Attach(args[0], w, nil)
		world.Check(err)
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		j, err := w.Todo.Get(ctx)
		world.Check(err)
		if j.Attempt() != 2 || j.Record().Number != number {
			panic(fmt.Sprint("attempt ", j.Attempt()))
		}
		if syscall.Kill(id, 0) != nil {
			panic("nobody has the id: nothing was tested")
		}
		fmt.Println("fine")
		os.Exit(0) // with it, the namespace ends
	})
	shmtest.Register("settler", func(args []string) {
		w := &world.World{}
		_, err := shm.Attach(args[0], w, nil)
		world.Check(err)
		fmt.Println("attached")
		stdin()()
	})
}

// badger, go/36109, iceoryx2: a write into a mapping met a full disk and ended the
// program with SIGBUS. Here every page is there when the segment gets its name:
// with the tmpfs full, all of it can be used, and a new one is refused.
func TestFullDisk(t *testing.T) {
	runIn(t, child(t, "full-disk", t.TempDir()), syscall.CLONE_NEWNS)
}

func init() {
	shmtest.Register("full-disk", func(args []string) {
		if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			fmt.Println("skip: cannot make mounts private:", err)
			return
		}
		if err := syscall.Mount("tmpfs", args[0], "tmpfs", 0, "size=4m"); err != nil {
			fmt.Println("skip: cannot mount a tmpfs:", err)
			return
		}
		o := &shm.Options{Dir: args[0]}
		w := &world.World{Size: 500}
		s, err := shm.Create("segment", w, o)
		world.Check(err)
		tree, err := objects.Create("tree", &objects.Options{Dir: args[0], Capacity: map[string]int{"users": 64, "scans": 8, "legs": 16, "tweets": 16,
			"addresses": 16, "threads": 8, "blobs-256": 8, "blobs-1024": 8, "blobs-4096": 8, "blobs-16384": 8, "blobs-65536": 2}})
		world.Check(err)
		filler, err := os.Create(args[0] + "/filler")
		world.Check(err)
		for size := 1 << 16; size > 0; { // to the last page
			if _, err := filler.Write(make([]byte, size)); err != nil {
				size /= 2
			}
		}
		files := func() string {
			list, err := os.ReadDir(args[0])
			world.Check(err)
			return fmt.Sprint(list)
		}
		before := files()
		for range 500 {
			j, err := w.Jobs.TryNew()
			world.Check(err)
			if err := j.SetBlob(&w.Data, &j.Record().Data, make([]byte, 64)); err != nil && !errors.Is(err, shm.ErrFull) {
				panic(err)
			}
			world.Check(w.Todo.TryPut(j))
			n, err := w.Named.TryNew()
			world.Check(err)
			n.Record().Number, n.Record().Key = 1, world.KeyOf(fmt.Sprint(n.Ref()))
			_, _, err = w.ByName.Insert(n, &w.Queue)
			world.Check(err)
		}
		refused := func(what string, err error, want error) {
			if !errors.Is(err, want) {
				panic(fmt.Sprintf("%s: %v, want %v", what, err, want))
			}
		}
		_, err = shm.Create("more", &world.World{Size: 500}, o)
		refused("create", err, shm.ErrNoSpace)
		refused("reset", shm.Reset("segment", o, true), shm.ErrNoSpace)
		world.Check(s.Err()) // the refused reset has done nothing
		_, _, err = tree.Users.Launch(context.Background(), objects.Query{URL: "image", Direct: true, Image: make([]byte, 1<<16)})
		refused("a query image", err, syscall.ENOSPC)
		_, _, err = tree.Users.Launch(context.Background(), objects.Query{URL: "url"})
		world.Check(err)
		if total, _, err := tree.Users.Count(context.Background()); err != nil || total != 1 {
			panic(fmt.Sprint(total, err))
		}
		other := &world.World{Size: 500}
		s2, err := shm.Attach("segment", other, o)
		world.Check(err)
		for range 500 {
			j, err := other.Todo.TryGet()
			world.Check(err)
			world.Check(j.Free())
		}
		for f := range s2.Verify() {
			panic(f.String())
		}
		if after := files(); after != before {
			panic(fmt.Sprintf("left behind: %s, before %s", after, before))
		}
		world.Check(errors.Join(s2.Close(), s.Remove(), tree.Remove()))
		fmt.Println("fine")
	})
}

// A clock that jumps, or another time namespace, as containers have: systems that
// decide by heartbeats took the living for dead. Stamps are for people here.
func TestOtherClock(t *testing.T) {
	w, s := posted(t, nil)
	c := child(t, "holder", s.Name())
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		t.Skip(err)
	}
	args := []string{unshare, "--time", "--boottime", "10000000", "--monotonic", "10000000"}
	if os.Geteuid() != 0 {
		args = append(args, "--user", "--map-root-user")
	}
	if out, err := exec.Command(args[0], append(args[1:], "true")...).CombinedOutput(); err != nil {
		t.Skipf("needs a time namespace: %s", out)
	}
	c.Path, c.Args = unshare, append(args, c.Args...)
	in, err := c.StdinPipe()
	world.Must(t, err)
	out, err := c.StdoutPipe()
	world.Must(t, err)
	world.Must(t, c.Start())
	defer c.Process.Kill()
	lines := bufio.NewScanner(out)
	if lines.Scan(); lines.Text() != "claimed" {
		t.Fatal(lines.Text())
	}
	ahead := false
	for _, p := range s.Processes() {
		ahead = ahead || p.Joined > s.Now()+1000*time.Hour
	}
	if !ahead {
		t.Fatal("nobody's clock is ahead: nothing was tested")
	}
	notRobbed(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 1200*time.Millisecond) // once round the safety net
	defer cancel()
	if _, err := w.Todo.Get(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the job of a living process: %v", err)
	}
	notRobbed(t, s)
	world.Must(t, c.Process.Kill())
	_ = in.Close()
	_ = c.Wait()
	comesBack(t, w)
	shmtest.Verify(t, s)
}
