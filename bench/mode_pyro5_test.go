package bench

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
)

// Pyro5: pyro5/server.py holds the tree of the Python version, pyro5/client.py
// is one of its processes. What is measured is a Python client against a Python
// server over TCP on localhost, as the Python version ran; the client measures
// its loops itself, and the pipe to it is no part of them. Unfair to Pyro5: it is
// the only mode whose clients and server are interpreted, and it would be faster
// with methods that do more in one call. Unfair to the others: server.py says
// what it does better than the original.

func python() string { return cmp.Or(os.Getenv("BENCH_PYTHON"), "python3") }

var pyroMissing = sync.OnceValue(func() string {
	if err := exec.Command(python(), "-c", "import Pyro5.api").Run(); err != nil {
		return fmt.Sprintf("%s with Pyro5 is not installed: python3 -m venv DIR && DIR/bin/pip install Pyro5, then BENCH_PYTHON=DIR/bin/python (%v)", python(), err)
	}
	return ""
})

func servePyro(tb testing.TB, s size) (string, []*process) {
	p := start(tb, exec.Command(python(), "pyro5/server.py", strconv.Itoa(s.users), strconv.Itoa(s.fill)))
	return p.hear("ready")[0], []*process{p}
}

func pyroAgent(tb testing.TB, addr string) *process {
	p := start(tb, exec.Command(python(), "pyro5/client.py", addr))
	p.hear("ready")
	return p
}

// pyroClient tells one client what to do, call by call.
type pyroClient struct {
	mu sync.Mutex // one call at a time
	p  *process
}

func openPyro(tb testing.TB, addr string) (memory, error) {
	return &pyroClient{p: pyroAgent(tb, addr)}, nil
}

func (m *pyroClient) do(words ...any) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := fmt.Fprintln(m.p.in, words...); err != nil {
		return nil, err
	}
	line, err := m.p.out.ReadString('\n')
	if err != nil {
		return nil, err
	}
	answer := strings.Fields(line)
	if answer[0] != "ok" {
		return nil, errors.New("pyro5: " + strings.Join(answer, " "))
	}
	return answer[1:], nil
}

func (m *pyroClient) number(words ...any) (int64, error) {
	r, err := m.do(words...)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(r[0], 10, 64)
}

// run lets the client run n operations and returns how long they took it.
func (m *pyroClient) run(op string, n int, args ...any) (time.Duration, error) {
	ns, err := m.number(append([]any{"run", op, n}, args...)...)
	return time.Duration(ns), err
}

func (m *pyroClient) Launch(url string) (id, bool, error) {
	r, err := m.do("launch", url)
	if err != nil {
		return id{}, false, err
	}
	return id{remote: r[0]}, r[1] == "1", nil
}

func (m *pyroClient) Lookup(url string) (id, bool, error) {
	r, err := m.do("lookup", url)
	if err != nil || r[0] == "-" {
		return id{}, false, err
	}
	return id{remote: r[0]}, true, nil
}

func (m *pyroClient) Status(x id, dst *objects.UserRequest) error {
	r, err := m.do("status", x.remote)
	if err != nil {
		return err
	}
	*dst = objects.UserRequest{}
	_, err = fmt.Sscan(r[0]+" "+r[1], (*uint8)(&dst.Status), (*uint8)(&dst.Problem))
	for _, s := range list(r[2]) {
		var a objects.Account
		number, name, _ := strings.Cut(s, ":")
		a.ID, _ = strconv.ParseInt(number, 10, 64)
		a.Name = name
		dst.Accounts = append(dst.Accounts, a)
	}
	dst.ImageURLs = list(r[3])
	for _, s := range list(r[4]) {
		var f objects.Found
		_, e := fmt.Sscanf(s, "%d:%d:%d:%d:%d", &f.Account, &f.Tweet, &f.Position, &f.Images, &f.Distance)
		dst.Found, err = append(dst.Found, f), errors.Join(err, e)
	}
	return err
}

func list(s string) []string {
	if s == "-" {
		return nil
	}
	return strings.Split(s, ",")
}

func (m *pyroClient) Claim(s objects.Step) (claim, error) {
	r, err := m.do("claim", int(s))
	if err != nil {
		return claim{}, err
	}
	number, err := strconv.ParseInt(r[0], 10, 64)
	return claim{id: id{remote: r[1]}, url: r[2], remote: number}, err
}

func (m *pyroClient) Advance(c claim) error {
	_, err := m.do("advance", c.remote)
	return err
}

func (m *pyroClient) Fail(c claim) error {
	_, err := m.do("fail", c.remote)
	return err
}

func (m *pyroClient) Put(v int64) error {
	_, err := m.do("put", v)
	return err
}

func (m *pyroClient) Get() (int64, error) { return m.number("get") }

func (m *pyroClient) Acquire() (permit, error) {
	_, err := m.do("acquire")
	return permit{}, err
}

func (m *pyroClient) Release(permit) error {
	_, err := m.do("release")
	return err
}

func (m *pyroClient) Allow(a netip.Addr) (bool, error) {
	n, err := m.number("allow", a)
	return n == 1, err
}

func (m *pyroClient) Close() error {
	m.p.end()
	return nil
}
