package conformance

import (
	"context"

	"github.com/aotf/sharedmem/objects"
)

// onUser, onListing and onIndexing are methods of the three kinds of claims.
func onUser(f func(c objects.UserClaim, ctx context.Context, x *args, r *result) error) method {
	return func(s *server, ctx context.Context, x *args, r *result) error {
		return f(s.on(x.On).(objects.UserClaim), ctx, x, r)
	}
}

func onListing(f func(c objects.ListingClaim, ctx context.Context, x *args, r *result) error) method {
	return func(s *server, ctx context.Context, x *args, r *result) error {
		return f(s.on(x.On).(objects.ListingClaim), ctx, x, r)
	}
}

func onIndexing(f func(c objects.IndexingClaim, ctx context.Context, x *args, r *result) error) method {
	return func(s *server, ctx context.Context, x *args, r *result) error {
		return f(s.on(x.On).(objects.IndexingClaim), ctx, x, r)
	}
}

var claimMethods = map[string]method{
	"claim.open": func(s *server, ctx context.Context, x *args, r *result) error {
		r.OK = s.on(x.On).(objects.Ending).Open()
		return nil
	},
	"claim.release": func(s *server, ctx context.Context, x *args, r *result) error {
		return s.on(x.On).(interface{ Release(context.Context) error }).Release(ctx)
	},
	"user.image": onUser(func(c objects.UserClaim, ctx context.Context, x *args, r *result) (err error) {
		r.raw, err = c.Image(ctx)
		return err
	}),
	"user.linkfound": onUser(func(c objects.UserClaim, ctx context.Context, x *args, r *result) error {
		return c.LinkFound(ctx, x.List, x.Texts, x.Time)
	}),
	"user.waitfor": onUser(func(c objects.UserClaim, ctx context.Context, x *args, r *result) error {
		return c.WaitFor(ctx, x.Scans, x.Bools[0])
	}),
	"user.indexed": onUser(func(c objects.UserClaim, ctx context.Context, x *args, r *result) error { return c.Indexed(ctx) }),
	"user.finish": onUser(func(c objects.UserClaim, ctx context.Context, x *args, r *result) error {
		return c.Finish(ctx, x.Found)
	}),
	"user.fail": onUser(func(c objects.UserClaim, ctx context.Context, x *args, r *result) error {
		return c.Fail(ctx, objects.Problem(x.Problem))
	}),
	"listing.put": onListing(func(c objects.ListingClaim, ctx context.Context, x *args, r *result) error {
		return c.PutTweet(ctx, x.Tweet)
	}),
	"listing.done": onListing(func(c objects.ListingClaim, ctx context.Context, x *args, r *result) error {
		return c.Done(ctx, x.Cursor)
	}),
	"listing.blocked": onListing(func(c objects.ListingClaim, ctx context.Context, x *args, r *result) (err error) {
		r.OK, err = c.Blocked(ctx, int(x.N))
		return err
	}),
	"listing.fail": onListing(func(c objects.ListingClaim, ctx context.Context, x *args, r *result) error {
		return c.Fail(ctx, x.Bools[0])
	}),
	"indexing.cursor": onIndexing(func(c objects.IndexingClaim, ctx context.Context, x *args, r *result) error {
		leg, cur, save := c.Cursor()
		r.Leg, r.Cursor, r.OK = uint8(leg), cur, save
		return nil
	}),
	"indexing.done": onIndexing(func(c objects.IndexingClaim, ctx context.Context, x *args, r *result) error { return c.Done(ctx) }),
	"indexing.fail": onIndexing(func(c objects.IndexingClaim, ctx context.Context, x *args, r *result) error { return c.Fail(ctx) }),
}
