//go:build crashpoint

package stop

import (
	"errors"
	"fmt"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
)

// ownKey is one of as few as there are records, so that few buckets of the index
// are turned round.
func (b *bare) ownKey(n uint64) world.Key {
	return world.KeyOf(fmt.Sprint("own ", n%uint64(b.w.Named.Cap())))
}

// named puts named records through index and queue, and renews the one that was
// there.
func (b *bare) named(midway func()) {
	b.t.Helper()
	w := b.w
	for i, c := range b.alloc(&w.Named) {
		key := b.ownKey(c.Record().Number)
		c.Record().Key = key
		refused := false
		b.do("insert", func() (err error) {
			defer func() {
				if refused = b.crowded && errors.Is(err, shm.ErrFull); refused {
					err = nil
				}
			}()
			if i == 0 {
				held, _, inserted, err := w.ByName.InsertHeld(c)
				if err == nil && !inserted {
					return errors.New("a key of our own exists")
				}
				if err == nil {
					err = held.Free()
				}
				return err
			}
			_, inserted, err := w.ByName.Insert(c, &w.Queue)
			if err == nil && !inserted {
				return errors.New("a key of our own exists")
			}
			return err
		})
		if b.has(key) != (i > 0 && !refused) {
			b.t.Errorf("at %s: lookup of %s", b.point, key.Name[:8])
		}
	}
	midway()
	b.queued()
}

// queued empties the queue of named records, ends our own, renews the one whose
// key is k, and puts the others back.
func (b *bare) queued() {
	b.t.Helper()
	var cs []claim
	for {
		c, ok := get(b, "get named", shm.ErrEmpty, b.w.Queue.TryGet)
		if !ok {
			break
		}
		cs = append(cs, c)
	}
	for _, c := range cs {
		key, n := c.Record().Key, c.Record().Number
		if !b.has(key) {
			b.t.Errorf("at %s: queued, and not found", b.point)
		}
		if n < mine && key != world.KeyOf("k") {
			b.do("put named back", func() error { return b.w.Queue.TryPut(c) })
			continue
		}
		b.retire(c.Ref(), c.Settle)
		if b.has(key) {
			b.t.Errorf("at %s: retired, and found", b.point)
		}
		if n < mine {
			b.do("renew", func() error { return b.insert(key, n) })
		}
	}
}

func (b *bare) retire(r shm.Ref[world.Job], settle func() error) {
	b.t.Helper()
	b.do("settle", settle)
	var c claim
	b.do("retire", func() (err error) { c, err = b.w.Named.Retire(r); return err })
	b.do("free named", c.Free)
}

func (b *bare) insert(key world.Key, n uint64) error {
	c, err := b.w.Named.TryNew()
	if err != nil {
		return err
	}
	c.Record().Key, c.Record().Number = key, n
	_, inserted, err := b.w.ByName.Insert(c, &b.w.Queue)
	if err == nil && !inserted {
		err = errors.New("exists")
	}
	return err
}

func (b *bare) has(key world.Key) (ok bool) {
	b.do("lookup", func() (err error) { _, ok, err = b.w.ByName.Lookup(key); return err })
	return ok
}

// contend launches the keys that operations launch: whoever is stopped in it, the
// answer comes at once, and it is exact.
func (b *bare) contend() {
	b.t.Helper()
	for _, name := range []string{"new", "held", "k"} {
		if free(&b.w.Named) == 0 {
			return
		}
		key := world.KeyOf(name)
		old, had, err := b.w.ByName.Lookup(key)
		world.Must(b.t, err)
		st, _ := b.w.Named.Stat(old)
		had = had && st.State() != shm.Retiring // who retires holds nobody up
		var r shm.Ref[world.Job]
		var inserted bool
		refused := false
		b.do("contend", func() error {
			c, err := b.w.Named.TryNew()
			if err != nil {
				return err
			}
			c.Record().Key = key
			r, inserted, err = b.w.ByName.Insert(c, nil)
			if refused = b.crowded && errors.Is(err, shm.ErrFull); refused {
				return nil
			}
			return err
		})
		if refused {
			continue
		}
		if now, ok, err := b.w.ByName.Lookup(key); err != nil || !ok || now != r || inserted == had {
			b.t.Errorf("at %s: key %s was there: %v; inserted %v: %v; found %v: %v, %v",
				b.point, name, had, r, inserted, now, ok, err)
		}
		if inserted {
			b.retire(r, func() error { return nil })
		}
	}
}
