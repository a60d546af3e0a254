package conformance

import (
	"context"
	"time"

	"github.com/aotf/sharedmem/objects"
)

// launch launches a request for an URL, charged to nobody.
func (s *scene) launch(url string) objects.UserID {
	s.Helper()
	return s.launchQuery(objects.Query{URL: url})
}

func (s *scene) launchQuery(q objects.Query) objects.UserID {
	s.Helper()
	id, created, err := s.a.Users.Launch(s.ctx, q)
	s.must(err)
	equal(s, "created "+q.URL, created, true)
	return id
}

// claim claims a request at a step.
func (s *scene) claim(a *Actor, step objects.Step) objects.UserClaim {
	s.Helper()
	c, err := a.Users.Claim(s.ctx, nil, step)
	s.must(err)
	return c
}

// noClaim fails the test when something can be claimed at a step.
func (s *scene) noClaim(step objects.Step) {
	s.Helper()
	idle(s, func(ctx context.Context) (objects.UserClaim, error) { return s.a.Users.Claim(ctx, nil, step) })
}

// load loads a request.
func (s *scene) load(id objects.UserID) *objects.UserRequest {
	s.Helper()
	var r objects.UserRequest
	s.must(s.a.Users.Load(s.ctx, id, &r))
	return &r
}

// is what a poller sees of a request.
func (s *scene) wantStatus(id objects.UserID, want objects.Status) {
	s.Helper()
	equal(s, "status", s.load(id).Status, want)
}

func (s *scene) wantProblem(id objects.UserID, want objects.Problem) {
	s.Helper()
	r := s.load(id)
	equal(s, "status", r.Status, objects.End)
	equal(s, "problem", r.Problem, want)
}

// wantUsers checks how many requests there are.
func (s *scene) wantUsers(total, processing int) {
	s.Helper()
	n, p, err := s.a.Users.Count(s.ctx)
	s.must(err)
	equal(s, "requests", n, total)
	equal(s, "unfinished requests", p, processing)
}

var (
	accounts  = []objects.Account{{ID: 7, Name: "Someone"}, {ID: 8, Name: "Other"}}
	published = time.Unix(1_600_000_000, 0)
)

// linkFound ends step 1 of the only request there.
func (s *scene) linkFound() {
	s.Helper()
	s.must(s.claim(s.a, objects.Step1).LinkFound(s.ctx, accounts, []string{"https://example.org/large.png"}, published))
}

// atStep brings a new request to where it can be claimed at a step.
func (s *scene) atStep(url string, step objects.Step) objects.UserID {
	s.Helper()
	id := s.launch(url)
	if step >= objects.Step2 {
		s.linkFound()
	}
	if step >= objects.Step3 {
		s.must(s.claim(s.a, objects.Step2).Indexed(s.ctx))
	}
	return id
}
