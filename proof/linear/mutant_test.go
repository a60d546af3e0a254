//go:build linux && crashpoint && (amd64 || arm64)

package linear

import (
	"testing"

	"github.com/aotf/sharedmem/proof/mutant"
)

// Each mutant answers wrongly when calls of two processes meet, or when one dies.
// What reports it is the checker: no order of the calls explains the answers.
func TestMutants(t *testing.T) {
	const wrong = "no order explains"
	// What is lost in a window with a kill in it is waited for, before the calls are judged.
	living, dying := []string{"PROOF_KILLEVERY=0"}, []string{"PROOF_KILLEVERY=1"}
	mutant.Test(t, "crashpoint",
		mutant.Mutant{
			Name: "a put fills a slot without a look whether it was filled meanwhile", File: "shm/ring.go",
			Old: "			if w.cas(ptRingFill, s, slotOf(lap, h.turn(), i+1)) {",
			New: "			if MUTANT {\n				w.store(ptRingFill, slotOf(lap, h.turn(), i+1))\n			}\n			if MUTANT || w.cas(ptRingFill, s, slotOf(lap, h.turn(), i+1)) {",
			Run: "TestLinearizable/ring", Env: living, Want: wrong,
		},
		mutant.Mutant{
			Name: "a get that another was quicker than says empty", File: "shm/ring.go",
			Old: "					return q.delivered(c)\n				}\n",
			New: "					return q.delivered(c)\n				}\n				if MUTANT {\n					return claim{}, ErrEmpty\n				}\n",
			Run: "TestLinearizable/ring", Env: living, Want: wrong,
		},
		mutant.Mutant{
			Name: "what the dead had claimed is freed", File: "shm/sweep.go",
			Old: "	if h.state() == Owned && q != nil {", New: "	if !MUTANT && h.state() == Owned && q != nil {",
			Run: "TestLinearizable/ring", Env: dying, Want: wrong,
		},
		mutant.Mutant{
			Name: "an insert is decided on a bucket that has changed since it was searched", File: "shm/lookup.go",
			Old: "		e, place, empty := x.scan(b, c, key, frag)\n",
			New: "		e, place, empty := x.scan(b, c, key, frag)\n		if v := x.control(b).load(ptIndexAgain); MUTANT && ctlOpOf(v) == opIdle {\n			c = v\n		}\n",
			Run: "TestLinearizable/index", Env: living, Want: wrong,
		},
		mutant.Mutant{
			Name: "an insert returns a record that is retiring", File: "shm/lookup.go",
			Old: "			if h.state() != Retiring {", New: "			if MUTANT || h.state() != Retiring {",
			Run: "TestLinearizable/index", Env: living, Want: wrong,
		},
		mutant.Mutant{
			Name: "a permit is taken without a look whether another has it", File: "shm/semaphore.go",
			Old: "		if w.cas(ptSemTake, v, mine) {",
			New: "		if MUTANT {\n			w.store(ptSemTake, mine)\n		}\n		if MUTANT || w.cas(ptSemTake, v, mine) {",
			Run: "TestLinearizable/semaphore", Env: living, Want: wrong,
		},
		mutant.Mutant{
			Name: "a permit is refused for ever once it was used", File: "shm/semaphore.go",
			Old: "		if slot, _ := cellOwner(v); slot != 0 {\n			continue", New: "		if slot, _ := cellOwner(v); slot != 0 || MUTANT && i == 1 && uint32(v) > 1 {\n			continue",
			Run: "TestLinearizable/semaphore", Env: living, Want: "refused without cause",
		},
		mutant.Mutant{
			Name: "a sweep frees permits of the living", File: "shm/semaphore.go",
			Old: "owner != 0 && !s.c.lives(owner, g) &&", New: "owner != 0 && (MUTANT || !s.c.lives(owner, g)) &&",
			Run: "TestLinearizable/semaphore", Env: dying, Want: wrong,
		},
		mutant.Mutant{
			Name: "a launch that comes second believes in itself", File: "objects/launch.go",
			Old: "	return userID(r), created, err\n}\n\nvar accountPattern",
			New: "	if MUTANT && err == nil {\n		r, created = own, true\n	}\n	return userID(r), created, err\n}\n\nvar accountPattern",
			Run: "TestLinearizable/users", Env: living, Want: wrong,
		},
		mutant.Mutant{
			Name: "a claim whose time has run out is forgotten", File: "shm/ring.go",
			Old: "		c, err = r.TryGet()\n",
			New: "		if c, err = r.TryGet(); MUTANT && err == nil && ctx.Err() != nil {\n			return true, ctx.Err()\n		}\n",
			Run: "TestLinearizable/users", Env: living, Want: wrong,
		},
	)
}
