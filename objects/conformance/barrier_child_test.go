package conformance_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"

	"github.com/aotf/sharedmem/objects"
)

// stormChild is a lister's or an indexer's process in the storm.
type stormChild struct {
	m    *objects.SharedMemory
	log  *os.File
	rng  *rand.Rand
	weak bool
}

func barrierChild(args []string) *stormChild {
	seed, err := strconv.ParseUint(args[2], 10, 64)
	check(err)
	c := &stormChild{rng: rand.New(rand.NewPCG(seed, 1)), weak: args[3] == "true"}
	c.m, err = objects.Open(args[0], &objects.Options{Attach: true})
	check(err)
	c.log, err = os.OpenFile(args[1], os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	check(err)
	fmt.Println("ready")
	return c
}

var picture [256 << 10]byte

// check ends the process: the parent misses its next word.
func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "barrier storm:", err)
		os.Exit(3)
	}
}

// say appends a line by one write.
func (c *stormChild) say(format string, args ...any) {
	_, err := fmt.Fprintf(c.log, format+"\n", args...)
	check(err)
}

func (c *stormChild) list() {
	var wg sync.WaitGroup
	for _, leg := range []objects.Leg{objects.LegA, objects.LegB} {
		rng := rand.New(rand.NewPCG(c.rng.Uint64(), uint64(leg)))
		wg.Go(func() {
			for {
				c.listOne(leg, rng)
			}
		})
	}
	wg.Wait()
}

func (c *stormChild) listOne(leg objects.Leg, rng *rand.Rand) {
	ctx := context.Background()
	l, err := c.m.Scans.ClaimListing(ctx, nil, leg, 0)
	check(err)
	for range rng.IntN(40) {
		id := rng.Int64() // another one each time: a relisted tweet is put once more
		check(l.PutTweet(ctx, objects.Tweet{ID: id, Images: []string{leg.String()}}))
		c.say("put %v %v %d", l.Scan(), leg, id)
	}
	check(l.Done(ctx, objects.Cursor{Value: "c", Set: true}))
}

func (c *stormChild) index() {
	ctx := context.Background()
	later := func() {}
	for {
		x, err := c.m.Scans.ClaimIndexing(ctx, nil)
		check(err)
		if tw := x.Tweet(); tw != nil {
			scan := x.Scan()
			index := func() { c.say("indexed %v %s %d", scan, tw.Images[0], tw.ID) }
			if c.weak { // done before it is indexed: what the oracle is to see
				check(x.Done(ctx))
				later()
				later = index
				continue
			}
			sha256.Sum256(picture[:]) // the time that a picture takes
			index()
		} else if leg, _, save := x.Cursor(); save {
			c.say("saved %v %v", x.Scan(), leg)
		}
		if err := x.Done(ctx); !errors.Is(err, objects.ErrStale) {
			check(err)
		}
	}
}
