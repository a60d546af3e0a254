package objects

import (
	"context"
	"os"
	"time"

	"github.com/aotf/sharedmem/shm"
)

// A Thread is what the registry says of one worker.
type Thread struct {
	Name    string    `json:"name"`
	Process int       `json:"process"` // process id
	Slot    int       `json:"slot"`    // of its process in the segment's registry
	Since   time.Time `json:"since"`
	Work    string    `json:"work"` // what it has claimed, for people; "" when idle
	// WorkAge is how long it has had it: a large one names a stuck worker.
	WorkAge time.Duration `json:"work_age"`
}

// Threads says which worker runs where, and on what.
type Threads interface {
	// Register adds a worker of this process under a name of up to 64 bytes that
	// no living process has. It vanishes with the process, or by Worker.Close.
	// ErrTaken, ErrFull, ErrTooLarge.
	Register(ctx context.Context, name string) (Worker, error)
	// List returns all workers, in no order. Entries whose work is over or whose
	// process is dying are listed as they are; it never fails on them.
	List(ctx context.Context) ([]Thread, error)
}

type threads struct{ m *SharedMemory }

// A Worker is a registered thread of this process: what claims are made for. A
// nil Worker is an anonymous one.
type Worker interface {
	Name() string
	Close() error // ends the registration
}

type worker struct {
	m    *SharedMemory
	name string
	c    shm.Claim[threadRecord]
}

func (t *threads) Register(ctx context.Context, name string) (Worker, error) {
	tree := &t.m.tree
	c, err := tree.threads.TryNew()
	if err != nil {
		return nil, err
	}
	rec := c.Record()
	if err := shm.PutText(rec.Key.Name[:], name); err != nil {
		_ = c.Free()
		return nil, err
	}
	rec.Since, rec.Process = time.Now().UnixNano(), int64(os.Getpid())
	held, other, inserted, err := tree.byName.InsertHeld(c)
	if err == nil && !inserted {
		// Its owner may be dead and not swept yet. Whoever sweeps it, the name is
		// free when its record is gone.
		if _, e := t.m.seg.Sweep(ctx); e == nil {
			if _, e := tree.threads.Stat(other); e != nil {
				return t.Register(ctx, name)
			}
		}
		err = ErrTaken
	}
	if err != nil {
		return nil, err
	}
	return &worker{t.m, name, held}, nil
}

// local is the worker as this store knows it; nil when it is anonymous.
func local(w Worker) *worker {
	x, _ := w.(*worker)
	return x
}

// works publishes what the worker has claimed; 0: nothing.
func (w *worker) works(ref uint64) {
	if w != nil {
		w.c.Record().Claimed.Store(uint64(w.m.seg.Now()))
		w.c.Record().Work.Store(ref)
	}
}

func (w *worker) Name() string { return w.name }
func (w *worker) Close() error { return w.c.Free() }

func (t *threads) List(ctx context.Context) (list []Thread, err error) {
	var rec threadRecord
	for r := range t.m.tree.threads.All() {
		st, err := t.m.tree.threads.Load(r, &rec)
		if err != nil {
			continue
		}
		age := time.Duration(0)
		if rec.Work.Plain() != 0 {
			age = t.m.seg.Now() - time.Duration(rec.Claimed.Plain())
		}
		list = append(list, Thread{
			WorkAge: age,
			Name:    shm.Text(rec.Key.Name[:]), Process: int(rec.Process), Slot: st.Process(),
			Since: unixTime(rec.Since), Work: t.m.describe(rec.Work.Plain()),
		})
	}
	return list, nil
}

// describe says what a record is, for people.
func (m *SharedMemory) describe(v uint64) string {
	if v == 0 {
		return ""
	}
	var u userRecord
	if _, err := m.tree.users.Load(shm.RefOf[userRecord](v), &u); err == nil {
		return shm.Text(u.Key.URL[:])
	}
	var leg legRecord
	if _, err := m.tree.legs.Load(shm.RefOf[legRecord](v), &leg); err == nil {
		var scan scanRecord
		if _, err := m.tree.scans.Load(leg.Scan, &scan); err == nil {
			return "@" + shm.Text(scan.Name[:]) + " " + Leg(leg.Leg).String()
		}
	}
	var tw tweetRecord
	if _, err := m.tree.tweets.Load(shm.RefOf[tweetRecord](v), &tw); err == nil {
		return "tweet " + shm.Text(tw.Images[0].Name[:])
	}
	return "ended"
}
