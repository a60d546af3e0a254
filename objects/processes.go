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

// Processes sends messages to the processes of the application.
type Processes interface {
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
