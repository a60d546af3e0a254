package bench

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aotf/sharedmem/objects"
)

// The RPC modes of Go: one process holds package objects in private mode, and
// answers the others. Claims and permits stay with the server, under a number. A
// Get is one call that claims and completes, which is kinder than a worker may
// have it.

func init() { roles["server"] = server }

// tempDir is short: the path of a socket has 107 bytes.
func tempDir(tb testing.TB) string {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func serveChild(mode string) func(testing.TB, size) (string, []*process) {
	return func(tb testing.TB, s size) (string, []*process) {
		addr := "127.0.0.1:0"
		if strings.HasSuffix(mode, "-unix") {
			addr = filepath.Join(tempDir(tb), "socket")
		}
		p := self(tb, "server", mode, addr, strconv.Itoa(s.users), strconv.Itoa(s.fill))
		return p.hear("ready")[0], []*process{p}
	}
}

func network(addr string) string {
	if strings.HasPrefix(addr, "/") {
		return "unix"
	}
	return "tcp"
}

func server(args []string) error {
	mode, addr := args[0], args[1]
	users, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	fill, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	m, err := privateMemory(size{users, fill})
	if err != nil {
		return err
	}
	s := &Service{m: m, claims: map[int64]claim{}, permits: map[int64]permit{}}
	l, err := net.Listen(network(addr), addr)
	if err != nil {
		return err
	}
	go func() { // until the test ends
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println("ready", l.Addr())
	if mode == "grpc-unix" {
		return serveGRPC(l, s)
	}
	r := rpc.NewServer()
	if err := r.Register(s); err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		if mode == "jsonrpc-unix" {
			go r.ServeCodec(jsonrpc.NewServerCodec(c))
		} else {
			go r.ServeConn(c)
		}
	}
}

// Service is exported, as its methods and their types are, because net/rpc
// demands it.
type Service struct {
	m *local

	mu      sync.Mutex // of all below
	next    int64
	claims  map[int64]claim
	permits map[int64]permit
}

// Launched is an id, and whether it was created or found.
type Launched struct {
	ID  string
	Yes bool
}

// Claimed is a claim's number and its request.
type Claimed struct {
	Claim   int64
	ID, URL string
}

// State is what a poll reads.
type State struct {
	Status, Problem uint8
	Accounts        []objects.Account
	ImageURLs       []string
	FirstScan       bool
	Found           []objects.Found
}

func (s *State) copyTo(dst *objects.UserRequest) {
	*dst = objects.UserRequest{Status: objects.Status(s.Status), Problem: objects.Problem(s.Problem), Accounts: s.Accounts,
		ImageURLs: s.ImageURLs, FirstScan: s.FirstScan, Found: s.Found}
}

type Empty struct{}

func (s *Service) Launch(url string, r *Launched) error {
	x, created, err := s.m.Launch(url)
	*r = Launched{x.local.String(), created}
	return err
}

func (s *Service) Lookup(url string, r *Launched) error {
	x, ok, err := s.m.Lookup(url)
	*r = Launched{x.local.String(), ok}
	return err
}

func (s *Service) Status(text string, r *State) error {
	var x objects.UserID
	if err := x.UnmarshalText([]byte(text)); err != nil {
		return err
	}
	var u objects.UserRequest
	if err := s.m.Status(id{local: x}, &u); err != nil {
		return err
	}
	*r = State{uint8(u.Status), uint8(u.Problem), u.Accounts, u.ImageURLs, u.FirstScan, u.Found}
	return nil
}

func (s *Service) Claim(step int64, r *Claimed) error {
	c, err := s.m.Claim(objects.Step(step))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	s.claims[s.next] = c
	*r = Claimed{s.next, c.id.local.String(), c.url}
	return nil
}

func (s *Service) Advance(n int64, _ *Empty) error { return s.ended(n, s.m.Advance) }
func (s *Service) Fail(n int64, _ *Empty) error    { return s.ended(n, s.m.Fail) }

func (s *Service) ended(n int64, end func(claim) error) error {
	s.mu.Lock()
	c, ok := s.claims[n]
	delete(s.claims, n)
	s.mu.Unlock()
	if !ok {
		return objects.ErrStale
	}
	return end(c)
}

func (s *Service) Acquire(_ Empty, n *int64) error {
	p, err := s.m.Acquire()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	s.permits[s.next] = p
	*n = s.next
	return nil
}

func (s *Service) Release(n int64, _ *Empty) error {
	s.mu.Lock()
	p := s.permits[n]
	delete(s.permits, n)
	s.mu.Unlock()
	return s.m.Release(p)
}

func (s *Service) Put(v int64, _ *Empty) error { return s.m.Put(v) }

func (s *Service) Get(_ Empty, v *int64) (err error) {
	*v, err = s.m.Get()
	return err
}

func (s *Service) Allow(addr string, ok *bool) error {
	a, err := netip.ParseAddr(addr)
	if err == nil {
		*ok, err = s.m.Allow(a)
	}
	return err
}
