// Pictures is a miniature of AOTF over a tree of pictures: reverse image search
// for artists' accounts, by several processes that share one segment of memory.
//
//	go run ./examples/pictures [flags] [DIR]
//
// Each folder under DIR that holds images is an account, each image a tweet.
// Without DIR it draws a tree of its own. This process is the front: it creates
// the segment, starts the workers by running itself again, launches queries as
// AOTF's HTTP server does, polls them, and with --kill kills workers meanwhile.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type options struct {
	dir      string
	queries  int
	indexers int
	seed     uint64
	kill     int
	json     bool
	keep     bool
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == workerWord {
		os.Exit(runWorker(os.Args[2:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

const usage = `usage: go run ./examples/pictures [flags] [DIR]

Searches pictures by image, with several processes over one shared-memory
segment. Each folder under DIR that holds images is an account. Without DIR a
tree of 12 accounts with 50 pictures is drawn into a temporary folder, plus one
account with the images that ship with Go.

Exit codes: 0 every query right, 1 not, 2 bad arguments, 130 interrupted.

flags:
`

// run is the program, with its outcome as exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	fs := flag.NewFlagSet("pictures", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() { fmt.Fprint(stderr, usage); fs.PrintDefaults() }
	fs.IntVar(&o.queries, "queries", 24, "how many queries; every eighth is of a picture in no account")
	fs.IntVar(&o.indexers, "indexers", 2, "how many indexer processes")
	fs.Uint64Var(&o.seed, "seed", 1, "fixes the drawn tree, the queries and the victims")
	fs.IntVar(&o.kill, "kill", 0, "SIGKILL this many workers while they work; each is started again")
	fs.BoolVar(&o.json, "json", false, "print one JSON object on stdout")
	fs.BoolVar(&o.keep, "keep", false, "leave the segment for shmtool")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	if fs.NArg() > 1 || o.queries < 1 || o.queries > 2000 || o.indexers < 1 || o.indexers > 30 || o.kill < 0 || o.kill > 1000 {
		fmt.Fprintln(stderr, "pictures: want one DIR at most, 1 to 2000 queries, 1 to 30 indexers, 0 to 1000 kills (see --help)")
		return 2
	}
	if o.dir = fs.Arg(0); o.dir != "" {
		if st, err := os.Stat(o.dir); err != nil || !st.IsDir() {
			fmt.Fprintf(stderr, "pictures: %s is no folder\n", o.dir)
			return 2
		}
	}
	start := time.Now()
	r, err := runFront(ctx, o, newProgress(stderr))
	r.Seconds = time.Since(start).Seconds()
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "pictures: interrupted; everything was removed")
		return 130
	case err != nil:
		fmt.Fprintln(stderr, "pictures:", err)
		return 1
	}
	if o.json {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(r)
	} else {
		err = r.print(stdout)
	}
	if err != nil || r.Found != r.Queries {
		return 1
	}
	return 0
}
