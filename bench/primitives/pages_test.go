package primitives

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// pages DIR HUGE N: mount a tmpfs that grants huge pages on request, fill a
	// table of N rows, and look up as many random keys as each line says.
	shmtest.Register("pages", func(args []string) {
		n, err := strconv.Atoi(args[2])
		check(err)
		if err := unix.Mount("tmpfs", args[0], "tmpfs", 0, "huge=advise"); err != nil {
			fmt.Println("no mount:", err)
			return
		}
		var t table
		s, err := shm.Create("pages", &t, &shm.Options{Dir: args[0], HugePages: args[1] == "true", Capacity: map[string]int{"rows": n}})
		check(err)
		check(t.fill(n))
		huge, err := os.ReadFile("/proc/self/smaps_rollup")
		check(err)
		_, kB, _ := strings.Cut(string(huge), "ShmemPmdMapped:")
		fmt.Println("ready", strings.Fields(kB)[0])
		order := make([]uint32, 1<<20)
		for i := range order {
			order[i] = uint32(rand.IntN(n))
		}
		for line := bufio.NewScanner(os.Stdin); line.Scan(); fmt.Println("done") {
			times, err := strconv.Atoi(line.Text())
			check(err)
			var chain uint64
			for at := range uint64(times) {
				chain, err = t.lookup(order, at, chain)
				check(err)
			}
		}
		check(s.Close())
	})
}

// BenchmarkPages is a lookup of a random key among 10^6, as in BenchmarkLookup, with
// small and with huge pages: in a process of its own, in a mount namespace with a
// tmpfs of its own, since /dev/shm usually has no huge ones.
func BenchmarkPages(b *testing.B) {
	for _, huge := range []bool{false, true} {
		var p *pipes
		b.Run(fmt.Sprintf("huge=%v/records=1000000", huge), func(sub *testing.B) {
			if p == nil {
				p = inMounts(b, "pages", b.TempDir(), fmt.Sprint(huge), "1000000")
				said := p.line()
				if kB, ok := strings.CutPrefix(said, "ready "); !ok || huge == (kB == "0") {
					sub.Skip("not measured: the kernel gives no huge pages here: ", said)
				}
				sub.ResetTimer()
			}
			fmt.Fprintln(p.in, sub.N)
			if said := p.line(); said != "done" {
				sub.Fatalf("the child said %q", said)
			}
		})
	}
}

// A pipes is a child and its standard input and output.
type pipes struct {
	in  *os.File
	out *bufio.Scanner
}

func (p *pipes) line() string {
	p.out.Scan()
	return p.out.Text()
}

// inMounts starts a registered child that may mount what it likes.
func inMounts(b *testing.B, name string, args ...string) *pipes {
	exe, err := os.Executable()
	must(b, err)
	c := exec.Command(exe, args...)
	c.Env = append(os.Environ(), "SHMTEST_CHILD="+name)
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	stdin, in, err := os.Pipe()
	must(b, err)
	c.Stdin = stdin
	out, err := c.StdoutPipe()
	must(b, err)
	if err := c.Start(); err != nil {
		b.Skip("not measured: needs a user and a mount namespace: ", err)
	}
	_ = stdin.Close()
	b.Cleanup(func() {
		_ = in.Close()
		if err := c.Wait(); err != nil {
			b.Error(err)
		}
	})
	return &pipes{in, bufio.NewScanner(out)}
}
