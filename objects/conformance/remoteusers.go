package conformance

import (
	"context"
	"time"

	"github.com/aotf/sharedmem/objects"
)

type remoteUsers struct{ *node }

func (n *remoteUsers) Launch(ctx context.Context, q objects.Query) (id objects.UserID, created bool, err error) {
	x := &args{Image: q.Image != nil, raw: q.Image}
	q.Image = nil
	x.Query = q
	r, err := n.do(ctx, "users.launch", x)
	return value(r.UserID), r.OK, err
}

func (n *remoteUsers) Lookup(ctx context.Context, q objects.Query) (id objects.UserID, ok bool, err error) {
	r, err := n.do(ctx, "users.lookup", &args{Query: q})
	return value(r.UserID), r.OK, err
}

// value is what a pointer points to; the zero value for none.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func (n *remoteUsers) Load(ctx context.Context, id objects.UserID, dst *objects.UserRequest) error {
	r, err := n.do(ctx, "users.load", &args{User: &id})
	if err == nil {
		*dst = r.User.request()
	}
	return err
}

func (n *remoteUsers) Claim(ctx context.Context, w objects.Worker, step objects.Step) (objects.UserClaim, error) {
	r, err := n.do(ctx, "users.claim", &args{Worker: workerNumber(w), Step: step})
	if err != nil {
		return nil, err
	}
	return &remoteUser{remoteClaim{n.node, r.On, r.Attempt}, *r.UserID, r.User.request()}, nil
}

func (n *remoteUsers) Expire(ctx context.Context, age time.Duration) (int, error) {
	r, err := n.do(ctx, "users.expire", &args{Took: age})
	return r.N[0], err
}

func (n *remoteUsers) Shed(ctx context.Context) (int, error) {
	r, err := n.do(ctx, "users.shed", &args{})
	return r.N[0], err
}

func (n *remoteUsers) Count(ctx context.Context) (total, processing int, err error) {
	r, err := n.do(ctx, "users.count", &args{})
	return r.N[0], r.N[1], err
}

func (n *remoteUsers) Queued(ctx context.Context, step objects.Step) (int, error) {
	r, err := n.do(ctx, "users.queued", &args{Step: step})
	return r.N[0], err
}

type remoteUser struct {
	remoteClaim
	id  objects.UserID
	req objects.UserRequest
}

func (c *remoteUser) ID() objects.UserID            { return c.id }
func (c *remoteUser) Request() *objects.UserRequest { return &c.req }

func (c *remoteUser) Image(ctx context.Context) ([]byte, error) {
	r, err := c.do(ctx, "user.image", &args{On: c.on})
	return r.raw, err
}

func (c *remoteUser) LinkFound(ctx context.Context, accounts []objects.Account, urls []string, at time.Time) error {
	return c.just(ctx, "user.linkfound", &args{On: c.on, List: accounts, Texts: urls, Time: at})
}

func (c *remoteUser) WaitFor(ctx context.Context, scans []objects.ScanID, first bool) error {
	return c.just(ctx, "user.waitfor", &args{On: c.on, Scans: scans, Bools: [2]bool{first}})
}

func (c *remoteUser) Indexed(ctx context.Context) error {
	return c.just(ctx, "user.indexed", &args{On: c.on})
}

func (c *remoteUser) Finish(ctx context.Context, found []objects.Found) error {
	return c.just(ctx, "user.finish", &args{On: c.on, Found: found})
}

func (c *remoteUser) Fail(ctx context.Context, p objects.Problem) error {
	return c.just(ctx, "user.fail", &args{On: c.on, Problem: uint8(p)})
}
