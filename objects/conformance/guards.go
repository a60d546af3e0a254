package conformance

import (
	"context"
	"errors"

	"github.com/aotf/sharedmem/objects"
)

var errWork = errors.New("conformance: a worker's own error")

var guardScenarios = []scenario{
	{name: "rule-3.1/guard-ends-a-user-request", run: func(s *scene) {
		for what, step := range map[string]func(context.Context) error{
			"panic":   func(context.Context) error { panic("worker") },
			"error":   func(context.Context) error { return errWork },
			"dropped": func(context.Context) error { return nil },
		} {
			id := s.launchQuery(objects.Query{URL: what, Address: someone})
			err := objects.Guard(s.ctx, s.claim(s.a, objects.Step1), step)
			var p *objects.PanicError
			switch what {
			case "panic":
				equal(s, "a panic", errors.As(err, &p), true)
				equal(s, "its value", p.Value, any("worker"))
			case "error":
				s.is(err, errWork)
			case "dropped":
				s.is(err, objects.ErrDropped)
			}
			s.wantProblem(id, objects.ProcessingError)
			s.wantCharged(someone, 0)
		}
	}},
	{name: "rule-3.2/guard-fails-a-leg", run: func(s *scene) {
		id := s.scan(1, false)
		l := s.list(s.a, objects.LegA)
		s.is(objects.Guard(s.ctx, l, func(context.Context) error { return errWork }), errWork)
		r := s.loadScan(id)
		equal(s, "failed, closed, not unfound", r.Failed && r.Closed[0] && !r.Unfound, true)
	}},
	{name: "rule-3.2/guard-fails-a-tweet-and-an-instruction", run: func(s *scene) {
		id := s.scan(1, false)
		l := s.list(s.a, objects.LegA)
		s.put(l, 1)
		c := s.tweet(s.a, 1)
		var p *objects.PanicError
		err := objects.Guard(s.ctx, c, func(context.Context) error { panic(1) })
		equal(s, "a panic", errors.As(err, &p), true)
		equal(s, "failed", s.loadScan(id).Failed, true)
		s.closing(l)
		s.is(objects.Guard(s.ctx, s.instruction(s.a, false), func(context.Context) error { return nil }), objects.ErrDropped)
		equal(s, "closed", s.loadScan(id).Closed[0], true)
	}},
	{name: "rule-3.1/guard-changes-nothing-after-an-end", run: func(s *scene) {
		id := s.launch("u")
		c := s.claim(s.a, objects.Step1)
		err := objects.Guard(s.ctx, c, func(ctx context.Context) error {
			s.must(c.Fail(ctx, objects.NotAnURL))
			return errWork
		})
		s.is(err, errWork)
		s.wantProblem(id, objects.NotAnURL)
		s.launch("v")
		c = s.claim(s.a, objects.Step1)
		s.must(objects.Guard(s.ctx, c, func(ctx context.Context) error { return c.LinkFound(ctx, accounts, nil, published) }))
	}},
	{name: "rule-3.1/guard-gives-back-when-the-context-ended", run: func(s *scene) {
		s.launch("u")
		ctx, cancel := context.WithCancel(s.ctx)
		err := objects.Guard(ctx, s.claim(s.a, objects.Step1), func(ctx context.Context) error {
			cancel()
			return ctx.Err()
		})
		s.is(err, context.Canceled)
		equal(s, "attempt", s.claim(s.a, objects.Step1).Attempt(), 1)
	}},
	{name: "defect-48/nothing-is-held-while-a-worker-backs-off", run: func(s *scene) {
		s.scan(1, false)
		l := s.list(s.a, objects.LegA)
		s.put(l, 1)
		s.closing(l)
		c := s.tweet(s.a, 1)
		s.is(objects.Guard(s.ctx, c, func(context.Context) error { return errWork }), errWork)
		// The worker would now wait before it begins again.
		s.must(s.instruction(s.a, false).Done(s.ctx))
	}},
}
