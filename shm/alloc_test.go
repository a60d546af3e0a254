package shm_test

import (
	"testing"

	"github.com/aotf/sharedmem/shm"
)

// What a record goes through leaves the garbage collector nothing to do, and neither
// does who looks, or may wait and need not.
func TestAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	modes(t, 8, func(t *testing.T, f *farm, s *shm.Segment) {
		ctx := t.Context()
		stay := newNamed(t, f, "stay", 1)
		must(t, stay.SetBlob(&f.Data, &stay.Record().Data, []byte("some bytes")))
		ref, _, err := f.ByName.Insert(stay, &f.Queue)
		must(t, err)
		k := key("stay")
		gone := key("gone")
		var j job
		text := make([]byte, 0, 64)
		several := make([]shm.Claim[job], 0, 4)
		batch := make([]shm.Claim[job], 4)
		seven := func(_ shm.Ref[job], j *job) bool { return j.Number == 7 }
		for what, call := range map[string]func() error{
			"alloc, put, get, free": func() error {
				c, err := f.Jobs.TryNew()
				if err == nil {
					err = f.Todo.TryPut(c)
				}
				if err == nil {
					c, err = f.Todo.TryGet()
				}
				if err == nil {
					err = c.Free()
				}
				return err
			},
			"the same with a context": func() error {
				c, err := f.Jobs.New(ctx)
				if err == nil {
					err = f.Todo.Put(ctx, c)
				}
				if err == nil {
					c, err = f.Todo.Get(ctx)
				}
				if err == nil {
					err = c.Free()
				}
				return err
			},
			"batches": func() (err error) {
				several = several[:0]
				for range cap(several) {
					var c shm.Claim[job]
					if c, err = f.Jobs.TryNew(); err != nil {
						return err
					}
					several = append(several, c)
				}
				if _, err = f.Todo.TryPutAll(several); err == nil {
					_, err = f.Todo.TryGetAll(batch)
				}
				for _, c := range batch {
					if err == nil {
						err = c.Free()
					}
				}
				return err
			},
			"bag: put, get": func() error {
				c, err := f.Jobs.TryNew()
				if err == nil {
					err = f.Picky.Put(c)
				}
				if err == nil {
					c, err = f.Picky.TryGet(nil)
				}
				if err == nil {
					err = c.Free()
				}
				return err
			},
			"bag: put, move, get one that suits": func() error {
				c, err := f.Jobs.TryNew()
				if err != nil {
					return err
				}
				c.Record().Number = 7
				ref := c.Ref()
				if err = f.Picky.Put(c); err == nil {
					err = f.Picky.Move(ref, &f.Urgent)
				}
				if err == nil {
					c, err = f.Urgent.Get(ctx, seven)
				}
				if err == nil {
					err = c.Free()
				}
				return err
			},
			"claim, advance, claim, release, take, settle, retire": func() error {
				c, err := f.Jobs.TryNew()
				if err == nil {
					err = f.Todo.TryPut(c)
				}
				if err == nil {
					c, err = f.Todo.TryGet()
				}
				if err == nil {
					err = f.Done.TryPut(c)
				}
				if err == nil {
					c, err = f.Done.TryGet()
				}
				ref := c.Ref()
				if err == nil {
					err = c.Release()
				}
				if err == nil {
					c, err = f.Done.Take(ref)
				}
				if err == nil {
					err = c.Settle()
				}
				if err == nil {
					c, err = f.Jobs.Retire(ref)
				}
				if err == nil {
					err = c.Free()
				}
				if err == nil {
					_, err = f.Done.TryGet() // past the slots of what was taken
				}
				if err == shm.ErrEmpty {
					err = nil
				}
				return err
			},
			"insert, free": func() error {
				c, err := f.Named.TryNew()
				if err != nil {
					return err
				}
				c.Record().Key = gone
				if c, _, _, err = f.ByName.InsertHeld(c); err == nil {
					err = c.Free()
				}
				return err
			},
			"lookup":          func() error { _, _, err := f.ByName.Lookup(k); return err },
			"snapshot (load)": func() error { _, err := f.Named.Load(ref, &j); return err },
			"blob":            func() (err error) { text, err = f.Data.Append(text[:0], j.Data); return err },
			"stat":            func() error { _, err := f.Named.Stat(ref); return err },
			"acquire, release": func() error {
				p, err := f.Slots.Acquire(ctx)
				if err == nil {
					err = p.Release()
				}
				return err
			},
			"count": func() error { f.Count.Add(0, 1); return nil },
		} {
			var err error
			n := testing.AllocsPerRun(200, func() {
				if e := call(); e != nil {
					err = e
				}
			})
			if n != 0 || err != nil {
				t.Errorf("%s: %v allocations, %v", what, n, err)
			}
		}
	})
}
