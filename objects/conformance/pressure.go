package conformance

import (
	"context"
	"strconv"
	"strings"

	"github.com/aotf/sharedmem/objects"
)

// pressureScenarios are about work that has to wait or make room, and about
// workers that are told to end while there is work.
var pressureScenarios = []scenario{
	{name: "rule-1.1/no-new-work-after-stop", run: func(s *scene) {
		s.launch("u")
		s.must(s.a.Stop(s.ctx))
		_, err := s.a.Users.Claim(s.ctx, nil, objects.Step1)
		s.is(err, objects.ErrStopped)
	}},
	{name: "rule-1.6/no-work-for-an-ended-context", run: func(s *scene) {
		s.launch("u")
		ended, cancel := context.WithCancel(s.ctx)
		cancel()
		_, err := s.a.Users.Claim(ended, nil, objects.Step1)
		s.is(err, context.Canceled)
	}},
	{name: "rule-1.2/under-pressure-of-long-urls", options: fewBlobs, run: func(s *scene) {
		for i := range 8 { // room for two: the oldest finished one makes room
			s.launch(strings.Repeat("x", 4000) + strconv.Itoa(i))
			s.must(s.claim(s.a, objects.Step1).Fail(s.ctx, objects.NotAnURL))
		}
	}},
	{name: "rule-1.2/under-pressure-of-results", options: fewBlobs, run: func(s *scene) {
		for i := range 8 {
			s.launchQuery(objects.Query{URL: strconv.Itoa(i), Direct: true})
			s.must(s.claim(s.a, objects.Step3).Finish(s.ctx, make([]objects.Found, 2600)))
		}
	}},
	{name: "defect-34/no-room-for-long-images-holds-the-lister", options: fewBlobs, run: func(s *scene) {
		s.scan(1, false)
		l := s.list(s.a, objects.LegA)
		long := objects.Tweet{ID: 1, Images: []string{strings.Repeat("x", 4000)}}
		err := l.PutTweet(s.soon(), long)
		for range 8 {
			if err == nil {
				err = l.PutTweet(s.soon(), long)
			}
		}
		s.is(err, context.DeadlineExceeded) // the rule: it waits for room
	}},
}

var fewBlobs = objects.Options{Capacity: map[string]int{"blobs-4096": 2, "blobs-16384": 2, "blobs-65536": 2}}
