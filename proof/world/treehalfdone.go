//go:build crashpoint

package world

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func init() {
	// half-done-tree SEGMENT: the same as half-done, on AOTF's tree.
	shmtest.Register("half-done-tree", func(args []string) {
		m, err := objects.Open(args[0], &objects.Options{Attach: true})
		Check(err)
		for _, x := range halfDoneTree {
			there := make(chan bool, 1)
			go func() {
				shm.AtOwnPoint(x.point, func() {
					there <- true
					select {}
				})
				x.do(m)
				there <- false
			}()
			if !<-there {
				panic("half done: it has no " + x.point)
			}
		}
		fmt.Println("end")
		p, _ := os.FindProcess(os.Getpid())
		_ = p.Kill()
		select {}
	})
}

// LeaveTreeHalfDone is LeaveHalfDone for a segment of StageTree.
func LeaveTreeHalfDone(t testing.TB, segment string) (acks map[string]bool) {
	t.Helper()
	p := shmtest.Child(t, "half-done-tree", segment)
	p.Want("end")
	_ = p.Wait()
	acks = map[string]bool{}
	for _, x := range halfDoneTree {
		acks[x.ack] = true
	}
	return acks
}

// halfDoneTree are transitions and where they stop.
var halfDoneTree = []struct {
	point string
	do    func(m *objects.SharedMemory)
	ack   string // what is to become of it
}{
	{"post", func(m *objects.SharedMemory) { // the link of "one" is written, and not published
		_ = claim(m, objects.Step1).LinkFound(ctx, make([]objects.Account, 6), []string{"image"}, time.Now())
	}, ""},
	{"ring.fill", func(m *objects.SharedMemory) { _ = claim(m, objects.Step2).Indexed(ctx) }, at("two", objects.WaitReverseSearch)},
	{"settle", func(m *objects.SharedMemory) { _ = claim(m, objects.Step3).Finish(ctx, make([]objects.Found, 40)) }, ""},
	{"index.insert", func(m *objects.SharedMemory) { // an address that is charged for the first time
		_, _, _ = m.Users.Launch(ctx, objects.Query{URL: "half one", Address: netip.MustParseAddr("192.0.2.50")})
	}, ""},
	{"index.insert", func(m *objects.SharedMemory) { _, _, _ = m.Users.Launch(ctx, objects.Query{URL: "half two"}) }, ""},
	{"index.fill", func(m *objects.SharedMemory) { _, _, _ = m.Users.Launch(ctx, objects.Query{URL: "half three"}) }, launched("half three")},
	{"ring.fill", func(m *objects.SharedMemory) { _, _, _ = m.Users.Launch(ctx, objects.Query{URL: "half four"}) }, launched("half four")},
	{"index.fill", func(m *objects.SharedMemory) {
		_, _ = m.Scans.Launch(ctx, objects.Account{ID: 3, Name: "name"}, false, false)
	}, "scan 3"},
	{"bag.move", func(m *objects.SharedMemory) {
		_, _ = m.Scans.Launch(ctx, objects.Account{ID: 2, Name: "name"}, true, false)
	}, ""},
	{"bag.bit", func(m *objects.SharedMemory) {
		_ = listing(m, objects.LegB, 1).Done(ctx, objects.Cursor{Value: "b", Set: true})
	}, ""},
	{"free", func(m *objects.SharedMemory) { _ = indexing(m).Done(ctx) }, ""},
	{"index.idle", func(m *objects.SharedMemory) { _, _ = m.HTTP.Allow(ctx, netip.MustParseAddr("192.0.2.10")) }, ""},
	{"index.idle", func(m *objects.SharedMemory) { _, _ = m.Threads.Register(ctx, "t") }, ""},
	{"settle", func(m *objects.SharedMemory) { _ = m.SetCounts(ctx, objects.Counts{Tweets: 1}) }, ""},
	{"index.delete", func(m *objects.SharedMemory) { // last: the time of the process runs ahead from now on
		later(48 * time.Hour)
		_, _ = m.Users.Shed(ctx)
	}, "shedding"},
}
