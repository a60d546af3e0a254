//go:build linux && (amd64 || arm64)

package storm

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// A pause is a call that took long, or the part of it that was too long.
type pause struct {
	op string
	span
}

func (p pause) took() time.Duration { return time.Duration(p.to - p.from) }

// pauses are those of one kind of calls, and how many calls there were.
type pauses struct {
	long  []pause
	calls uint64
}

func (p *pauses) add(long []pause, counts func(pause) bool) {
	for _, s := range long {
		if counts(s) {
			p.long = append(p.long, s)
		}
	}
}

func (p *pauses) longest() (longest pause) {
	for _, s := range p.long {
		if s.took() > longest.took() {
			longest = s
		}
	}
	return longest
}

func (p *pauses) String() string {
	slices.SortFunc(p.long, func(a, b pause) int { return cmp.Compare(b.took(), a.took()) })
	p99 := fmt.Sprint("below ", slow)
	if i := int(p.calls / 100); i < len(p.long) {
		p99 = fmt.Sprint(p.long[i].took().Round(10 * time.Microsecond))
	}
	var over [2]int
	for _, s := range p.long {
		for i, limit := range []time.Duration{10 * time.Millisecond, 100 * time.Millisecond} {
			if s.took() >= limit {
				over[i]++
			}
		}
	}
	longest := p.longest()
	return fmt.Sprintf("p99 %s, longest %v (%s); of %d calls %d took %v or more, %d 10ms, %d 100ms",
		p99, longest.took().Round(10*time.Microsecond), longest.op, p.calls, len(p.long), slow, over[0], over[1])
}

// longestCall is far above what a machine's pauses make of a call, and below
// stopLong: who waits for a stopped process waits longer.
const longestCall = 4 * time.Second

// blocked names the calls that took so long that somebody must have been waited
// for who was dead or stopped. A machine that makes long pauses makes them for the
// control too.
func blocked(f *figures) (found []string) {
	limit := max(longestCall, 4*max(f.workAlone.longest().took(), f.waitsAlone.longest().took()))
	for _, p := range []*pauses{&f.work, &f.waits} {
		for _, s := range p.long {
			if s.took() > limit {
				found = append(found, fmt.Sprintf("%s was blocked for %v, from %d on; the machine's longest pause allows %v", s.op, s.took(), s.from, limit))
			}
		}
	}
	return found
}
