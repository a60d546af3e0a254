package bench

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
)

// memory is what the workloads need of AOTF's shared memory. Every mode
// implements it, so that each runs the identical workload. Claim, Get and
// Acquire wait as long as it takes.
type memory interface {
	Launch(url string) (id, bool, error)
	Lookup(url string) (id, bool, error)
	Status(id id, dst *objects.UserRequest) error // what a poll reads: dst's Status, Problem, Accounts, ImageURLs, FirstScan, Found
	Claim(objects.Step) (claim, error)
	Advance(claim) error // to the next queue, or from step 3 to END
	Fail(claim) error    // to END, with the problem NOT_AN_URL
	Put(v int64) error   // a tweet into step C
	Get() (int64, error) // claims a tweet and completes it
	Acquire() (permit, error)
	Release(permit) error
	Allow(netip.Addr) (bool, error)
	Close() error
}

// An id, a claim and a permit are values of one mode: local ones hold the
// library's own, so that no mode pays for another one's form.
type id struct {
	local  objects.UserID
	remote string
}

type claim struct {
	id     id
	url    string
	local  objects.UserClaim
	remote int64
}

type permit struct {
	local  shm.Permit
	remote int64
}

// size is how many user requests a mode keeps, and how many lie in it from the
// beginning, waiting for step 1 under fillURL(0...).
type size struct{ users, fill int }

func fillURL(i int) string { return fmt.Sprintf("https://example.com/fill/%d", i) }

// mode is one way to share the objects between processes.
type mode struct {
	name  string
	alone bool // for one process only
	// missing says how to install what the mode needs; "" when it is there.
	missing func() string
	// serve starts what holds the memory, until the test ends, and returns its
	// address and its processes.
	serve func(testing.TB, size) (addr string, servers []*process)
	// open is for this process; in an agent there is no test.
	open func(_ testing.TB, addr string) (memory, error)
}

func present() string { return "" }

var modes []mode

func init() { // not an initialiser: agents, which modes start, look modes up
	modes = []mode{
		{"private", true, present, servePrivate, openPrivate},
		{"shm", false, sharedMissing, serveShared, openShared},
		{"netrpc-unix", false, present, serveChild("netrpc-unix"), openNetRPC},
		{"netrpc-tcp", false, present, serveChild("netrpc-tcp"), openNetRPC},
		{"jsonrpc-unix", false, present, serveChild("jsonrpc-unix"), openJSONRPC},
		{"grpc-unix", false, present, serveChild("grpc-unix"), openGRPC},
		{"redis", false, redisMissing, serveRedis, openRedis},
		{"pyro5", false, pyroMissing, servePyro, openPyro},
	}
}

func modeNamed(name string) mode {
	return modes[slices.IndexFunc(modes, func(m mode) bool { return m.name == name })]
}

// python reports whether the mode's clients are Python processes, which measure
// their loops themselves.
func (m mode) python() bool { return m.name == "pyro5" }

// What the steps find: one account, one image, one tweet.
var (
	someAccounts = []objects.Account{{ID: 1234567890, Name: "some_artist"}}
	someImages   = []string{"https://example.com/images/0123456789abcdef.png"}
	somePosted   = time.Unix(1600000000, 0)
	someFound    = []objects.Found{{Account: 1234567890, Tweet: 1357924680, Position: 1, Images: 1, Distance: 2}}
)
