package bench

import (
	"net/netip"
	"net/rpc"
	"net/rpc/jsonrpc"
	"testing"

	"github.com/aotf/sharedmem/objects"
)

// netRPC is a client of net/rpc, with gob or JSON; one connection a process.
type netRPC struct{ c *rpc.Client }

func openNetRPC(_ testing.TB, addr string) (memory, error) {
	c, err := rpc.Dial(network(addr), addr)
	return &netRPC{c}, err
}

func openJSONRPC(_ testing.TB, addr string) (memory, error) {
	c, err := jsonrpc.Dial(network(addr), addr)
	return &netRPC{c}, err
}

func (m *netRPC) Launch(url string) (id, bool, error) {
	var r Launched
	err := m.c.Call("Service.Launch", url, &r)
	return id{remote: r.ID}, r.Yes, err
}

func (m *netRPC) Lookup(url string) (id, bool, error) {
	var r Launched
	err := m.c.Call("Service.Lookup", url, &r)
	return id{remote: r.ID}, r.Yes, err
}

func (m *netRPC) Status(x id, dst *objects.UserRequest) error {
	var r State
	err := m.c.Call("Service.Status", x.remote, &r)
	r.copyTo(dst)
	return err
}

func (m *netRPC) Claim(s objects.Step) (claim, error) {
	var r Claimed
	err := m.c.Call("Service.Claim", int64(s), &r)
	return claim{id: id{remote: r.ID}, url: r.URL, remote: r.Claim}, err
}

func (m *netRPC) Advance(c claim) error { return m.c.Call("Service.Advance", c.remote, &Empty{}) }
func (m *netRPC) Fail(c claim) error    { return m.c.Call("Service.Fail", c.remote, &Empty{}) }
func (m *netRPC) Put(v int64) error     { return m.c.Call("Service.Put", v, &Empty{}) }

func (m *netRPC) Get() (v int64, err error) {
	err = m.c.Call("Service.Get", Empty{}, &v)
	return v, err
}

func (m *netRPC) Acquire() (p permit, err error) {
	err = m.c.Call("Service.Acquire", Empty{}, &p.remote)
	return p, err
}

func (m *netRPC) Release(p permit) error { return m.c.Call("Service.Release", p.remote, &Empty{}) }

func (m *netRPC) Allow(a netip.Addr) (ok bool, err error) {
	err = m.c.Call("Service.Allow", a.String(), &ok)
	return ok, err
}

func (m *netRPC) Close() error { return m.c.Close() }
