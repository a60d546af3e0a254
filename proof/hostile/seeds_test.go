//go:build linux && (amd64 || arm64)

package hostile

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// What one use of an image may cost. A use takes milliseconds.
var budget = 20 * time.Second

const (
	freeBytes  = 32 << 20 // allocated whatever the size of the file
	timesBytes = 100      // and this many times its size
)

// bounded runs f within the budgets of time and memory. Overrun time ends the
// process, with all stacks: nothing could go on.
func bounded(what string, size int, f func()) error {
	hang := time.AfterFunc(budget, func() {
		buf := make([]byte, 1<<20)
		fmt.Fprintf(os.Stderr, "%s: hangs\n%s\n", what, buf[:runtime.Stack(buf, true)])
		os.Exit(3)
	})
	defer hang.Stop()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > uint64(freeBytes+timesBytes*size) {
		return fmt.Errorf("%s: %d bytes allocated for a file of %d", what, n, size)
	}
	return nil
}

// A mutation is what a seed makes of one of the bases.
func mutation(images map[string]*image, seed uint64) (which string, edits, fields []byte) {
	rng := rand.New(rand.NewPCG(seed, 1))
	which = bases[rng.IntN(len(bases))]
	if rng.IntN(4) == 0 { // the description, and maybe words
		for range 4 * (1 + rng.IntN(4)) {
			fields = append(fields, byte(rng.IntN(256)))
		}
		if rng.IntN(2) == 0 {
			return which, nil, fields
		}
	}
	return which, images[which].randomEdits(rng), fields
}

// use is every use of one damaged image.
func use(which, name string, size int) (c checker, err error) {
	for _, u := range []struct {
		what string
		use  func()
	}{
		{"restore", func() { c.restore(name) }}, // first: it is to change nothing of the file
		{"dump", func() { c.dump(name) }},
		{"verify", func() { c.verify(name) }},
		{"attach", func() { c.attach(which, name) }},
		{"sweep", func() { c.sweep(which, name) }},
	} {
		c.hole = digHole(size)
		err := bounded(u.what, size, u.use)
		c.hole.fill()
		if err != nil {
			return c, err
		}
	}
	return c, c.bad
}

// A seedReport is what a child tells at its end.
type seedReport struct {
	Areas  map[string]int // edits, by the kind of word
	Errors map[string]int // typed errors
	Texts  int            // changed descriptions
	Shown  int            // of these, that could be opened
	// Restored are images of which Restore made a segment.
	Restored        int
	Opened, Guarded int // mappings, and those between two pages that nobody may touch
}

func (r *seedReport) add(x seedReport) {
	for k, v := range x.Areas {
		r.Areas[k] += v
	}
	for k, v := range x.Errors {
		r.Errors[k] += v
	}
	r.Texts += x.Texts
	r.Shown += x.Shown
	r.Restored += x.Restored
	r.Opened += x.Opened
	r.Guarded += x.Guarded
}

func init() {
	// seeds BASES NAME FROM TO STEP FAULT: try the mutations of these seeds, one after
	// the other: the memory they allocate is measured.
	shmtest.Register("seeds", func(args []string) {
		images := map[string]*image{}
		for _, which := range bases {
			b, err := os.ReadFile(args[0] + "/" + which)
			world.Check(err)
			images[which] = newImage(b)
		}
		var n [3]uint64
		for i := range n {
			var err error
			n[i], err = strconv.ParseUint(args[2+i], 10, 64)
			world.Check(err)
		}
		r := seedReport{Areas: map[string]int{}, Errors: map[string]int{}}
		for seed := n[0]; seed < n[1]; seed += n[2] {
			fmt.Println("try", seed)
			which, edits, fields := mutation(images, seed)
			m := images[which]
			world.Check(os.WriteFile(pathOf(args[1]), m.damaged(edits, fields).b, 0o600))
			c, err := use(which, args[1], len(m.b))
			if args[5] != "" {
				err = inject(args[5])
			}
			if err != nil {
				fmt.Println("bad", seed, err)
			}
			world.Check(os.Remove(pathOf(args[1])))
			for e := edits; len(e) >= editSize; e = e[editSize:] {
				k, _ := m.aim(e)
				r.Areas[areaKinds[k]]++
			}
			for k, v := range c.seen {
				r.Errors[k] += v
			}
			r.Restored += c.restored
			r.Opened += c.opened
			r.Guarded += c.guarded
			if len(fields) > 0 && len(edits) == 0 {
				r.Texts++
				r.Shown += c.shown
			}
			fmt.Println("did", seed)
		}
		b, err := json.Marshal(r)
		world.Check(err)
		fmt.Printf("end %s\n", b)
	})
}

// try lets children try the seeds, and returns what they did and what was wrong.
func try(t *testing.T, from, to, children uint64, fault string) (total seedReport, done int, bad []string) {
	t.Helper()
	folder := t.TempDir()
	for _, which := range bases {
		world.Must(t, os.WriteFile(folder+"/"+which, base(t, which), 0o600))
	}
	var ps []*shmtest.Process
	for k := range children {
		name := shmtest.Name(t)
		t.Cleanup(func() { _ = os.Remove(pathOf(name)) })
		ps = append(ps, shmtest.Child(t, "seeds", folder, name, fmt.Sprint(from+k), fmt.Sprint(to), fmt.Sprint(children), fault))
	}
	total = seedReport{Areas: map[string]int{}, Errors: map[string]int{}}
	for _, p := range ps {
		trying, ended := "", false
		for line, ok := p.Line(); ok; line, ok = p.Line() {
			word, rest, _ := strings.Cut(line, " ")
			switch word {
			case "try":
				trying = rest
			case "did":
				done++
			case "end":
				var r seedReport
				world.Must(t, json.Unmarshal([]byte(rest), &r))
				total.add(r)
				ended = true
			default:
				bad = append(bad, rest)
			}
		}
		if err := p.Wait(); err != nil || !ended {
			bad = append(bad, fmt.Sprintf("%s: the process died: %v", trying, err))
		}
	}
	return total, done, bad
}

// inject does in the place of a use what no use may do.
func inject(fault string) error {
	var c checker
	switch fault {
	case "panic":
		panic("injected")
	case "hang":
		budget = time.Second
		return bounded(fault, 1000, func() { select {} })
	case "memory":
		return bounded(fault, 1000, func() { sink = make([]byte, 2*freeBytes) })
	case "untyped error":
		c.ok(fault, errors.New("injected"))
	}
	return c.bad
}

var sink []byte

// Each of the four wrongs is noticed. TestMutants shows it of the library's own.
func TestOracles(t *testing.T) {
	for fault, want := range map[string]string{"panic": "exit status 2", "hang": "exit status 3",
		"memory": "bytes allocated", "untyped error": "injected"} {
		if _, _, bad := try(t, 0, 1, 1, fault); len(bad) != 1 || !strings.Contains(bad[0], want) {
			t.Errorf("%s: noticed %q", fault, bad)
		}
	}
}

// No content of a segment crashes, hangs or fattens anybody.
func TestSeeds(t *testing.T) {
	from, to, children := uint64(0), uint64(2000), uint64(8) // most of the time is verify's, which sleeps
	if full {
		to = 100_000
	}
	to = world.Setting(t, "PROOF_SEEDS", to) // how many
	if os.Getenv("PROOF_SEED") != "" {
		from = world.Setting(t, "PROOF_SEED", 0)
		to, children = from+1, 1
	}
	total, done, bad := try(t, from, to, children, "")
	for _, line := range bad {
		t.Errorf("seed %s (again: PROOF_SEED)", line)
	}
	t.Logf("%d mutations, seeds %d to %d; edited words %v; %d changed descriptions, of which %d could be opened; %d could be restored",
		done, from, to-1, total.Areas, total.Texts, total.Shown, total.Restored)
	t.Logf("%d of %d mappings lay between guard pages", total.Guarded, total.Opened)
	if total.Guarded == 0 && total.Opened > 0 {
		t.Error("no mapping lay between guard pages: nobody would see an access outside of it")
	}
	for _, k := range slices.Sorted(maps.Keys(total.Errors)) {
		t.Logf("%7d x %s", total.Errors[k], k)
	}
	if to-from > 500 {
		for _, kind := range areaKinds {
			if total.Areas[kind] == 0 {
				t.Errorf("no %s was ever edited", kind)
			}
		}
		if total.Restored == 0 || total.Restored == done {
			t.Errorf("%d of %d were restored: nothing was decided", total.Restored, done)
		}
		if total.Shown == 0 {
			t.Error("no changed description was ever opened")
		}
	}
}
