//go:build crashpoint

package kill

import (
	"testing"

	"github.com/aotf/sharedmem/proof/mutant"
)

// Each mutant lacks a step of the recovery, or one that the recovery builds on. The
// part of the campaign that concerns it is to fail.
func TestMutants(t *testing.T) {
	mutant.Test(t, "crashpoint",
		mutant.Mutant{
			Name: "what was posted into no slot stays there", File: "shm/sweep.go",
			Old: "{ q.republish(i, h, r) }", New: "{ if !MUTANT { q.republish(i, h, r) } }",
			Run: "TestKill/alone/^put$", Want: "posted, but in no slot",
		},
		mutant.Mutant{
			Name: "a put leaves the head behind", File: "shm/ring.go",
			Old: "if at+n > t || q.head_", New: "if MUTANT || at+n > t || q.head_",
			Run: "TestKill/alone/^get$", Want: "lap of a slot at the head",
		},
		mutant.Mutant{
			Name: "a launch that was decided is undone", File: "shm/sweep.go",
			Old: "	case anchored && q != nil:\n", New: "	case MUTANT: _ = a.release(mine); case anchored && q != nil:\n",
			Run: "TestKill/recoverer/world/processes=8", Want: "is in free, want",
		},
		mutant.Mutant{
			Name: "a launch forgets where to", File: "shm/index.go",
			Old: "	if to != nil {\n		if err := c.Aim", New: "	if to != nil && !MUTANT {\n		if err := c.Aim",
			Run: "TestKill/recoverer/world/processes=8", Want: "is in settled, want [queue]",
		},
		mutant.Mutant{
			Name: "permits of the dead stay taken", File: "shm/semaphore.go",
			Old: "!s.c.lives(owner, g) &&", New: "!s.c.lives(owner, g) && !MUTANT &&",
			Run: "TestKill/alone/^acquire$", Want: "slots: 1 left",
		},
		mutant.Mutant{
			Name: "blobs that nothing names stay", File: "shm/sweep.go",
			Old: "			if !a.named(i, h) && a.retireUnnamed", New: "			if !MUTANT && !a.named(i, h) && a.retireUnnamed",
			Run: "TestKill/alone/^blob-swing$", Want: "a blob that its holder does not name",
		},
		mutant.Mutant{
			Name: "what was retiring stays so", File: "shm/sweep.go",
			Old: "		case New, Owned, Retiring:\n			if c.ownerGone", New: "		case New, Owned, Retiring:\n			if (!MUTANT || h.state() != Retiring) && c.ownerGone",
			Run: "TestKill/alone/^delete$", Want: "is retiring",
		},
		mutant.Mutant{
			Name: "a record in a bag stays without its bit", File: "shm/sweep.go",
			Old: "if !q.bag.posted.has(ptSweepBit, i) {", New: "if !MUTANT && !q.bag.posted.has(ptSweepBit, i) {",
			Run: "TestKill/alone/^bag-put$", Want: "posted, but not in the bitmap",
		},
		mutant.Mutant{
			Name: "a free record stays without its bit", File: "shm/sweep.go",
			Old: "if !a.free.has(ptSweepBit, i) {", New: "if !MUTANT && !a.free.has(ptSweepBit, i) {",
			Run: "TestKill/alone/^free-new$", Want: "free, but not in the bitmap",
		},
		mutant.Mutant{
			Name: "what the dead had claimed is freed", File: "shm/sweep.go",
			Old: "if h.state() == Owned && q != nil {", New: "if !MUTANT && h.state() == Owned && q != nil {",
			Run: "TestKill/alone/^get$", Want: "job 1 is in free, want [todo]",
		},
		mutant.Mutant{
			Name: "a freed record stays in the index", File: "shm/records.go",
			Old: "	if a.index != nil {\n		if err := a.index.remove", New: "	if a.index != nil && !MUTANT {\n		if err := a.index.remove",
			Run: "TestKill/alone/^delete$", Want: "was freed",
		},
		mutant.Mutant{
			Name: "a freed record keeps its blobs", File: "shm/records.go",
			Old: "	a.dropBlobs(c.i, -1)\n", New: "	if !MUTANT { a.dropBlobs(c.i, -1) }\n",
			Run: "TestKill/alone/^free-claimed$", Want: "data-64: 2 left",
		},
		mutant.Mutant{
			Name: "the slots of the dead stay taken", File: "shm/sweep.go",
			Old: "if slotState(v) != slotDead || owns[i+1] || keep {", New: "if MUTANT || slotState(v) != slotDead || owns[i+1] || keep {",
			Run: "TestKill/alone/^get$", Want: "is dead and not swept yet",
		},
		mutant.Mutant{
			Name: "who takes a dead one's slot does not sweep", File: "shm/process.go",
			Old: "c.adopt()\n", New: "if !MUTANT { c.adopt() }\n",
			Run: "TestKill/recoverer/world/processes=1", Want: "posted, but in no slot",
		},
		mutant.Mutant{
			Name: "the living are judged dead", File: "shm/process.go",
			Old: "|| !k.lifeFree(i):", New: "|| !MUTANT && !k.lifeFree(i):",
			Run: "TestKill/survivors/^put-on$", Want: "FAIL: TestKill/survivors/put-on",
		},
		mutant.Mutant{
			Name: "a leg that no token may list waits for one", File: "objects/listing.go",
			Old: "|| s.blocksAll(rec.Blocks[0].Plain(), rec.Blocks[1].Plain())", New: "|| !MUTANT && s.blocksAll(rec.Blocks[0].Plain(), rec.Blocks[1].Plain())",
			Run: "TestKill/alone/^tree-list-blocked$", Want: "do not end",
		},
	)
}
