package world

import "github.com/aotf/sharedmem/shm"

// Mess leaves as much half done as one process can.
func Mess(segment string) {
	w := &World{}
	_, err := shm.Attach(segment, w, nil)
	Check(err)
	c, err := w.Todo.TryGet()
	Check(err)
	Check(c.SetBlob(&w.Data, &c.Record().Result.Text, []byte("half")))
	_, err = w.Picky.TryGet(nil)
	Check(err)
	c, err = w.Jobs.TryNew()
	Check(err)
	Check(c.SetBlob(&w.Data, &c.Record().Data, []byte("new")))
	c, err = w.Jobs.TryNew()
	Check(err)
	_, err = c.Hold()
	Check(err)
	_, err = w.Slots.TryAcquire()
	Check(err)
	_, err = w.Lock.TryLock()
	Check(err)
	c, err = w.Named.TryNew()
	Check(err)
	c.Record().Key = KeyOf("held")
	_, _, _, err = w.ByName.InsertHeld(c)
	Check(err)
	c, err = w.Queue.TryGet()
	Check(err)
	r := c.Ref()
	Check(c.Settle())
	_, err = w.Named.Retire(r)
	Check(err)
}
