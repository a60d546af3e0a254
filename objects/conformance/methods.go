package conformance

import (
	"context"

	"github.com/aotf/sharedmem/objects"
)

type method = func(s *server, ctx context.Context, x *args, r *result) error

// methods are the calls of the nodes, on the far side. Those on claims are in
// claimMethods.
var methods = map[string]method{
	"users.launch": func(s *server, ctx context.Context, x *args, r *result) error {
		if x.Image {
			x.Query.Image = x.raw
		}
		id, created, err := s.a.Users.Launch(ctx, x.Query)
		r.UserID, r.OK = &id, created
		return err
	},
	"users.lookup": func(s *server, ctx context.Context, x *args, r *result) error {
		id, ok, err := s.a.Users.Lookup(ctx, x.Query)
		r.UserID, r.OK = &id, ok
		return err
	},
	"users.load": func(s *server, ctx context.Context, x *args, r *result) error {
		var u objects.UserRequest
		err := s.a.Users.Load(ctx, *x.User, &u)
		r.User = toWire(&u)
		return err
	},
	"users.claim": func(s *server, ctx context.Context, x *args, r *result) error {
		c, err := s.a.Users.Claim(ctx, s.worker(x.Worker), x.Step)
		if err != nil {
			return err
		}
		id := c.ID()
		r.On, r.UserID, r.User, r.Attempt = s.hold(c), &id, toWire(c.Request()), c.Attempt()
		return nil
	},
	"users.expire": func(s *server, ctx context.Context, x *args, r *result) (err error) {
		r.N[0], err = s.a.Users.Expire(ctx, x.Took)
		return err
	},
	"users.shed": func(s *server, ctx context.Context, x *args, r *result) (err error) {
		r.N[0], err = s.a.Users.Shed(ctx)
		return err
	},
	"users.count": func(s *server, ctx context.Context, x *args, r *result) (err error) {
		r.N[0], r.N[1], err = s.a.Users.Count(ctx)
		return err
	},
	"users.queued": func(s *server, ctx context.Context, x *args, r *result) (err error) {
		r.N[0], err = s.a.Users.Queued(ctx, x.Step)
		return err
	},
	"scans.launch": func(s *server, ctx context.Context, x *args, r *result) error {
		l, err := s.a.Scans.Launch(ctx, x.Account, x.Bools[0], x.Bools[1])
		r.Launched = &l
		return err
	},
	"scans.get": func(s *server, ctx context.Context, x *args, r *result) error {
		id, ok, err := s.a.Scans.Get(ctx, x.N)
		r.ScanID, r.OK = &id, ok
		return err
	},
	"scans.load": func(s *server, ctx context.Context, x *args, r *result) error {
		r.Scan = new(objects.ScanRequest)
		return s.a.Scans.Load(ctx, *x.Scan, r.Scan)
	},
	"scans.list": func(s *server, ctx context.Context, x *args, r *result) error {
		c, err := s.a.Scans.ClaimListing(ctx, s.worker(x.Worker), objects.Leg(x.Leg), int(x.N))
		if err != nil {
			return err
		}
		id := c.Scan()
		r.On, r.ScanID, r.Account, r.Leg, r.Attempt, r.OK = s.hold(c), &id, c.Account(), uint8(c.Leg()), c.Attempt(), c.Reset()
		return nil
	},
	"scans.index": func(s *server, ctx context.Context, x *args, r *result) error {
		c, err := s.a.Scans.ClaimIndexing(ctx, s.worker(x.Worker))
		if err != nil {
			return err
		}
		id := c.Scan()
		r.On, r.ScanID, r.Account.ID, r.Attempt, r.Tweet = s.hold(c), &id, c.Account(), c.Attempt(), c.Tweet()
		return nil
	},
	"scans.shed": func(s *server, ctx context.Context, x *args, r *result) (err error) {
		r.N[0], err = s.a.Scans.Shed(ctx)
		return err
	},
	"scans.count": func(s *server, ctx context.Context, x *args, r *result) (err error) {
		r.N[0], r.N[1], err = s.a.Scans.Count(ctx)
		return err
	},
	"scans.depths": func(s *server, ctx context.Context, x *args, r *result) (err error) {
		r.N[0], r.N[1], r.N[2], err = s.a.Scans.Depths(ctx)
		return err
	},
	"http.allow": func(s *server, ctx context.Context, x *args, r *result) (err error) {
		r.OK, err = s.a.HTTP.Allow(ctx, x.Query.Address)
		return err
	},
	"http.unfinished": func(s *server, ctx context.Context, x *args, r *result) (err error) {
		r.N[0], err = s.a.HTTP.Unfinished(ctx, x.Query.Address)
		return err
	},
	"metrics.add": func(s *server, ctx context.Context, x *args, r *result) error {
		return s.a.Metrics.Add(ctx, objects.Metric(x.Metric), int(x.N), x.Took)
	},
	"metrics.all": func(s *server, ctx context.Context, x *args, r *result) (err error) {
		r.Means, err = s.a.Metrics.All(ctx)
		return err
	},
	"threads.register": func(s *server, ctx context.Context, x *args, r *result) error {
		w, err := s.a.Threads.Register(ctx, x.Texts[0])
		if err == nil {
			r.On = s.hold(w)
		}
		return err
	},
	"threads.list": func(s *server, ctx context.Context, x *args, r *result) (err error) {
		r.Threads, err = s.a.Threads.List(ctx)
		return err
	},
	"processes.list": func(s *server, ctx context.Context, x *args, r *result) (err error) {
		r.Procs, err = s.a.Processes.List(ctx)
		return err
	},
	"processes.send": func(s *server, ctx context.Context, x *args, r *result) (err error) {
		r.N[0], err = s.a.Processes.Send(ctx, objects.Message(x.Message))
		return err
	},
	"processes.receive": func(s *server, ctx context.Context, x *args, r *result) error {
		m, err := s.a.Processes.Receive(ctx)
		r.Message = uint64(m)
		return err
	},
	"root.setcounts": func(s *server, ctx context.Context, x *args, r *result) error { return s.a.SetCounts(ctx, x.Counts) },
	"root.counts": func(s *server, ctx context.Context, x *args, r *result) (err error) {
		r.Counts, err = s.a.Counts(ctx)
		return err
	},
	"root.stop": func(s *server, ctx context.Context, x *args, r *result) error { return s.a.Stop(ctx) },
	"root.stopped": func(s *server, ctx context.Context, x *args, r *result) error {
		r.OK = s.a.Stopped()
		return nil
	},
	"root.close": func(s *server, ctx context.Context, x *args, r *result) error { return s.a.Close() },

	"worker.close": func(s *server, ctx context.Context, x *args, r *result) error { return s.worker(x.On).Close() },
}

func init() {
	for name, m := range claimMethods {
		methods[name] = m
	}
}
