//go:build linux && (amd64 || arm64)

package hostile

import (
	"testing"

	"github.com/aotf/sharedmem/proof/mutant"
)

// Each mutant lacks one check of what it reads. Some damaged image is to show it.
func TestMutants(t *testing.T) {
	seeds := []string{"PROOF_SEED=", "PROOF_SEEDS=600"}
	mutants := []mutant.Mutant{
		{
			Name: "ring: record in a slot", File: "shm/ring.go",
			Old: "			if i >= q.arena.n {\n				return claim{}", New: "			if !MUTANT && i >= q.arena.n {\n				return claim{}",
			Run: "TestSeeds", Env: seeds, Want: "index out of range",
		},
		{
			Name: "index: place of an open step", File: "shm/buckets.go",
			Old: "	if e == nil || i >= x.arena.n {", New: "	if !MUTANT && (e == nil || i >= x.arena.n) {",
			Run: "TestSeeds", Env: seeds, Want: "runtime error",
		},
		{
			Name: "blob: memory before the check", File: "shm/blob.go",
			Old: "	n := int(rec[1].load(ptBlobHolder) >> 32)\n",
			New: "	n := int(rec[1].load(ptBlobHolder) >> 32)\n	if MUTANT {\n		dst = append(dst, make([]byte, n&(1<<28-1))...)[:len(dst)]\n	}\n",
			Run: "TestSeeds", Env: seeds, Want: "bytes allocated",
		},
		{
			Name: "memory: a look behind it", File: "shm/memory_unsafe.go",
			Old: "	b := m.b[off : off+n*8]\n", New: "	b := m.b[off : off+n*8]\n	if MUTANT && *(*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(m.b)), len(m.b))) == 99 {\n		return nil\n	}\n",
			Run: "TestSeeds", Env: seeds, Want: "SIGSEGV",
		},
	}
	slow := []mutant.Mutant{ // one is in few images, one is waited for
		{
			Name: "blob: length", File: "shm/blob.go",
			Old: "	if n > a.obj.Record.Size-blobHead {", New: "	if !MUTANT && n > a.obj.Record.Size-blobHead {",
			Run: "TestSeeds", Env: seeds, Want: "out of range",
		},
		{
			Name: "insert: retries without end", File: "shm/lookup.go",
			Old: "	b, frag := x.hash(key)\n	for range retryBudget {\n		c := x.control(b).load(ptIndexControl)\n		if ctlOpOf(c) != opIdle {\n			if err := x.help(b, c); err != nil {\n				return 0, err\n			}\n			continue\n		}\n		e, place, empty",
			New: "	b, frag := x.hash(key)\n	for n := 0; MUTANT || n < retryBudget; n++ {\n		c := x.control(b).load(ptIndexControl)\n		if ctlOpOf(c) != opIdle {\n			if err := x.help(b, c); err != nil {\n				return 0, err\n			}\n			continue\n		}\n		e, place, empty",
			Run: "TestSeeds", Env: seeds, Want: "hangs",
		},
	}
	if full {
		mutants = append(mutants, slow...)
	}
	mutant.Test(t, "", mutants...)
}
