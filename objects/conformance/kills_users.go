package conformance

import (
	"fmt"

	"github.com/aotf/sharedmem/objects"
)

// killed adds an actor, lets it do something, and kills it.
func (s *scene) killed(do func(a *Actor)) {
	s.Helper()
	a := s.actor()
	do(a)
	a.kill()
}

// The death of a worker brings its request back, twice at most.
var killUserScenarios = []scenario{
	killedAt("kill-step-1/comes-back", objects.Step1),
	killedAt("kill-step-2/comes-back", objects.Step2),
	killedAt("kill-step-3/comes-back", objects.Step3),
	killedTwice("kill-step-1/third-delivery-fails", objects.Step1),
	killedTwice("kill-step-2/third-delivery-fails", objects.Step2),
	killedTwice("kill-step-3/third-delivery-fails", objects.Step3),
	{name: "kill-step-2/second-visit-comes-back", needs: OwnProcesses, run: func(s *scene) {
		id, scans := s.waitFor("u", 1)
		s.finishScan()
		s.killed(func(a *Actor) { s.claim(a, objects.Step2) })
		c := s.claim(s.a, objects.Step2)
		equal(s, "attempt", c.Attempt(), 2)
		equal(s, "scans", fmt.Sprint(c.Request().Scans), fmt.Sprint(scans))
		s.must(c.Indexed(s.ctx))
		s.wantStatus(id, objects.WaitReverseSearch)
	}},
	{name: "kill-step-3/the-image-stays-until-end", needs: OwnProcesses, run: func(s *scene) {
		s.launchQuery(objects.Query{URL: "id", Direct: true, Image: []byte("an image")})
		s.killed(func(a *Actor) {
			_, err := s.claim(a, objects.Step3).Image(s.ctx)
			s.must(err)
		})
		c := s.claim(s.a, objects.Step3)
		b, err := c.Image(s.ctx)
		s.must(err)
		equal(s, "image", string(b), "an image")
		s.must(c.Finish(s.ctx, nil))
	}},
	{name: "defect-47/a-claim-is-ownership", needs: OwnProcesses, run: func(s *scene) {
		s.launch("u")
		s.scan(1, false)
		s.killed(func(a *Actor) { // dies as soon as it has claimed
			s.claim(a, objects.Step1)
			s.list(a, objects.LegA)
			s.list(a, objects.LegB)
		})
		equal(s, "attempt", s.claim(s.a, objects.Step1).Attempt(), 2)
		equal(s, "attempt", s.list(s.a, objects.LegA).Attempt(), 2)
		equal(s, "attempt", s.list(s.a, objects.LegB).Attempt(), 2)
	}},
	{name: "kill-launcher/what-it-launched-stays", needs: OwnProcesses, run: func(s *scene) {
		s.killed(func(a *Actor) { // the HTTP process
			_, _, err := a.Users.Launch(s.ctx, objects.Query{URL: "u", Address: someone})
			s.must(err)
			_, err = a.Scans.Launch(s.ctx, account(1), true, false)
			s.must(err)
		})
		c := s.claim(s.a, objects.Step1)
		equal(s, "attempt", c.Attempt(), 1)
		s.wantCharged(someone, 1)
		s.must(c.Fail(s.ctx, objects.NotAnURL))
		s.wantCharged(someone, 0)
		s.finishScan()
	}},
	{name: "kill-blocked/a-blocked-worker-takes-nothing-along", needs: OwnProcesses, run: func(s *scene) {
		b := s.actor()
		got := make(chan error)
		go func() { _, err := b.Users.Claim(s.ctx, nil, objects.Step1); got <- err }()
		s.noClaim(objects.Step1)
		b.kill()
		s.is(<-got, ErrKilled)
		s.launch("u")
		equal(s, "attempt", s.claim(s.a, objects.Step1).Attempt(), 1)
	}},
	{name: "kill-all/the-store-outlives-everybody", needs: OwnProcesses, run: func(s *scene) {
		id := s.launchQuery(objects.Query{URL: "u", Address: someone})
		s.claim(s.a, objects.Step1)
		s.scan(1, false)
		s.list(s.a, objects.LegA)
		s.a.kill()
		s.a = s.actor()
		s.wantCharged(someone, 1)
		c := s.claim(s.a, objects.Step1)
		equal(s, "id", c.ID(), id)
		equal(s, "attempt", c.Attempt(), 2)
		equal(s, "attempt", s.list(s.a, objects.LegA).Attempt(), 2)
	}},
	{name: "defect-36/a-dead-owner's-name-is-free", needs: OwnProcesses, run: func(s *scene) {
		b := s.actor()
		w, err := b.Threads.Register(s.ctx, "worker")
		s.must(err)
		s.launch("u")
		_, err = b.Users.Claim(s.ctx, w, objects.Step1)
		s.must(err)
		_, err = s.a.Threads.Register(s.ctx, "worker")
		s.is(err, objects.ErrTaken)
		b.kill()
		_, err = s.a.Threads.List(s.ctx)
		s.must(err)
		again, err := s.a.Threads.Register(s.ctx, "worker") // at once
		s.must(err)
		s.wantWork("worker", "")
		s.must(again.Close())
	}},
	{name: "defect-36/a-process-registers-again", needs: OwnProcesses, run: func(s *scene) {
		for range 5 {
			s.killed(func(a *Actor) {
				_, err := a.Threads.Register(s.ctx, "worker")
				s.must(err)
			})
		}
		b := s.actor()
		w, err := b.Threads.Register(s.ctx, "worker")
		s.must(err)
		s.must(w.Close())
	}},
	{name: "kill-maintenance/anybody-can-do-it", needs: OwnProcesses, run: func(s *scene) {
		id := s.launchQuery(objects.Query{URL: "u", Address: someone})
		s.killed(func(a *Actor) {
			s.claim(a, objects.Step1)
			n, err := a.Users.Expire(s.ctx, 0) // its own
			s.must(err)
			equal(s, "expired", n, 1)
		})
		s.wantProblem(id, objects.ProcessingError)
		s.wantCharged(someone, 0)
		s.noClaim(objects.Step1) // it has ended: never delivered again
		s.wantProblem(id, objects.ProcessingError)
		s.wantUsers(1, 0)
	}},
}

func killedAt(name string, step objects.Step) scenario {
	return scenario{name: name, needs: OwnProcesses, run: func(s *scene) {
		id := s.atStep("u", step)
		before := s.load(id)
		s.killed(func(a *Actor) {
			c := s.claim(a, step)
			equal(s, "attempt", c.Attempt(), 1)
		})
		c := s.claim(s.a, step)
		equal(s, "id", c.ID(), id)
		equal(s, "attempt", c.Attempt(), 2)
		equal(s, "accounts", fmt.Sprint(c.Request().Accounts), fmt.Sprint(before.Accounts))
		s.wantUsers(1, 1)
		s.must(c.Release(s.ctx)) // the attempt before still counts
		c = s.claim(s.a, step)
		equal(s, "attempt", c.Attempt(), 2)
		s.must(c.Fail(s.ctx, objects.CannotGetImage))
		s.wantProblem(id, objects.CannotGetImage)
	}}
}

func killedTwice(name string, step objects.Step) scenario {
	return scenario{name: name, needs: OwnProcesses, options: objects.Options{PerAddress: 1}, run: func(s *scene) {
		id := s.atStep("u", step)
		for i := range 2 {
			s.killed(func(a *Actor) { equal(s, "attempt", s.claim(a, step).Attempt(), i+1) })
		}
		next := s.atStep("next", step) // it is passed over
		for {
			c := s.claim(s.a, step)
			if c.ID() == next {
				s.must(c.Release(s.ctx))
			} else {
				s.Fatalf("delivered %v a third time, attempt %d", c.ID() == id, c.Attempt())
			}
			if s.load(id).Status == objects.End {
				break // the dead one may not have been noticed at once
			}
		}
		s.wantProblem(id, objects.ProcessingError)
		s.wantUsers(2, 1)
	}}
}
