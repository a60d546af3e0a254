//go:build linux && (amd64 || arm64)

package storm

import (
	"fmt"
	"syscall"

	"github.com/aotf/sharedmem/proof/world"
)

// startControl starts a process that does the same work in memory of its own: its
// slow calls are the machine's pauses. It is neither killed nor stopped.
func (c *campaign) startControl() func() {
	cmd := command("control", "4", fmt.Sprint(c.seed))
	out, err := cmd.StdoutPipe()
	world.Must(c.t, err)
	world.Must(c.t, cmd.Start())
	p, own := &child{}, newLedger()
	in := own.listener()
	p.listen(in)
	done := make(chan struct{})
	go func() { in.read(out); close(done) }()
	return func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-done
		if err := cmd.Wait(); err != nil || !in.bye || len(own.bad) > 0 {
			c.t.Errorf("the control: %v %v", err, own.bad)
		}
		c.f.control(p, own)
	}
}
