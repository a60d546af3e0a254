package objects

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"

	"github.com/aotf/sharedmem/shm"
)

// Options for opening; the zero value is a shared segment in the usual place.
// Capacities, Tokens and PerAddress are the creator's; who attaches adopts them.
type Options struct {
	Private    bool           // one process only: the same code on its own memory
	Attach     bool           // never create: for workers
	Dir        string         // of the segment; "" is SHM_DIR, then /dev/shm
	Mode       fs.FileMode    // who may attach; 0 is 0600, 0660 trusts a group
	Group      int            // with Mode 0660: the segment's group
	Capacity   map[string]int // see DefaultCapacity
	Tokens     int            // listing tokens; 0 is 1, at most 128
	PerAddress int            // unfinished requests of an address; 0 is 10, at most 16
	Unlimited  []netip.Addr   // addresses that are charged nothing; nil is 127.0.0.1 and ::1
	Blacklist  []int64        // accounts that are never scanned
	ImageDir   string         // of query images; "" is beside the segment, a temporary folder for a private one
	Prefault   bool           // map every page at once, see shm.Options
	HugePages  bool           // the creator's, see shm.Options
	Logger     *slog.Logger   // deaths, recoveries, retirement; nil is silent
}

// DefaultCapacity is what a segment holds unless Options.Capacity says
// otherwise: less than 40 MiB, so that it fits into a container's 64.
func DefaultCapacity() map[string]int {
	return map[string]int{
		"users": 8192, "scans": 4096, "legs": 8192, "tweets": 32768, "addresses": 4096,
		"threads": 512, "blobs-256": 4096, "blobs-1024": 1024, "blobs-4096": 512, "blobs-16384": 128,
		"blobs-65536": 64, "processes": 64,
	}
}

const (
	defaultTokens     = 1
	mostTokens        = 128
	defaultPerAddress = 10

	// mostAttempts is how often a request is delivered at one step before it
	// fails: the worker that dies with it may be its victim.
	mostAttempts = 2
)

// SharedMemory is the root of the tree.
type SharedMemory struct {
	Users     Users
	Scans     Scans
	HTTP      HTTPLimiter
	Metrics   Metrics
	Threads   Threads
	Processes Processes

	seg     *shm.Segment
	tree    tree
	opt     Options
	mailbox shm.Claim[processRecord]
	images  imageStore
}

// tree is the declaration of the segment.
type tree struct {
	blobs     shm.Blobs
	users     shm.Arena[userRecord]
	byURL     shm.Index[userRecord, userKey]
	change2   shm.Event // something that step 2 waits for
	step1     shm.Ring[userRecord]
	step2     shm.Ring[userRecord]
	waiting   shm.Bag[userRecord] // step 2, after the first visit
	step3     shm.Ring[userRecord]
	scans     shm.Arena[scanRecord]
	byAccount shm.Index[scanRecord, scanKey]
	legs      shm.Arena[legRecord]
	listA     shm.Event
	listB     shm.Event
	listing   [2][2]shm.Bag[legRecord] // by leg; normal, prior
	changeC   shm.Event                // something that step C waits for
	save      shm.Bag[legRecord]       // save-cursor instructions
	tweets    shm.Arena[tweetRecord]
	stepC     shm.Ring[tweetRecord]
	addresses shm.Arena[addressRecord]
	byAddress shm.Index[addressRecord, addressKey]
	threads   shm.Arena[threadRecord]
	byName    shm.Index[threadRecord, threadKey]
	processes shm.Arena[processRecord]
	mail      shm.Event
	metrics   shm.Counters
	events    shm.Counters
	counts    shm.Arena[countsRecord]
	current   shm.Cell // the counts record in force
	limits    shm.Cell // tokens and requests per address, the creator's
}

// Define declares the tree; shm calls it.
func (t *tree) Define(l *shm.Layout) {
	n := DefaultCapacity()
	t.blobs.Define(l, "blobs",
		shm.BlobClass{Size: 256, Count: n["blobs-256"]}, shm.BlobClass{Size: 1024, Count: n["blobs-1024"]},
		shm.BlobClass{Size: 4096, Count: n["blobs-4096"]}, shm.BlobClass{Size: 16384, Count: n["blobs-16384"]},
		shm.BlobClass{Size: 65536, Count: n["blobs-65536"]})

	t.users.Define(l, "users", n["users"])
	t.byURL.Define(l, "users-by-url", &t.users)
	t.change2.Define(l, "step-2-change")
	t.step1.Define(l, "step-1", &t.users)
	t.step2.Phase, t.step2.Wake = 1, &t.change2
	t.step2.Define(l, "step-2", &t.users)
	t.waiting.Phase, t.waiting.Wake = 2, &t.change2
	t.waiting.Define(l, "step-2-waiting", &t.users)
	t.step3.Phase = 2
	t.step3.Define(l, "step-3", &t.users)

	t.scans.Define(l, "scans", n["scans"])
	t.byAccount.Define(l, "scans-by-account", &t.scans)
	// A leg is launched by its scan's entry in the index, not by itself.
	t.legs.Anchored = func(r shm.Ref[legRecord], leg *legRecord) bool {
		scan, err := t.scans.Words(leg.Scan)
		return err == nil && scan.Legs[leg.Leg&1] == r && t.byAccount.Contains(leg.Scan)
	}
	t.legs.Define(l, "legs", n["legs"])
	t.listA.Define(l, "listing-a-change")
	t.listB.Define(l, "listing-b-change")
	for leg, wake := range []*shm.Event{&t.listA, &t.listB} {
		for class, name := range []string{"listing-%s-normal", "listing-%s-prior"} {
			b := &t.listing[leg][class]
			b.Wake = wake
			b.Define(l, fmt.Sprintf(name, string("ab"[leg])), &t.legs)
		}
	}
	t.changeC.Define(l, "step-c-change")
	t.save.Phase, t.save.Wake = 1, &t.changeC
	t.save.Define(l, "save-cursor", &t.legs)
	t.tweets.Define(l, "tweets", n["tweets"])
	t.stepC.Wake = &t.changeC
	t.stepC.Define(l, "step-c", &t.tweets)

	t.addresses.Define(l, "addresses", n["addresses"])
	t.byAddress.Define(l, "addresses-by-ip", &t.addresses)
	t.threads.Define(l, "threads", n["threads"])
	t.byName.Define(l, "threads-by-name", &t.threads)
	t.processes.Define(l, "process-records", 1022)
	t.mail.Background = true
	t.mail.Define(l, "mail")
	t.metrics.Define(l, "metrics", metricNames()...)
	t.events.Define(l, "events", eventNames[:]...)
	t.counts.Anchored = func(r shm.Ref[countsRecord], _ *countsRecord) bool { return t.current.Load() == r.Uint64() }
	t.counts.Define(l, "counts", 64)
	t.current.Define(l, "counts-current")
	t.limits.Setting = true
	t.limits.Define(l, "limits")
}

// Open attaches to the named segment, or creates it unless Options.Attach, or
// makes a private one. The caller ends with Close.
func Open(name string, o *Options) (*SharedMemory, error) {
	return open(name, o, func(m *SharedMemory, so *shm.Options) (*shm.Segment, error) {
		switch {
		case m.opt.Private:
			return shm.Private(&m.tree, so)
		case m.opt.Attach:
			return shm.Attach(name, &m.tree, so)
		}
		return shm.Open(name, &m.tree, so)
	})
}

// Create is Open that fails when the segment exists.
func Create(name string, o *Options) (*SharedMemory, error) {
	return open(name, o, func(m *SharedMemory, so *shm.Options) (*shm.Segment, error) {
		return shm.Create(name, &m.tree, so)
	})
}

func open(name string, o *Options, get func(*SharedMemory, *shm.Options) (*shm.Segment, error)) (*SharedMemory, error) {
	m := &SharedMemory{}
	if o != nil {
		m.opt = *o
	}
	if err := m.opt.fill(); err != nil {
		return nil, err
	}
	so := m.opt.segment()
	var err error
	if m.seg, err = get(m, so); err != nil {
		return nil, err
	}
	m.images = imageStore{dir: m.opt.ImageDir, private: m.opt.Private, side: m.seg.SideFile}
	m.tree.limits.CompareAndSwap(0, limitsWord(m.opt.Tokens, m.opt.PerAddress))
	m.Users, m.Scans = &users{m: m}, &scans{m: m}
	m.HTTP, m.Metrics = &limiter{m}, &metrics{m}
	m.Threads = &threads{m}
	p := &processes{m: m}
	if err := p.register(); err != nil {
		_ = m.seg.Close()
		return nil, err
	}
	m.Processes, m.mailbox = p, p.c
	return m, nil
}

func (o *Options) fill() error {
	if o.Tokens == 0 {
		o.Tokens = defaultTokens
	}
	if o.PerAddress == 0 {
		o.PerAddress = defaultPerAddress
	}
	if o.Unlimited == nil {
		o.Unlimited = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
	}
	if o.Tokens < 1 || o.Tokens > mostTokens {
		return invalid("tokens", o.Tokens, "want 1 to 128")
	}
	if o.PerAddress < 1 || o.PerAddress > mostCells {
		return invalid("requests per address", o.PerAddress, "want 1 to 16")
	}
	return nil
}

// segment is what shm is to know of them.
func (o *Options) segment() *shm.Options {
	return &shm.Options{Dir: o.Dir, Mode: o.Mode, Group: o.Group, Capacity: o.Capacity, Prefault: o.Prefault, HugePages: o.HugePages,
		Logger: o.Logger}
}

// Segment gives access to what belongs to the memory and not to AOTF: Verify,
// Sweep, Stats, the list of attached processes.
func (m *SharedMemory) Segment() *shm.Segment { return m.seg }

// Stop tells every process to end: every blocked call returns ErrStopped.
// Workers finish what they hold. The flag falls when all have left.
func (m *SharedMemory) Stop(context.Context) error {
	m.seg.Stop()
	return nil
}

// Stopped reports whether Stop was called, or the segment ended otherwise.
func (m *SharedMemory) Stopped() bool { return m.seg.Err() != nil }

// Done is closed when the application was stopped or the segment ended.
func (m *SharedMemory) Done() <-chan struct{} { return m.seg.Done() }

// Close leaves. Claims that are still open go back to their queues, without
// counting an attempt.
func (m *SharedMemory) Close() error {
	_ = m.mailbox.Free() // ErrStale when the segment was closed already
	return errors.Join(m.seg.Close(), m.images.close())
}

// Remove removes the segment; other processes get ErrRetired.
func (m *SharedMemory) Remove() error {
	_ = m.mailbox.Free()
	return errors.Join(m.seg.Remove(), m.images.close())
}

// eventNames are counters of what happened, for tools and examples.
var eventNames = [...]string{"redelivered", "failed_attempts", "shed_users", "shed_scans"}

const (
	evRedelivered = iota
	evFailedAttempts
	evShedUsers
	evShedScans
)

// Redelivered is how many claims were deliveries after a worker's death.
func (m *SharedMemory) Redelivered() uint64 { return m.tree.events.Sum()[evRedelivered] }

// delivered counts a delivery and tells whether the request has had too many.
func (m *SharedMemory) delivered(attempt int) (tooMany bool) {
	if attempt > 1 {
		m.tree.events.Add(evRedelivered, 1)
	}
	if attempt > mostAttempts {
		m.tree.events.Add(evFailedAttempts, 1)
		return true
	}
	return false
}
