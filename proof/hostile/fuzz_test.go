//go:build linux && (amd64 || arm64)

package hostile

import (
	"math/rand/v2"
	"os"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// fuzz tries one use of images that the fuzzer damages; see aim and redescribe
// for what the bytes mean.
func fuzz(f *testing.F, use func(c *checker, which, name string)) {
	images := map[string]*image{}
	for k, which := range bases {
		images[which] = newImage(base(f, which))
		for seed := range uint64(4) {
			rng := rand.New(rand.NewPCG(seed, 2))
			f.Add(k == 1, images[which].randomEdits(rng), []byte{})
			f.Add(k == 1, []byte{}, []byte{byte(rng.IntN(256)), byte(rng.IntN(256)), byte(rng.IntN(256)), byte(rng.IntN(256))})
		}
	}
	f.Fuzz(func(t *testing.T, tree bool, edits, fields []byte) {
		which := bases[0]
		if tree {
			which = bases[1]
		}
		if len(edits) > 40*editSize || len(fields) > 40 {
			return // more does not help, and takes longer
		}
		m := images[which].damaged(edits, fields)
		name := shmtest.Name(t)
		t.Cleanup(func() { _ = os.Remove(pathOf(name)) })
		world.Must(t, os.WriteFile(pathOf(name), m.b, 0o600))
		var c checker
		if err := bounded("fuzz", len(m.b), func() { use(&c, which, name) }); err != nil {
			t.Error(err)
		}
		if c.bad != nil {
			t.Error(c.bad)
		}
	})
}

func FuzzDump(f *testing.F)   { fuzz(f, func(c *checker, _, name string) { c.dump(name) }) }
func FuzzVerify(f *testing.F) { fuzz(f, func(c *checker, _, name string) { c.verify(name) }) }
func FuzzAttach(f *testing.F) { fuzz(f, (*checker).attach) }
func FuzzSweep(f *testing.F)  { fuzz(f, (*checker).sweep) }
func FuzzRestore(f *testing.F) {
	fuzz(f, func(c *checker, _, name string) { c.restore(name) })
}
