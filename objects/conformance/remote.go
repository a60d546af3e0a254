package conformance

import (
	"context"
	"net/netip"
	"time"

	"github.com/aotf/sharedmem/objects"
)

// The nodes of an actor in another process, but for the two pipelines.

type remoteRoot struct{ *node }

func (n *remoteRoot) SetCounts(ctx context.Context, c objects.Counts) error {
	return n.just(ctx, "root.setcounts", &args{Counts: c})
}

func (n *remoteRoot) Counts(ctx context.Context) (objects.Counts, error) {
	r, err := n.do(ctx, "root.counts", &args{})
	return r.Counts, err
}

func (n *remoteRoot) Stop(ctx context.Context) error { return n.just(ctx, "root.stop", &args{}) }

func (n *remoteRoot) Stopped() bool {
	r, _ := n.do(context.Background(), "root.stopped", &args{})
	return r.OK
}

func (n *remoteRoot) Close() error { return n.just(context.Background(), "root.close", &args{}) }

type remoteHTTP struct{ *node }

func (n *remoteHTTP) Allow(ctx context.Context, addr netip.Addr) (bool, error) {
	r, err := n.do(ctx, "http.allow", &args{Query: objects.Query{Address: addr}})
	return r.OK, err
}

func (n *remoteHTTP) Unfinished(ctx context.Context, addr netip.Addr) (int, error) {
	r, err := n.do(ctx, "http.unfinished", &args{Query: objects.Query{Address: addr}})
	return r.N[0], err
}

type remoteMetrics struct{ *node }

func (n *remoteMetrics) Add(ctx context.Context, m objects.Metric, count int, sum time.Duration) error {
	return n.just(ctx, "metrics.add", &args{Metric: uint8(m), N: int64(count), Took: sum})
}

func (n *remoteMetrics) All(ctx context.Context) ([]objects.Mean, error) {
	r, err := n.do(ctx, "metrics.all", &args{})
	return r.Means, err
}

type remoteThreads struct{ *node }

func (n *remoteThreads) Register(ctx context.Context, name string) (objects.Worker, error) {
	r, err := n.do(ctx, "threads.register", &args{Texts: []string{name}})
	if err != nil {
		return nil, err
	}
	return &remoteWorker{n.node, name, r.On}, nil
}

func (n *remoteThreads) List(ctx context.Context) ([]objects.Thread, error) {
	r, err := n.do(ctx, "threads.list", &args{})
	return r.Threads, err
}

type remoteWorker struct {
	*node
	name string
	on   int
}

func (w *remoteWorker) Name() string { return w.name }

func (w *remoteWorker) Close() error {
	return w.just(context.Background(), "worker.close", &args{On: w.on})
}

// workerNumber is 0 for an anonymous one.
func workerNumber(w objects.Worker) int {
	if x, ok := w.(*remoteWorker); ok {
		return x.on
	}
	return 0
}

type remoteProcesses struct{ *node }

func (n *remoteProcesses) List(ctx context.Context) ([]objects.ProcessInfo, error) {
	r, err := n.do(ctx, "processes.list", &args{})
	return r.Procs, err
}

func (n *remoteProcesses) Send(ctx context.Context, msg objects.Message) (int, error) {
	r, err := n.do(ctx, "processes.send", &args{Message: uint64(msg)})
	return r.N[0], err
}

func (n *remoteProcesses) Receive(ctx context.Context) (objects.Message, error) {
	r, err := n.do(ctx, "processes.receive", &args{})
	return objects.Message(r.Message), err
}

// remoteClaim is what claims of all kinds have in common.
type remoteClaim struct {
	*node
	on, attempt int
}

func (c *remoteClaim) Attempt() int { return c.attempt }

func (c *remoteClaim) Open() bool {
	r, err := c.do(context.Background(), "claim.open", &args{On: c.on})
	return err == nil && r.OK
}

func (c *remoteClaim) Release(ctx context.Context) error {
	return c.just(ctx, "claim.release", &args{On: c.on})
}
