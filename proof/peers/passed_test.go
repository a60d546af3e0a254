//go:build linux && (amd64 || arm64)

package peers

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// A descriptor that was passed to another process (SCM_RIGHTS) is the same open file,
// and holds the locks of the dead, as after a fork: nobody is robbed, so the claim
// waits until the other one closes it.
func TestPassedDescriptor(t *testing.T) {
	w, s := posted(t, nil)
	at := filepath.Join(t.TempDir(), "socket")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: at, Net: "unix"})
	world.Must(t, err)
	defer l.Close()
	p := shmtest.Child(t, "passer", s.Name(), at)
	c, err := l.AcceptUnix()
	world.Must(t, err)
	defer c.Close()
	rights := make([]byte, syscall.CmsgSpace(4))
	_, n, _, _, err := c.ReadMsgUnix(make([]byte, 1), rights)
	world.Must(t, err)
	messages, err := syscall.ParseSocketControlMessage(rights[:n])
	world.Must(t, err)
	fds, err := syscall.ParseUnixRights(&messages[0])
	world.Must(t, err)
	p.Want("passed")
	p.Kill()
	for range 5 {
		r, err := s.Sweep(t.Context())
		world.Must(t, err)
		if r != (shm.Report{}) {
			t.Errorf("swept although its descriptor is open here: %+v", r)
		}
	}
	world.Must(t, syscall.Close(fds[0]))
	comesBack(t, w)
}

func init() {
	// passer NAME SOCKET: claim the job, pass the segment's descriptor on, and stay.
	shmtest.Register("passer", func(args []string) {
		w := &world.World{}
		_, err := shm.Attach(args[0], w, nil)
		world.Check(err)
		claim(w)
		c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: args[1], Net: "unix"})
		world.Check(err)
		_, _, err = c.WriteMsgUnix([]byte{0}, syscall.UnixRights(segmentDescriptor(args[0])), nil)
		world.Check(err)
		fmt.Println("passed")
		_, _ = os.Stdin.Read(make([]byte, 1))
	})
}
