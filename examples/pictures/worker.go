package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/aotf/sharedmem/examples/pictures/internal/catalog"
	"github.com/aotf/sharedmem/objects"
)

// workerWord as first argument makes this program a worker: its role, the
// segment, the folder of the accounts and the catalogue follow.
const workerWord = "worker"

// worker is one worker process: it attaches, never creates.
type worker struct {
	m   *objects.SharedMemory
	cat *catalog.Catalog
	dir string

	scratch string // folder of the run
}

// loops are the threads of each role, by name.
func (w *worker) loops(role string) map[string]func(context.Context, objects.Worker) error {
	switch {
	case role == "users":
		return map[string]func(context.Context, objects.Worker) error{
			"link_finder_th1": w.step1, "link_finder_th2": w.step1,
			"tweets_indexer_th1": w.step2, "tweets_indexer_th2": w.step2,
		}
	case role == "search":
		return map[string]func(context.Context, objects.Worker) error{
			"reverse_search_th1": w.step3, "reverse_search_th2": w.step3,
		}
	case role == "lister":
		return map[string]func(context.Context, objects.Worker) error{
			"lister_A_th1": w.list(objects.LegA), "lister_B_th1": w.list(objects.LegB),
		}
	case strings.HasPrefix(role, "indexer-"):
		return map[string]func(context.Context, objects.Worker) error{
			"step_C_" + role: w.index,
		}
	}
	return nil
}

func runWorker(args []string) int {
	if len(args) != 4 {
		fmt.Fprintln(os.Stderr, "pictures: a worker is started by the front only")
		return 2
	}
	if err := work(args[0], args[1], args[2], args[3]); err != nil {
		fmt.Fprintf(os.Stderr, "pictures: worker %s: %v\n", args[0], err)
		return 1
	}
	return 0
}

func work(role, segment, dir, db string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // the front's end of the pipe closes when it ends, however it does
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	cat, err := catalog.Open(db)
	if err != nil {
		return err
	}
	defer cat.Close()
	m, err := objects.Open(segment, &objects.Options{Attach: true})
	if errors.Is(err, objects.ErrStopped) || errors.Is(err, objects.ErrRetired) {
		return nil // the run ended while we started
	}
	if err != nil {
		return err
	}
	fmt.Println("attached", m.Segment().Slot())
	w := &worker{m, cat, dir, filepath.Dir(db)}
	var all sync.WaitGroup
	var mu sync.Mutex
	var failure error
	for name, loop := range w.loops(role) {
		me, err := m.Threads.Register(ctx, name)
		if err != nil {
			cancel()
			failure = fmt.Errorf("register %s: %w", name, err)
			break
		}
		all.Go(func() {
			if err := loop(ctx, me); err != nil && !ended(err) {
				mu.Lock()
				failure = errors.Join(failure, fmt.Errorf("%s: %w", name, err))
				mu.Unlock()
				cancel()
			}
			_ = me.Close()
		})
	}
	messages, stop := context.WithCancel(ctx)
	served := make(chan struct{})
	go func() { // writes this process's stacks when asked to: shmtool stacks
		_ = m.ServeMessages(messages, "")
		close(served)
	}()
	all.Wait()
	stop()
	<-served
	if err := m.Close(); err != nil && failure == nil {
		failure = err
	}
	return failure
}

// guard runs one step on a claim. Its panic or error ends the claim as failed,
// and the worker goes on; only the end of the run ends the worker.
func (w *worker) guard(ctx context.Context, c objects.Ending, step func(context.Context) error) error {
	err := objects.Guard(ctx, c, step)
	if err == nil || ended(err) {
		return err
	}
	fmt.Fprintln(os.Stderr, "pictures:", err)
	return nil
}

// ended tells whether an error is the ordinary end of a worker.
func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, objects.ErrStopped) || errors.Is(err, objects.ErrRetired)
}
