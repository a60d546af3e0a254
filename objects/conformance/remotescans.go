package conformance

import (
	"context"

	"github.com/aotf/sharedmem/objects"
)

type remoteScans struct{ *node }

func (n *remoteScans) Launch(ctx context.Context, a objects.Account, prior, reset bool) (objects.Launched, error) {
	r, err := n.do(ctx, "scans.launch", &args{Account: a, Bools: [2]bool{prior, reset}})
	return value(r.Launched), err
}

func (n *remoteScans) Get(ctx context.Context, account int64) (objects.ScanID, bool, error) {
	r, err := n.do(ctx, "scans.get", &args{N: account})
	return value(r.ScanID), r.OK, err
}

func (n *remoteScans) Load(ctx context.Context, id objects.ScanID, dst *objects.ScanRequest) error {
	r, err := n.do(ctx, "scans.load", &args{Scan: &id})
	if err == nil {
		*dst = *r.Scan
	}
	return err
}

func (n *remoteScans) ClaimListing(ctx context.Context, w objects.Worker, leg objects.Leg, token int) (objects.ListingClaim, error) {
	r, err := n.do(ctx, "scans.list", &args{Worker: workerNumber(w), Leg: uint8(leg), N: int64(token)})
	if err != nil {
		return nil, err
	}
	return &remoteListing{remoteClaim{n.node, r.On, r.Attempt}, *r.ScanID, r.Account, objects.Leg(r.Leg), r.OK}, nil
}

func (n *remoteScans) ClaimIndexing(ctx context.Context, w objects.Worker) (objects.IndexingClaim, error) {
	r, err := n.do(ctx, "scans.index", &args{Worker: workerNumber(w)})
	if err != nil {
		return nil, err
	}
	return &remoteIndexing{remoteClaim{n.node, r.On, r.Attempt}, *r.ScanID, r.Account.ID, r.Tweet}, nil
}

func (n *remoteScans) Shed(ctx context.Context) (int, error) {
	r, err := n.do(ctx, "scans.shed", &args{})
	return r.N[0], err
}

func (n *remoteScans) Count(ctx context.Context) (total, processing int, err error) {
	r, err := n.do(ctx, "scans.count", &args{})
	return r.N[0], r.N[1], err
}

func (n *remoteScans) Depths(ctx context.Context) (listing, tweets, instructions int, err error) {
	r, err := n.do(ctx, "scans.depths", &args{})
	return r.N[0], r.N[1], r.N[2], err
}

type remoteListing struct {
	remoteClaim
	scan    objects.ScanID
	account objects.Account
	leg     objects.Leg
	reset   bool
}

func (c *remoteListing) Scan() objects.ScanID     { return c.scan }
func (c *remoteListing) Account() objects.Account { return c.account }
func (c *remoteListing) Leg() objects.Leg         { return c.leg }
func (c *remoteListing) Reset() bool              { return c.reset }

func (c *remoteListing) PutTweet(ctx context.Context, tw objects.Tweet) error {
	return c.just(ctx, "listing.put", &args{On: c.on, Tweet: tw})
}

func (c *remoteListing) Done(ctx context.Context, cur objects.Cursor) error {
	return c.just(ctx, "listing.done", &args{On: c.on, Cursor: cur})
}

func (c *remoteListing) Blocked(ctx context.Context, token int) (bool, error) {
	r, err := c.do(ctx, "listing.blocked", &args{On: c.on, N: int64(token)})
	return r.OK, err
}

func (c *remoteListing) Fail(ctx context.Context, unfound bool) error {
	return c.just(ctx, "listing.fail", &args{On: c.on, Bools: [2]bool{unfound}})
}

type remoteIndexing struct {
	remoteClaim
	scan    objects.ScanID
	account int64
	tweet   *objects.Tweet
}

func (c *remoteIndexing) Scan() objects.ScanID  { return c.scan }
func (c *remoteIndexing) Account() int64        { return c.account }
func (c *remoteIndexing) Tweet() *objects.Tweet { return c.tweet }

func (c *remoteIndexing) Cursor() (objects.Leg, objects.Cursor, bool) {
	r, _ := c.do(context.Background(), "indexing.cursor", &args{On: c.on})
	return objects.Leg(r.Leg), r.Cursor, r.OK
}

func (c *remoteIndexing) Done(ctx context.Context) error {
	return c.just(ctx, "indexing.done", &args{On: c.on})
}

func (c *remoteIndexing) Fail(ctx context.Context) error {
	return c.just(ctx, "indexing.fail", &args{On: c.on})
}
