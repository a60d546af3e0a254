package conformance_test

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm/shmtest"
)

const modelSteps = 6000

// Random steps on a store and on a model that anybody can check by reading. With
// CONFORMANCE_SEED it repeats a run.
func TestModel(t *testing.T) {
	seed := rand.Uint64()
	if s := os.Getenv("CONFORMANCE_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		must(t, err)
	}
	t.Logf("seed %d", seed)
	m, err := objects.Open("model", &objects.Options{Private: true, PerAddress: modelPerAddress, Capacity: map[string]int{
		"users": 4096, "scans": 2048, "legs": 4096, "tweets": 128, "addresses": 64,
	}})
	must(t, err)
	defer closeQuietly(t, m)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	x := &model{
		T: t, m: m, rng: rand.New(rand.NewPCG(seed, 2)), ended: ended,
		users: modelUsers{all: map[string]*modelUser{}, released: map[*modelUser]bool{}},
		scans: modelScans{byAccount: map[int64]*modelScan{}},
	}
	for i := range modelSteps {
		switch n := x.rng.IntN(1000); {
		case n < 150:
			x.launchUser()
		case n < 300:
			x.claimUser(objects.Step(1 + x.rng.IntN(3)))
		case n < 450:
			x.endUser()
		case n < 500:
			x.launchScan()
		case n < 560:
			x.claimListing(objects.Leg(x.rng.IntN(2)))
		case n < 750:
			x.workListing()
		case n < 870:
			x.claimIndexing()
		case n < 998:
			x.endIndexing()
		default:
			x.expire()
		}
		if i%50 == 0 {
			x.compareUsers()
			x.compareScans()
		}
	}
	x.compareUsers()
	x.compareScans()
	finished := 0
	for _, s := range x.scans.list {
		if s.closed[0] && s.closed[1] {
			finished++
		}
	}
	t.Logf("%d steps: %d user requests, %d scans, %d finished, %d tweets", modelSteps, len(x.users.all), len(x.scans.list), finished, x.scans.tweets)
	shmtest.Verify(t, m.Segment())
}
