//go:build linux && (amd64 || arm64)

package instr

import (
	"testing"

	"github.com/aotf/sharedmem/proof/mutant"
)

// Each mutant is one that harms who dies within a window of the operation. A window
// is hit for sure when it is as long as two parts of the sample; these are longer
// by half and more:
//
//	insert      516 of 2,931 instructions, of which the sample takes one of each 82
//	delete      nearly all of 3,017, one of each 252
//	blob-swing  109 of 748, one of each 32
func TestInstructions_Mutants(t *testing.T) {
	mayTrace(t)
	mutant.Test(t, "",
		mutant.Mutant{
			Name: "a launch forgets where to", File: "shm/index.go",
			Old: "	if to != nil {\n		if err := c.Aim(to); err != nil {", New: "	if to != nil && !MUTANT {\n		if err := c.Aim(to); err != nil {",
			Run: "^TestInstructions$/^op=insert$", Env: []string{"PROOF_SAMPLE=36"}, Want: "job 10 is in settled",
		},
		mutant.Mutant{
			Name: "what was retiring stays so", File: "shm/sweep.go",
			Old: "		case New, Owned, Retiring:\n			if c.ownerGone(h.owner()) {", New: "		case New, Owned, Retiring:\n			if c.ownerGone(h.owner()) && (!MUTANT || h.state() != Retiring) {",
			Run: "^TestInstructions$/^op=delete$", Want: "killed after instruction",
		},
		mutant.Mutant{
			Name: "blobs that nothing names stay", File: "shm/sweep.go",
			Old: "			if !a.named(i, h) && a.retireUnnamed(i, h) {", New: "			if !MUTANT && !a.named(i, h) && a.retireUnnamed(i, h) {",
			Run: "^TestInstructions$/^op=blob-swing$", Env: []string{"PROOF_SAMPLE=24"}, Want: "killed after instruction",
		},
	)
}
