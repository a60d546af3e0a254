package primitives

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"bitbucket.org/avd/go-ipc/mq"
	"github.com/cloudwego/shmipc-go"

	"github.com/aotf/sharedmem/shm/shmtest"
)

// Other Go libraries that pass messages between processes through shared memory.
// In neither does a queue outlive the death of a process in the middle of a call.

const (
	peerPatience = 10 * time.Second // a peer that hangs fails its row
	silent       = 5                // shmipc's level for no log at all
)

// peer passes messages of 8 bytes to another process and back.
type peer struct {
	put, get func(m *[8]byte) error
}

func init() {
	shmtest.Register("shmipc", func(args []string) {
		shmipc.SetLogLevel(silent)
		conf := shmipc.DefaultSessionManagerConfig()
		conf.Network, conf.Address, conf.MemMapType = "unix", args[0], shmipc.MemMapTypeMemFd
		manager, err := shmipc.NewSessionManager(conf)
		check(err)
		s, err := manager.GetStream()
		check(err)
		p := shmipcPeer(s)
		check(p.put(new([8]byte))) // a server sees a stream when something comes
		p.echo()
	})
	shmtest.Register("go-ipc", func(args []string) {
		there, err := mq.OpenFastMq(args[0], 0)
		check(err)
		back, err := mq.OpenFastMq(args[1], 0)
		check(err)
		goIPCPeer(back, there).echo()
	})
}

func (p peer) echo() {
	for m := new([8]byte); p.get(m) == nil; {
		check(p.put(m))
	}
}

func shmipcPeer(s *shmipc.Stream) peer {
	return peer{
		func(m *[8]byte) error {
			if _, err := s.BufferWriter().WriteBytes(m[:]); err != nil {
				return err
			}
			return s.Flush(false)
		},
		func(m *[8]byte) error {
			v, err := s.BufferReader().ReadBytes(len(m))
			if err == nil {
				copy(m[:], v)
				s.BufferReader().ReleasePreviousRead()
			}
			return err
		},
	}
}

func goIPCPeer(put, get *mq.FastMq) peer {
	return peer{
		func(m *[8]byte) error { return put.SendTimeout(m[:], peerPatience) },
		func(m *[8]byte) error { _, err := get.ReceiveTimeout(m[:], peerPatience); return err },
	}
}

func shmipcPair(b *testing.B) peer {
	shmipc.SetLogLevel(silent)
	path := place(b)
	l, err := net.Listen("unix", path)
	must(b, err)
	defer l.Close()
	shmtest.Child(b, "shmipc", path)
	c, err := l.Accept()
	must(b, err)
	conf := shmipc.DefaultConfig()
	conf.MemMapType = shmipc.MemMapTypeMemFd
	session, err := shmipc.Server(c, conf)
	must(b, err)
	b.Cleanup(func() { _ = session.Close() })
	s, err := session.AcceptStream()
	must(b, err)
	p := shmipcPeer(s)
	must(b, p.get(new([8]byte)))
	return p
}

func goIPCPair(b *testing.B) peer {
	var queues [2]*mq.FastMq
	var names [2]string
	for i := range queues {
		names[i] = filepath.Base(place(b))
		q, err := mq.CreateFastMq(names[i], 0, 0o600, throughputWindow, 8)
		must(b, err)
		b.Cleanup(func() { _ = q.Destroy() })
		queues[i] = q
	}
	shmtest.Child(b, "go-ipc", names[:]...)
	return goIPCPeer(queues[0], queues[1])
}

func (p peer) trips(b *testing.B) {
	m := new([8]byte)
	trips(b, func() error {
		if err := p.put(m); err != nil {
			return err
		}
		return p.get(m)
	})
}

// throughput keeps a window of messages on their way.
func (p peer) throughput(b *testing.B) {
	m := new([8]byte)
	for range throughputWindow {
		must(b, p.put(m))
	}
	b.ResetTimer()
	meter := startMeter(0)
	for i := range b.N {
		if err := p.get(m); err != nil {
			b.Fatal(err)
		}
		if err := p.put(m); err != nil {
			b.Fatal(err)
		}
		meter.look(i + 1)
	}
	meter.report(b)
}
