//go:build linux && (amd64 || arm64)

package storm

import "github.com/aotf/sharedmem/objects"

func (l *ledger) judgeUsers(r *remains, fail func(string, ...any)) {
	unexplained := 0 // ended without a word: those that were delivered too often, or expired
	unended := 0     // and those of which no worker said that it has ended them
	unfinished, images, charged := 0, 0, map[uint64]int{}
	quota := map[uint64][]span{}
	for id, f := range l.items["user"] {
		p := at(l.users, id)
		if l.again[id] {
			unended += 2 // maybe
			continue
		}
		e, there := r.users[id]
		ended := !there || e.ended
		switch {
		case there && f.came+f.maybeCame == 0:
			fail("request %#x was refused, and is there", id)
		case f.went > 0 && !ended:
			fail("request %#x has ended, and is queued again", id)
		case f.came > 0 && ended && f.went+f.maybeWent == 0:
			unexplained++
			if there && e.problem != objects.ProcessingError {
				fail("request %#x ended without a worker, with %v", id, e.problem)
			}
		}
		if ended && f.went == 0 {
			unended++
		}
		if f.went > 1 {
			fail("request %#x ended %d times", id, f.went)
		}
		if p.ended != 0 && p.lastClaim > p.ended {
			fail("request %#x was delivered after its end", id)
		}
		if there && e.ended && e.problem != objects.ProcessingError && p.problems&(1<<e.problem) == 0 {
			fail("request %#x ended with %v, which nobody has said", id, e.problem)
		}
		if l.stale[id] && (f.went > 0 || !ended) {
			fail("request %#x was refused to its worker as ended, and has ended %d times, at its end: %v", id, f.went, ended)
		}
		for step := uint8(2); step <= 3 && !query(id).Direct; step++ {
			if p.at&(1<<step) != 0 && p.past&(1<<(step-1)) == 0 {
				fail("request %#x came to step %d without step %d", id, step, step-1)
			}
		}
		// One whose worker could not end it may have been expired long before.
		if f.went > 0 && p.launched != 0 && p.ending > p.launched {
			quota[id%charges] = append(quota[id%charges], span{p.launched, p.ending})
		}
		if there && !e.ended {
			unfinished++
			charged[id%charges]++
			if query(id).Image != nil {
				images++
			}
		}
	}
	for a, spans := range quota {
		if at, n := most(spans); n > capacity["quota"] {
			fail("address %d had %d unfinished requests at %d", a, n, at)
		}
	}
	// An Expire that was killed has ended at most what all addresses may have.
	byForce := int(l.expired.sure) + int(l.expired.unknown)*charges*perAddress
	if unexplained > int(r.failures)+byForce {
		fail("%d requests have gone without a word, %d deliveries too many were counted, at most %d expired", unexplained, r.failures, byForce)
	}
	if int(l.expired.sure) > unended {
		fail("%d requests have expired, %d ended without a worker", l.expired.sure, unended)
	}
	if len(l.stale) > byForce {
		fail("%d requests were refused to their workers as ended, at most %d expired", len(l.stale), byForce)
	}
	if r.images != images {
		fail("%d query images, want those of %d unfinished requests", r.images, images)
	}
	if unfinished != r.queued {
		fail("%d requests are not at their end, %d are queued", unfinished, r.queued)
	}
	for a := range uint64(charges) {
		if charged[a] != r.charged[a] || charged[a] > perAddress {
			fail("address %d is charged %d, and has %d unfinished requests", a, r.charged[a], charged[a])
		}
	}
	for id := range r.users {
		if l.items["user"][id] == nil {
			fail("request %#x was never launched", id)
		}
	}
}
