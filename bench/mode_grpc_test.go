package bench

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "github.com/aotf/sharedmem/bench/memorypb"
	"github.com/aotf/sharedmem/objects"
)

// gRPC over a Unix socket, generated code, no TLS, one connection a process.

type grpcServer struct {
	pb.UnimplementedMemoryServer
	s *Service
}

func serveGRPC(l net.Listener, s *Service) error {
	g := grpc.NewServer()
	pb.RegisterMemoryServer(g, &grpcServer{s: s})
	return g.Serve(l)
}

func (g *grpcServer) Launch(_ context.Context, a *pb.Text) (*pb.Launched, error) {
	var r Launched
	err := g.s.Launch(a.GetText(), &r)
	return &pb.Launched{Id: r.ID, Yes: r.Yes}, err
}

func (g *grpcServer) Lookup(_ context.Context, a *pb.Text) (*pb.Launched, error) {
	var r Launched
	err := g.s.Lookup(a.GetText(), &r)
	return &pb.Launched{Id: r.ID, Yes: r.Yes}, err
}

func (g *grpcServer) Status(_ context.Context, a *pb.Text) (*pb.State, error) {
	var r State
	err := g.s.Status(a.GetText(), &r)
	st := &pb.State{Status: uint32(r.Status), Problem: uint32(r.Problem), ImageUrls: r.ImageURLs, FirstScan: r.FirstScan}
	for _, a := range r.Accounts {
		st.Accounts = append(st.Accounts, &pb.Account{Id: a.ID, Name: a.Name})
	}
	for _, f := range r.Found {
		st.Found = append(st.Found, &pb.Found{Account: f.Account, Tweet: f.Tweet, Position: uint32(f.Position),
			Images: uint32(f.Images), Distance: uint32(f.Distance)})
	}
	return st, err
}

func (g *grpcServer) Claim(_ context.Context, a *pb.Number) (*pb.Claimed, error) {
	var r Claimed
	err := g.s.Claim(a.GetNumber(), &r)
	return &pb.Claimed{Claim: r.Claim, Id: r.ID, Url: r.URL}, err
}

func (g *grpcServer) Advance(_ context.Context, a *pb.Number) (*pb.Empty, error) {
	return &pb.Empty{}, g.s.Advance(a.GetNumber(), nil)
}

func (g *grpcServer) Fail(_ context.Context, a *pb.Number) (*pb.Empty, error) {
	return &pb.Empty{}, g.s.Fail(a.GetNumber(), nil)
}

func (g *grpcServer) Allow(_ context.Context, a *pb.Text) (*pb.Launched, error) {
	var r pb.Launched
	err := g.s.Allow(a.GetText(), &r.Yes)
	return &r, err
}

func (g *grpcServer) Acquire(context.Context, *pb.Empty) (*pb.Number, error) {
	var r pb.Number
	err := g.s.Acquire(Empty{}, &r.Number)
	return &r, err
}

func (g *grpcServer) Release(_ context.Context, a *pb.Number) (*pb.Empty, error) {
	return &pb.Empty{}, g.s.Release(a.GetNumber(), nil)
}

func (g *grpcServer) Put(_ context.Context, a *pb.Number) (*pb.Empty, error) {
	return &pb.Empty{}, g.s.Put(a.GetNumber(), nil)
}

func (g *grpcServer) Get(context.Context, *pb.Empty) (*pb.Number, error) {
	var r pb.Number
	err := g.s.Get(Empty{}, &r.Number)
	return &r, err
}

type grpcClient struct {
	conn *grpc.ClientConn
	c    pb.MemoryClient
}

func openGRPC(_ testing.TB, addr string) (memory, error) {
	conn, err := grpc.NewClient("unix:"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	return &grpcClient{conn, pb.NewMemoryClient(conn)}, nil
}

func (m *grpcClient) Launch(url string) (id, bool, error) {
	r, err := m.c.Launch(background, &pb.Text{Text: url})
	return id{remote: r.GetId()}, r.GetYes(), err
}

func (m *grpcClient) Lookup(url string) (id, bool, error) {
	r, err := m.c.Lookup(background, &pb.Text{Text: url})
	return id{remote: r.GetId()}, r.GetYes(), err
}

func (m *grpcClient) Status(x id, dst *objects.UserRequest) error {
	r, err := m.c.Status(background, &pb.Text{Text: x.remote})
	if err != nil {
		return err
	}
	*dst = objects.UserRequest{Status: objects.Status(r.GetStatus()), Problem: objects.Problem(r.GetProblem()),
		ImageURLs: r.GetImageUrls(), FirstScan: r.GetFirstScan()}
	for _, a := range r.GetAccounts() {
		dst.Accounts = append(dst.Accounts, objects.Account{ID: a.GetId(), Name: a.GetName()})
	}
	for _, f := range r.GetFound() {
		dst.Found = append(dst.Found, objects.Found{Account: f.GetAccount(), Tweet: f.GetTweet(),
			Position: uint8(f.GetPosition()), Images: uint8(f.GetImages()), Distance: uint8(f.GetDistance())})
	}
	return nil
}

func (m *grpcClient) Claim(s objects.Step) (claim, error) {
	r, err := m.c.Claim(background, &pb.Number{Number: int64(s)})
	return claim{id: id{remote: r.GetId()}, url: r.GetUrl(), remote: r.GetClaim()}, err
}

func (m *grpcClient) Advance(c claim) error {
	_, err := m.c.Advance(background, &pb.Number{Number: c.remote})
	return err
}

func (m *grpcClient) Fail(c claim) error {
	_, err := m.c.Fail(background, &pb.Number{Number: c.remote})
	return err
}

func (m *grpcClient) Put(v int64) error {
	_, err := m.c.Put(background, &pb.Number{Number: v})
	return err
}

func (m *grpcClient) Get() (int64, error) {
	r, err := m.c.Get(background, &pb.Empty{})
	return r.GetNumber(), err
}

func (m *grpcClient) Acquire() (permit, error) {
	r, err := m.c.Acquire(background, &pb.Empty{})
	return permit{remote: r.GetNumber()}, err
}

func (m *grpcClient) Release(p permit) error {
	_, err := m.c.Release(background, &pb.Number{Number: p.remote})
	return err
}

func (m *grpcClient) Allow(a netip.Addr) (bool, error) {
	r, err := m.c.Allow(background, &pb.Text{Text: a.String()})
	return r.GetYes(), err
}

func (m *grpcClient) Close() error { return m.conn.Close() }
