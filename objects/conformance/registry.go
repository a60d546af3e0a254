package conformance

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aotf/sharedmem/objects"
)

// thread finds a thread in the list; nil when it is not there.
func (s *scene) thread(name string) *objects.Thread {
	s.Helper()
	list, err := s.a.Threads.List(s.ctx)
	s.must(err)
	for _, th := range list {
		if th.Name == name {
			return &th
		}
	}
	return nil
}

// wantWork checks what a thread is said to work on.
func (s *scene) wantWork(name, want string) {
	s.Helper()
	th := s.thread(name)
	if th == nil {
		s.Fatalf("thread %s is not listed", name)
	}
	equal(s, "work of "+name, th.Work, want)
}

var registryScenarios = []scenario{
	{name: "rule-1.9/a-name-is-taken-until-closed", run: func(s *scene) {
		name := strings.Repeat("n", 64)
		w, err := s.a.Threads.Register(s.ctx, name)
		s.must(err)
		equal(s, "name", w.Name(), name)
		for _, a := range []*Actor{s.a, s.actor()} {
			_, err = a.Threads.Register(s.ctx, name)
			s.is(err, objects.ErrTaken)
		}
		_, err = s.a.Threads.Register(s.ctx, name+"x")
		s.is(err, objects.ErrTooLarge)
		s.must(w.Close())
		s.is(w.Close(), objects.ErrStale)
		w, err = s.actor().Threads.Register(s.ctx, name)
		s.must(err)
		s.must(w.Close())
		equal(s, "listed", s.thread(name) != nil, false)
	}},
	{name: "defect-37/the-list-is-tolerant", run: func(s *scene) {
		b := s.actor()
		idle, err := b.Threads.Register(s.ctx, "never claimed")
		s.must(err)
		busy, err := b.Threads.Register(s.ctx, "busy")
		s.must(err)
		s.scan(1, false)
		l, err := b.Scans.ClaimListing(s.ctx, busy, objects.LegA, 0)
		s.must(err)
		s.wantWork("never claimed", "")
		equal(s, "shows the account", strings.Contains(s.thread("busy").Work, account(1).Name), true)
		equal(s, "process", s.thread("busy").Process == s.thread("never claimed").Process && s.thread("busy").Process > 0, true)
		equal(s, "age", s.thread("never claimed").WorkAge, 0)
		s.must(l.Fail(s.ctx, false))
		s.wantWork("busy", "")
		s.must(idle.Close())
		s.must(busy.Close())
		list, err := s.a.Threads.List(s.ctx)
		s.must(err)
		equal(s, "threads", len(list), 0)
	}},
	{name: "rule-1.9/work-of-indexers", run: func(s *scene) {
		w, err := s.a.Threads.Register(s.ctx, "indexer")
		s.must(err)
		s.scan(1, false)
		l := s.list(s.a, objects.LegA)
		s.put(l, 1)
		s.closing(l)
		for range 2 { // the tweet, then the instruction
			c, err := s.a.Scans.ClaimIndexing(s.ctx, w)
			s.must(err)
			equal(s, "works", s.thread("indexer").Work != "", true)
			s.must(c.Done(s.ctx))
			s.wantWork("indexer", "")
		}
		s.must(w.Close())
	}},
	{name: "defect-38/a-message-wakes-its-receiver", needs: OneProcess, run: func(s *scene) {
		b := s.actor()
		got := make(chan error)
		go func() {
			m, err := b.Processes.Receive(s.ctx)
			if err == nil && m != objects.WriteStacks {
				err = fmt.Errorf("message %d", m)
			}
			got <- err
		}()
		_, err := s.a.Processes.Receive(s.soon())
		s.is(err, context.DeadlineExceeded)
		n, err := s.a.Processes.Send(s.ctx, objects.WriteStacks)
		s.must(err)
		equal(s, "sent to", n, 2)
		s.must(<-got)
		_, err = s.a.Processes.Receive(s.ctx) // its own too
		s.must(err)
	}},
	{name: "rule-1.9/messages-coalesce", run: func(s *scene) {
		for range 3 {
			n, err := s.a.Processes.Send(s.ctx, objects.WriteStacks)
			s.must(err)
			equal(s, "sent to", n, 1)
		}
		m, err := s.a.Processes.Receive(s.ctx)
		s.must(err)
		equal(s, "message", m, objects.WriteStacks)
		_, err = s.a.Processes.Receive(s.soon())
		s.is(err, context.DeadlineExceeded)
	}},
	{name: "rule-1.9/processes-listed-once-each", needs: OneProcess, run: func(s *scene) {
		b := s.actor()
		list, err := s.a.Processes.List(s.ctx)
		s.must(err)
		equal(s, "processes", len(list), 2)
		equal(s, "slots differ", list[0].Slot != list[1].Slot, true)
		s.must(b.Close())
		list, err = s.a.Processes.List(s.ctx)
		s.must(err)
		equal(s, "processes", len(list), 1)
	}},
	{name: "defect-46/sums-are-exact-and-old-counts-lose", run: func(s *scene) {
		actors := []*Actor{s.a, s.actor()}
		var wg sync.WaitGroup
		for i, a := range actors {
			for range 2 {
				wg.Go(func() {
					for n := range int64(25) {
						err := a.Metrics.Add(s.ctx, objects.StepCTime, 1, 3*time.Millisecond)
						if err == nil {
							n := 2*n + int64(i) + 1
							err = a.SetCounts(s.ctx, objects.Counts{Tweets: n, Accounts: -n, ReadAt: time.Unix(n, 0)})
						}
						if err != nil {
							s.Error(err)
						}
						if c, err := a.Counts(s.ctx); err != nil || c.Tweets != -c.Accounts || c.ReadAt.Unix() != c.Tweets {
							s.Errorf("counts of two moments: %+v, %v", c, err)
						}
					}
				})
			}
		}
		wg.Wait()
		all, err := s.a.Metrics.All(s.ctx)
		s.must(err)
		equal(s, "metrics", len(all), 13)
		equal(s, "mean", all[objects.StepCTime], objects.Mean{Count: 100, Sum: 300 * time.Millisecond})
		equal(s, "mean", all[objects.StepCTime].Mean(), 3*time.Millisecond)
		c, err := s.a.Counts(s.ctx)
		s.must(err)
		equal(s, "the newest", c.Tweets, 50)
		s.must(s.a.SetCounts(s.ctx, objects.Counts{Tweets: 7, Accounts: 7, ReadAt: time.Unix(49, 0)}))
		c, err = actors[1].Counts(s.ctx)
		s.must(err)
		equal(s, "the newest", c.Tweets, 50)
	}},
	{name: "rule-1.1/counts-are-zero-at-first", run: func(s *scene) {
		c, err := s.a.Counts(s.ctx)
		s.must(err)
		equal(s, "counts", c, objects.Counts{})
	}},
	{name: "defect-49/callers-sum", run: func(s *scene) {
		s.must(s.a.Metrics.Add(s.ctx, objects.Step3Iteration, 10_000, 2*time.Second))
		s.must(s.actor().Metrics.Add(s.ctx, objects.Step3Iteration, 0, 0))
		s.is(s.a.Metrics.Add(s.ctx, objects.ScanFullTime+1, 1, 1), objects.ErrInvalid)
		s.is(s.a.Metrics.Add(s.ctx, objects.Step1Time, -1, 1), objects.ErrInvalid)
		s.is(s.a.Metrics.Add(s.ctx, objects.Step1Time, 1, -1), objects.ErrInvalid)
		all, err := s.a.Metrics.All(s.ctx)
		s.must(err)
		equal(s, "mean", all[objects.Step3Iteration], objects.Mean{Count: 10_000, Sum: 2 * time.Second})
		equal(s, "nothing added", all[objects.Step1Time].Mean(), 0)
	}},
	{name: "rule-1.8/full-time-of-successes-only", run: func(s *scene) {
		s.atStep("good", objects.Step3)
		s.must(s.claim(s.a, objects.Step3).Finish(s.ctx, nil))
		s.atStep("bad", objects.Step3)
		s.must(s.claim(s.a, objects.Step3).Fail(s.ctx, objects.CannotGetImage))
		all, err := s.a.Metrics.All(s.ctx)
		s.must(err)
		equal(s, "user requests measured", all[objects.UserFullTime].Count, 1)
	}},
}
