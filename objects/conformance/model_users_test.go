package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
)

// modelUser is a user request as anybody would write it down.
type modelUser struct {
	id      objects.UserID
	q       objects.Query
	status  objects.Status
	problem objects.Problem
	scans   []*modelScan
	visited bool // waits for scans, or has
	claim   objects.UserClaim
}

// users is the slow, obvious reference of the user pipeline. A queue is a list;
// what was released may be anywhere in it.
type modelUsers struct {
	all      map[string]*modelUser
	queues   [4][]*modelUser // by step
	released map[*modelUser]bool
	held     []*modelUser
	late     []objects.UserClaim // ended by the watchdog
}

// model is the reference beside the store, and the steps that do the same to both.
type model struct {
	*testing.T
	rng   *rand.Rand
	m     *objects.SharedMemory
	ended context.Context
	users modelUsers
	scans modelScans
}

const modelPerAddress = 6

func (x *model) check(what string, ok bool) {
	x.Helper()
	if !ok {
		x.Fatal("the store differs from the model: ", what)
	}
}

func (x *model) launchUser() {
	n := len(x.users.all) // a new one
	if n > 0 && x.rng.IntN(3) == 0 {
		n = x.rng.IntN(n)
	}
	q := objects.Query{URL: fmt.Sprint("u", n), Direct: n%3 == 0, Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(n % 8)})}
	id, created, err := x.m.Users.Launch(x.Context(), q)
	u := x.users.all[q.URL]
	charged := 0
	for _, o := range x.users.all {
		if o.q.Address == q.Address && o.status != objects.End {
			charged++
		}
	}
	switch {
	case u != nil:
		x.check("existing request", err == nil && !created && id == u.id)
	case charged >= modelPerAddress:
		x.check("limit of the address", errors.Is(err, objects.ErrLimit))
	default:
		x.check("new request", err == nil && created)
		u = &modelUser{id: id, q: q}
		step := objects.Step1
		if q.Direct {
			u.status, step = objects.WaitReverseSearch, objects.Step3
		}
		x.users.all[q.URL] = u
		x.users.queues[step] = append(x.users.queues[step], u)
	}
}

// may are the requests that a claim at a step may return.
func (u *modelUsers) may(step objects.Step) (may []*modelUser) {
	first, firstVisited := true, true
	for _, x := range u.queues[step] {
		switch {
		case u.released[x] && (!x.visited || x.ready()):
			may = append(may, x)
		case u.released[x]:
		case x.visited && x.ready() && firstVisited:
			may, firstVisited = append(may, x), false
		case !x.visited && first:
			may, first = append(may, x), false
		}
	}
	return may
}

func (u *modelUser) ready() bool {
	finished := true
	for _, s := range u.scans {
		if s.failed {
			return true
		}
		finished = finished && s.closed[0] && s.closed[1]
	}
	return finished
}

func (x *model) claimUser(step objects.Step) {
	may := x.users.may(step)
	if len(may) == 0 {
		_, err := x.m.Users.Claim(x.ended, nil, step)
		x.check("nothing to claim", errors.Is(err, context.Canceled))
		return
	}
	c, err := x.m.Users.Claim(x.Context(), nil, step)
	x.check("a claim", err == nil)
	i := slices.IndexFunc(may, func(u *modelUser) bool { return u.id == c.ID() })
	x.check(fmt.Sprintf("who is first at step %d", step), i >= 0)
	u := may[i]
	u.status, u.claim = objects.Status(2*step-1), c
	x.check("first delivery", c.Attempt() == 1)
	delete(x.users.released, u)
	x.users.queues[step] = slices.DeleteFunc(x.users.queues[step], func(o *modelUser) bool { return o == u })
	x.users.held = append(x.users.held, u)
}

func (x *model) endUser() {
	if len(x.users.late) > 0 && x.rng.IntN(2) == 0 {
		c := x.users.late[0]
		x.users.late = x.users.late[1:]
		x.check("late end", errors.Is(c.Fail(x.Context(), objects.NotAnURL), objects.ErrStale))
		return
	}
	if len(x.users.held) == 0 {
		return
	}
	i := x.rng.IntN(len(x.users.held))
	u := x.users.held[i]
	x.users.held = slices.Delete(x.users.held, i, i+1)
	ctx, c := x.Context(), u.claim
	step := objects.Step(u.status+1) / 2
	to := func(next objects.Step, status objects.Status) {
		u.status = status
		x.users.queues[next] = append(x.users.queues[next], u)
	}
	switch n := x.rng.IntN(10); {
	case n == 0:
		u.problem = objects.Problem(1 + x.rng.IntN(12))
		x.check("fail", c.Fail(ctx, u.problem) == nil)
		u.status = objects.End
	case n <= 2:
		x.check("release", c.Release(ctx) == nil)
		x.users.released[u] = true
		if to(step, u.status-1); u.visited && step == objects.Step2 {
			u.status = objects.IndexTweets
		}
	case step == objects.Step1:
		x.check("link found", c.LinkFound(ctx, []objects.Account{{ID: 1, Name: u.q.URL}}, nil, time.Time{}) == nil)
		to(objects.Step2, objects.WaitIndexTweets)
	case step == objects.Step2 && !u.visited && len(x.scans.list) > 0 && n <= 6: // once: they are published
		u.scans = nil
		var ids []objects.ScanID
		for range 1 + x.rng.IntN(6) {
			s := x.scans.list[x.rng.IntN(len(x.scans.list))]
			u.scans, ids = append(u.scans, s), append(ids, s.id)
		}
		err := c.WaitFor(ctx, ids, false)
		x.check(fmt.Sprint("wait for: ", err), err == nil)
		u.visited = true
		to(objects.Step2, objects.IndexTweets)
	case step == objects.Step2:
		x.check("indexed", c.Indexed(ctx) == nil)
		u.visited = false
		to(objects.Step3, objects.WaitReverseSearch)
	default:
		x.check("finish", c.Finish(ctx, []objects.Found{{Tweet: 1}}) == nil)
		u.status = objects.End
	}
	x.check("late release", errors.Is(c.Release(ctx), objects.ErrStale))
}

// expire is the watchdog, to which everything is too old.
func (x *model) expire() {
	want := 0
	for _, u := range x.users.all {
		if u.status != objects.End {
			u.status, u.problem = objects.End, objects.ProcessingError
			want++
		}
	}
	for _, u := range x.users.held {
		x.users.late = append(x.users.late, u.claim)
	}
	x.users.held, x.users.queues = nil, [4][]*modelUser{}
	n, err := x.m.Users.Expire(x.Context(), 0)
	x.check(fmt.Sprint("expired ", n, " of ", want), err == nil && n == want)
}

// compareUsers looks at all requests.
func (x *model) compareUsers() {
	processing := 0
	charged := map[netip.Addr]int{}
	var r objects.UserRequest
	for _, u := range x.users.all {
		x.check("load", x.m.Users.Load(x.Context(), u.id, &r) == nil)
		x.check(fmt.Sprint(u.q.URL, " is ", r.Status, " ", r.Problem, ", not ", u.status, " ", u.problem),
			r.Status == u.status && r.Problem == u.problem && r.Query.URL == u.q.URL)
		if u.status != objects.End {
			processing++
			charged[u.q.Address]++
		}
	}
	total, p, err := x.m.Users.Count(x.Context())
	x.check("counts", err == nil && total == len(x.users.all) && p == processing)
	for i := range 8 {
		addr := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
		n, err := x.m.HTTP.Unfinished(x.Context(), addr)
		x.check("charges", err == nil && n == charged[addr])
	}
	for step, q := range x.users.queues {
		if step > 0 {
			n, err := x.m.Users.Queued(x.Context(), objects.Step(step))
			x.check("queue length", err == nil && n == len(q))
		}
	}
}
