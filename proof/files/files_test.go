//go:build linux && (amd64 || arm64)

// Package files kills what makes, replaces and copies the files of segments before
// and after each of its system calls. Between two of them a file changes by the
// words of a segment only, and at those the campaign of proof/kill kills.
package files

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/aotf/sharedmem/proof/mutant"
)

func TestSystemCalls(t *testing.T) {
	mayTrace(t)
	var all atomic.Int64
	t.Cleanup(func() { t.Logf("%d operations killed %d times", len(operations), all.Load()) })
	for _, op := range operations {
		t.Run("op="+op.name, func(t *testing.T) {
			t.Parallel()
			kills := 0
			for ended := false; !ended && !t.Failed(); kills++ {
				t.Run(fmt.Sprint("at=", kills+1), func(t *testing.T) {
					segment, file := op.stage(t)
					var acks map[string]bool
					acks, ended = killAt(t, kills+1, op.name, segment, file)
					if ended {
						acks["ended"] = true
					}
					op.audit(t, segment, file, acks)
				})
			}
			all.Add(int64(kills))
			t.Logf("%s: killed %d times, before and after each system call", op.name, kills)
			if kills < 20 {
				t.Error("it makes more system calls than that: this is not the operation")
			}
		})
	}
}

// What is written where it can be seen before it is complete is noticed.
func TestMutants(t *testing.T) {
	mayTrace(t)
	mutant.Test(t, "",
		mutant.Mutant{
			Name: "a snapshot gets its name before its bytes", File: "shm/snapshot_linux.go",
			Old: "	err = unix.Renameat2(", New: "	if MUTANT {\n		b, _ := os.ReadFile(part.Name())\n		return os.WriteFile(r.File, b, 0o600)\n	}\n	err = unix.Renameat2(",
			Run: "TestSystemCalls/op=snapshot$", Want: "the snapshot is not complete",
		},
		mutant.Mutant{
			Name: "a restored segment gets its name before its side files", File: "shm/restore_linux.go",
			Old: "	if inherit {\n", New: "	if MUTANT {\n		err = fresh.file.link(r.Path)\n		_, _ = copySide(s.path, r.Path)\n		return errors.Join(err, fresh.file.close())\n	}\n	if inherit {\n",
			Run: "TestSystemCalls/op=restore$", Want: "side file a",
		},
		mutant.Mutant{
			Name: "side files go before the segment that they belong to", File: "shm/reset_linux.go",
			Old: "	fresh.c.choose(chosen, func(string, uint64, uint64) {})\n", New: "	fresh.c.choose(chosen, func(string, uint64, uint64) {})\n	if MUTANT {\n		_ = removeSideFiles(s.path, \"\")\n	}\n",
			Run: "TestSystemCalls/op=reset-sides$", Want: "not reset, and without its side files",
		},
		mutant.Mutant{
			Name: "a reset removes the old segment first", File: "shm/reset_linux.go",
			Old: "	next := sidePrefix(s.path)", New: "	if MUTANT {\n		_ = os.Remove(s.path)\n	}\n	next := sidePrefix(s.path)",
			Run: "TestSystemCalls/op=reset$", Want: "no segment has the name",
		},
	)
}
