//go:build crashpoint

package kill

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// operation SEGMENT OPERATION WHERE: kill yourself there in it, as die says.
	shmtest.Register("operation", func(args []string) {
		run := world.Find(args[1]).Attach(args[0])
		crash(args[2], func() { run(say) })
	})
	// together SEGMENT OPERATION N: the same among others. It stands still half-way
	// and where it dies, until it is told to go on, so that the others work meanwhile.
	shmtest.Register("together", func(args []string) {
		run := world.Find(args[1]).Attach(args[0])
		n, err := strconv.ParseInt(args[2], 10, 64)
		world.Check(err)
		calm()
		say("ready")
		told := bufio.NewScanner(os.Stdin)
		stand := func(say string) {
			fmt.Println(say)
			told.Scan()
		}
		stand("begin")
		last := func(point string) {
			stand(fmt.Sprintf("crash point %d: %s %s", n, point, shm.Here()))
			dead()
		}
		half := n / 2
		if half == 0 {
			shm.AtOwnAccess(n, last)
		} else {
			shm.AtOwnAccess(half, func(string) {
				stand("half-way")
				shm.AtOwnAccess(n-half, last)
			})
		}
		run(say)
		shm.AtAccess(0, nil)
		say("end")
	})
	// trace SEGMENT OPERATION: name the point of every access.
	shmtest.Register("trace", func(args []string) {
		run := world.Find(args[1]).Attach(args[0])
		calm()
		say("trace " + strings.Join(traced(func() { run(say) }), " "))
		say("end")
	})
}

// traced runs f and returns the points of all accesses meanwhile.
func traced(f func()) (way []string) {
	var mu sync.Mutex
	var step func(string)
	step = func(point string) {
		mu.Lock()
		way = append(way, point)
		mu.Unlock()
		shm.AtAccess(1, step)
	}
	shm.AtAccess(1, step)
	f()
	shm.AtAccess(0, nil)
	return way
}

func say(line string) { fmt.Println(line) }

// dead kills the process: no Close, no goodbye.
func dead() {
	p, _ := os.FindProcess(os.Getpid())
	_ = p.Kill()
	select {}
}

// crash runs f and kills the process there in it.
func crash(where string, f func()) {
	calm()
	die(where)
	f()
	shm.CrashAfter(0)
	say("end")
}

// die makes the process kill itself: at the n-th access from now on, or at the first
// one at a line of the library.
func die(where string) {
	os.Stderr = os.Stdout // where it says at which point
	if strings.Contains(where, ".go:") {
		shm.CrashAtLine(where)
		return
	}
	at, err := strconv.ParseInt(where, 10, 64)
	world.Check(err)
	shm.CrashAfter(at)
}

// calm waits until every other goroutine of the process sleeps, so that the
// accesses which count are those of what follows.
func calm() {
	buf := make([]byte, 1<<20)
	for deadline := time.Now().Add(30 * time.Second); ; {
		busy := 0
		for _, g := range bytes.Split(buf[:runtime.Stack(buf, true)], []byte("\n\n")) {
			head, _, _ := bytes.Cut(g, []byte("\n"))
			switch {
			case bytes.Contains(head, []byte("[running")), bytes.Contains(head, []byte("[runnable")):
				busy++
			case bytes.Contains(head, []byte("[syscall")) && !bytes.Contains(g, []byte(".futexWait(")) && !bytes.Contains(g, []byte("(*control).wait(")):
				busy++
			}
		}
		if busy == 1 {
			return
		}
		if time.Now().After(deadline) {
			panic("never calm: does the library sleep in a function of another name?\n" + string(buf[:runtime.Stack(buf, true)]))
		}
		runtime.Gosched()
	}
}
