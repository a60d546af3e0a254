package shm_test

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/aotf/sharedmem/shm"
)

// A picture is a record: fixed size, no pointers.
type picture struct {
	URL    pictureURL `shm:"key"`
	Width  uint32
	Height uint32
	Title  shm.Blob
	Marks  shm.Word
	Hash   uint64 `shm:"phase=1"` // published when the picture is in hashed
}

type pictureURL struct {
	Text [64]byte `shm:"text"`
}

// gallery is an application: a struct of objects, and one Define.
type gallery struct {
	Pictures shm.Arena[picture]
	ByURL    shm.Index[picture, pictureURL]
	Loaded   shm.Ring[picture]
	Hashed   shm.Bag[picture]
	Texts    shm.Blobs
	Network  shm.Semaphore
	Cursor   shm.Mutex
	Change   shm.Event
	Count    shm.Counters
	Best     shm.Cell
}

func (g *gallery) Define(l *shm.Layout) {
	g.Pictures.Define(l, "pictures", 100)
	g.ByURL.Define(l, "by-url", &g.Pictures)
	g.Loaded.Define(l, "loaded", &g.Pictures)
	g.Hashed.Phase = 1
	g.Hashed.Define(l, "hashed", &g.Pictures)
	g.Texts.Define(l, "texts", shm.BlobClass{Size: 64, Count: 100})
	g.Network.Define(l, "network", 2)
	g.Cursor.Define(l, "cursor")
	g.Change.Define(l, "change")
	g.Count.Define(l, "count", "loaded", "failed")
	g.Best.Define(l, "best")
}

// private is a segment for one process; shm.Open shares it with others.
func private() (*gallery, *shm.Segment) {
	g := &gallery{}
	s, err := shm.Private(g, nil)
	if err != nil {
		panic(err)
	}
	return g, s
}

func url(s string) (u pictureURL) {
	if err := shm.PutText(u.Text[:], s); err != nil {
		panic(err)
	}
	return u
}

// launch makes a picture, puts it into the index and posts it.
func launch(g *gallery, u string) shm.Ref[picture] {
	c, err := g.Pictures.TryNew()
	if err != nil {
		panic(err)
	}
	c.Record().URL = url(u)
	ref, _, err := g.ByURL.Insert(c, &g.Loaded)
	if err != nil {
		panic(err)
	}
	return ref
}

func ExampleSegment() {
	g := &gallery{}
	s, err := shm.Private(g, &shm.Options{Capacity: map[string]int{"pictures": 10}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Name(), g.Pictures.Cap(), len(s.Processes()), s.Err())
	s.Stop()
	<-s.Done()
	fmt.Println(s.Err())
	fmt.Println(s.Close())
	// Output:
	// private 10 1 <nil>
	// shm: segment stopped
	// <nil>
}

func ExampleArena() {
	g, s := private()
	defer s.Close()
	ref := launch(g, "http://a/1")
	var p picture
	status, err := g.Pictures.Load(ref, &p)
	fmt.Println(shm.Text(p.URL.Text[:]), status.State(), status.Queue(), err)
	// Output: http://a/1 posted loaded <nil>
}

func ExampleRing() {
	g, s := private()
	defer s.Close()
	var workers sync.WaitGroup
	workers.Go(func() {
		for {
			c, err := g.Loaded.Get(context.Background()) // waits
			if err != nil {
				return // stopped
			}
			fmt.Println(shm.Text(c.Record().URL.Text[:]))
			_ = c.Free()
		}
	})
	launch(g, "http://a/1")
	launch(g, "http://a/2")
	for g.Loaded.Len() > 0 {
		_ = g.Change.Wait(context.Background(), func() (bool, error) { return true, nil })
	}
	s.Stop()
	workers.Wait()
	// Output:
	// http://a/1
	// http://a/2
}

func ExampleBag() {
	g, s := private()
	defer s.Close()
	for i := range 3 {
		launch(g, fmt.Sprint("http://a/", i))
		c, _ := g.Loaded.TryGet()
		c.Record().Hash = uint64(10 * i)
		_ = g.Hashed.Put(c)
	}
	big := func(_ shm.Ref[picture], p *picture) bool { return p.Hash > 5 }
	c, err := g.Hashed.TryGet(big) // the oldest that suits
	fmt.Println(c.Record().Hash, err, g.Hashed.Len())
	_ = c.Free()
	// Output: 10 <nil> 2
}

func ExampleIndex() {
	g, s := private()
	defer s.Close()
	first := launch(g, "http://a/1")
	second := launch(g, "http://a/1") // there already: the same record
	fmt.Println(first == second, g.Loaded.Len())
	ref, ok, err := g.ByURL.Lookup(url("http://a/1"))
	fmt.Println(ref == first, ok, err)
	// Output:
	// true 1
	// true true <nil>
}

func ExampleBlobs() {
	g, s := private()
	defer s.Close()
	launch(g, "http://a/1")
	c, _ := g.Loaded.TryGet()
	fmt.Println(c.SetBlob(&g.Texts, &c.Record().Title, []byte("Sunflowers")))
	title, err := g.Texts.Append(nil, c.Record().Title)
	fmt.Println(string(title), err)
	_ = c.Free() // and its blob
	// Output:
	// <nil>
	// Sunflowers <nil>
}

func ExampleSemaphore() {
	g, s := private()
	defer s.Close()
	permit, err := g.Network.Acquire(context.Background())
	fmt.Println(g.Network.Free(), permit.Recovered(), err)
	fmt.Println(permit.Release(), g.Network.Free())
	fmt.Println(errors.Is(permit.Release(), shm.ErrStale))
	// Output:
	// 1 false <nil>
	// <nil> 2
	// true
}

func ExampleMutex() {
	g, s := private()
	defer s.Close()
	lock, err := g.Cursor.Lock(context.Background())
	if err != nil {
		return
	}
	if lock.Recovered() {
		fmt.Println("the last holder died inside")
	}
	_, err = g.Cursor.TryLock()
	fmt.Println(errors.Is(err, shm.ErrEmpty))
	fmt.Println(lock.Release())
	// Output:
	// true
	// <nil>
}

func ExampleEvent() {
	g, s := private()
	defer s.Close()
	go func() {
		g.Best.CompareAndSwap(0, 7) // publish first
		g.Change.Signal()
	}()
	err := g.Change.Wait(context.Background(), func() (bool, error) { return g.Best.Load() != 0, nil })
	fmt.Println(g.Best.Load(), err)
	// Output: 7 <nil>
}

func ExampleCounters() {
	g, s := private()
	defer s.Close()
	g.Count.Add(0, 3)
	g.Count.Add(1, 1)
	fmt.Println(g.Count.Names(), g.Count.Sum())
	// Output: [loaded failed] [3 1]
}

func ExampleCell() {
	g, s := private()
	defer s.Close()
	ref := launch(g, "http://a/1")
	fmt.Println(g.Best.CompareAndSwap(0, ref.Uint64()))
	best := shm.RefOf[picture](g.Best.Load())
	fmt.Println(best == ref)
	// Output:
	// true
	// true
}

func ExampleClaim() {
	g, s := private()
	defer s.Close()
	ref := launch(g, "http://a/1")
	c, _ := g.Loaded.TryGet()
	c.Record().Width, c.Record().Height = 640, 480 // written in place, by its owner
	fmt.Println(c.Attempt(), c.Valid(), c.Settle())
	var p picture
	status, _ := g.Pictures.Load(ref, &p)
	fmt.Println(p.Width, p.Height, status.State())
	fmt.Println(errors.Is(c.Free(), shm.ErrStale)) // it was spent by Settle
	// Output:
	// 1 true <nil>
	// 640 480 settled
	// true
}

func ExampleRef() {
	g, s := private()
	defer s.Close()
	ref := launch(g, "http://a/1")
	text, _ := ref.MarshalText()
	var again shm.Ref[picture]
	fmt.Println(again.UnmarshalText(text), again == ref, again.IsZero())
	c, _ := g.Loaded.TryGet()
	_ = c.Free()
	_, err := g.Pictures.Stat(ref)
	fmt.Println(errors.Is(err, shm.ErrGone))
	// Output:
	// <nil> true false
	// true
}

func ExampleWord() {
	g, s := private()
	defer s.Close()
	ref := launch(g, "http://a/1")
	p, _ := g.Pictures.Words(ref) // anybody may, while the record is visible
	fmt.Println(p.Marks.Or(1), p.Marks.Or(4), p.Marks.Load())
	// Output: 0 1 5
}
