//go:build linux && (amd64 || arm64)

package storm

import (
	"os"
	"testing"

	"github.com/aotf/sharedmem/proof/mutant"
)

// A library with one fault in it does not pass the storm. Each fault breaks what
// one of the oracles is about: conservation, rights of the dead, rights of the
// living, order, limits.
func TestMutants(t *testing.T) {
	if os.Getenv("PROOF_MUTANT") != "" {
		t.Skip("this is a mutant")
	}
	run := func(name, file, old, new, want string) mutant.Mutant {
		return mutant.Mutant{Name: name, File: file, Old: old, New: new, Run: "TestStorm$", Env: []string{"PROOF_STORM=5s"}, Want: want}
	}
	mutant.Test(t, "",
		run("a sweep frees what a dead process had claimed", "shm/sweep.go",
			"	if h.state() == Owned && q != nil {", "	if !MUTANT && h.state() == Owned && q != nil {", ": lost"),
		run("a sweep leaves the permits of the dead", "shm/sweep.go",
			"		r.Permits += s.sweep()\n", "		if !MUTANT {\n			r.Permits += s.sweep()\n		}\n", "belong to the dead"),
		run("a sweep takes the permits of the living", "shm/semaphore.go",
			"owner != 0 && !s.c.lives(owner, g) &&", "owner != 0 && (MUTANT || !s.c.lives(owner, g)) &&", "had the permit"),
		run("a name is held that another holds", "shm/index.go",
			"	if err = c.c.hold(); err != nil {\n", "	if err = c.c.hold(); MUTANT {\n		return c, c.Ref(), true, err\n	}\n	if err != nil {\n", "2 had the "),
		run("a batch is put in no order", "shm/ring.go",
			"	for _, c := range cs {\n", "	for i, c := range cs {\n		if MUTANT {\n			c = cs[len(cs)-1-i]\n		}\n", "order: parcel"),
		run("an address is allowed a request at any time", "objects/address.go",
			"now-time.Duration(old) <= httpInterval {\n			return false, nil", "now-time.Duration(old) <= httpInterval && !MUTANT {\n			return false, nil", "was allowed two requests"),
		run("a request is counted as expired and goes on", "objects/outcome.go",
			"			if u.endQueued(r) == nil {", "			if MUTANT || u.endQueued(r) == nil {", "requests have expired"),
		run("counts are set without a look at those that are there", "objects/counts.go",
			"err == nil && rec.ReadAt >= n.ReadAt.UnixNano() {", "err == nil && !MUTANT && rec.ReadAt >= n.ReadAt.UnixNano() {", "were read from"),
	)
}
