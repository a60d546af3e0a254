package conformance_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// The one safety property: a cursor is saved only after every tweet of its leg
// that was put before has been indexed. Listers and indexers in processes of
// their own are killed at random, and append what they do to one file, a line a
// write, so that its order agrees with what happened before what:
//
//	put SCAN LEG ID       PutTweet has returned
//	indexed SCAN LEG ID   before Done; the lister put the leg into the tweet
//	saved SCAN LEG        the instruction is claimed, and is to be saved
func init() {
	shmtest.Register("barrier-lister", func(args []string) { barrierChild(args).list() })
	shmtest.Register("barrier-indexer", func(args []string) { barrierChild(args).index() })
}

func TestBarrier_KillStorm(t *testing.T) {
	scans := 60
	if os.Getenv("CONFORMANCE_STORM") == "full" {
		scans = 1000
	}
	log, good, kills := storm(t, scans, false)
	t.Logf("%d scans, %d without a failure, %d kills, %d tweets put, %d times indexed, %d cursors saved",
		scans, len(good), kills, log.put, log.indexed, len(log.saved))
	for _, v := range log.violations {
		t.Error(v)
	}
	for _, id := range good {
		for _, leg := range []string{" A", " B"} {
			if !log.saved[id.String()+leg] {
				t.Errorf("scan %v has finished, and the cursor of leg%s was not saved", id, leg)
			}
		}
	}
	if len(good) == 0 {
		t.Error("every scan failed")
	}
}

// The oracle sees indexers that let go of tweets before they have indexed them.
func TestBarrier_OracleFires(t *testing.T) {
	log, _, _ := storm(t, 12, true)
	if len(log.violations) == 0 {
		t.Error("nothing was found wrong with indexers that end tweets too early")
	}
	t.Logf("%d violations seen, as should be", len(log.violations))
}

// storm runs scans through 2 listers and 3 indexers that are killed at random,
// and returns what was logged, which scans finished without a failure, and the
// number of kills.
func storm(t *testing.T, scans int, weak bool) (log stormLog, good []objects.ScanID, kills int) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	name, path := shmtest.Name(t), filepath.Join(t.TempDir(), "log")
	m, err := objects.Open(name, &objects.Options{Capacity: map[string]int{
		"users": 64, "scans": 2048, "legs": 4096, "tweets": 64, "blobs-256": 64, "blobs-1024": 64, "blobs-4096": 64,
		"blobs-16384": 16, "blobs-65536": 4,
	}})
	must(t, err)
	defer closeQuietly(t, m)

	kinds := []string{"barrier-lister", "barrier-lister", "barrier-indexer", "barrier-indexer", "barrier-indexer"}
	children := make([]*shmtest.Process, len(kinds))
	start := func(i int) {
		children[i] = shmtest.Child(t, kinds[i], name, path, strconv.FormatUint(rng.Uint64()>>1, 10), strconv.FormatBool(weak))
		children[i].Want("ready")
	}
	for i := range children {
		start(i)
	}
	var open []objects.ScanID
	for n := 0; n < scans; {
		for range 3 {
			n++
			l, err := m.Scans.Launch(t.Context(), objects.Account{ID: int64(n), Name: fmt.Sprint("a", n)}, n%5 == 0, false)
			must(t, err)
			open = append(open, l.ID)
		}
		if len(open) >= 60 {
			open = await(t, m, open, 30, &good)
		}
		time.Sleep(time.Duration(rng.IntN(4_000)) * time.Microsecond) // no wait for anything: a kill at some time
		i := rng.IntN(len(children))
		children[i].Kill()
		kills++
		start(i)
	}
	await(t, m, open, 0, &good)
	shmtest.Verify(t, m.Segment())
	t.Logf("%d deliveries after a death", m.Redelivered())
	for _, c := range children {
		c.Kill()
	}
	return readStormLog(t, path), good, kills
}

// await waits until at most some of the scans neither failed nor finished, by
// what a user request waits for, and returns those; the finished ones are good.
func await(t *testing.T, m *objects.SharedMemory, open []objects.ScanID, most int, good *[]objects.ScanID) []objects.ScanID {
	ctx := t.Context()
	for len(open) > most {
		_, _, err := m.Users.Launch(ctx, objects.Query{URL: fmt.Sprint(rand.Uint64())})
		must(t, err)
		c, err := m.Users.Claim(ctx, nil, objects.Step1)
		must(t, err)
		must(t, c.LinkFound(ctx, []objects.Account{{ID: 1}}, nil, time.Time{}))
		c, err = m.Users.Claim(ctx, nil, objects.Step2)
		must(t, err)
		must(t, c.WaitFor(ctx, open[:min(len(open), 4)], false))
		c, err = m.Users.Claim(ctx, nil, objects.Step2)
		must(t, err)
		must(t, c.Fail(ctx, objects.ProcessingError))
		open = slices.DeleteFunc(open, func(id objects.ScanID) bool {
			var r objects.ScanRequest
			must(t, m.Scans.Load(ctx, id, &r))
			if r.Finished && !r.Failed {
				*good = append(*good, id)
			}
			return r.Failed || r.Finished
		})
	}
	return open
}

// stormLog is what the oracle makes of the file.
type stormLog struct {
	put, indexed int
	saved        map[string]bool // by scan and leg
	violations   []string
}

func readStormLog(t *testing.T, path string) (log stormLog) {
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	log.saved = map[string]bool{}
	missing := map[string]map[string]bool{} // of a scan's leg: put, not indexed yet
	early := map[string]bool{}              // indexed before the lister could say that it was put
	in := bufio.NewScanner(f)
	for in.Scan() {
		var what, scan, leg, id string
		_, _ = fmt.Sscan(in.Text(), &what, &scan, &leg, &id)
		key := scan + " " + leg
		switch what {
		case "put":
			log.put++
			if missing[key] == nil {
				missing[key] = map[string]bool{}
			}
			if !early[id] {
				missing[key][id] = true
			}
		case "indexed":
			log.indexed++
			early[id] = true
			delete(missing[key], id)
		case "saved":
			log.saved[key] = true
			if n := len(missing[key]); n > 0 {
				log.violations = append(log.violations, fmt.Sprintf("cursor of scan %s saved with %d tweets not indexed", key, n))
			}
		}
	}
	must(t, in.Err())
	return log
}
