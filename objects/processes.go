package objects

import (
	"context"
	"os"
	"time"

	"github.com/aotf/sharedmem/shm"
)

// A Message is a set of requests to a process; the same message sent twice
// before it is read is one.
type Message uint64

// WriteStacks asks a process to write the stacks of its goroutines to a file.
const WriteStacks Message = 1 << 0

// A ProcessInfo is one process of the application.
type ProcessInfo struct {
	Process int       `json:"process"` // process id
	Slot    int       `json:"slot"`    // in the segment's registry
	Since   time.Time `json:"since"`
	Memory  int64     `json:"memory"` // resident bytes, 0 when unknown
}

// Processes lists the processes of the application and sends them messages.
type Processes interface {
	// List returns all processes, in no order; one that is dying is listed.
	List(ctx context.Context) ([]ProcessInfo, error)
	// Send sends a message to every attached process, and returns to how many.
	Send(ctx context.Context, msg Message) (int, error)
	// Receive waits for messages to this process and takes them.
	Receive(ctx context.Context) (Message, error)
}

type processes struct {
	m *SharedMemory
	c shm.Claim[processRecord]
}

// register gives this process a mailbox; it vanishes with the process.
func (p *processes) register() error {
	c, err := p.m.tree.processes.TryNew()
	if err != nil {
		return err
	}
	rec := c.Record()
	rec.Process, rec.Slot, rec.Since = int64(os.Getpid()), int64(p.m.seg.Slot()), time.Now().UnixNano()
	p.c, err = c.Hold()
	return err
}

func (p *processes) List(ctx context.Context) (list []ProcessInfo, err error) {
	var rec processRecord
	for r := range p.m.tree.processes.All() {
		if _, err := p.m.tree.processes.Load(r, &rec); err == nil {
			list = append(list, ProcessInfo{int(rec.Process), int(rec.Slot), unixTime(rec.Since), residentMemory(int(rec.Process))})
		}
	}
	return list, nil
}

func (p *processes) Send(ctx context.Context, msg Message) (n int, err error) {
	for r, st := range p.m.tree.processes.All() {
		if st.State() != shm.Owned {
			continue
		}
		if rec, err := p.m.tree.processes.Words(r); err == nil {
			rec.Mail.Or(uint64(msg))
			n++
		}
	}
	p.m.tree.mail.Signal()
	return n, nil
}

func (p *processes) Receive(ctx context.Context) (msg Message, err error) {
	mail := &p.c.Record().Mail
	err = p.m.tree.mail.Wait(ctx, func() (bool, error) {
		v := mail.Load()
		if v == 0 || !mail.CompareAndSwap(v, 0) {
			return false, nil
		}
		msg = Message(v)
		return true, nil
	})
	return msg, err
}
