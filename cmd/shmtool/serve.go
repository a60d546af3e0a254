package main

import (
	"context"
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
)

func serveCommand() *command {
	addr := "127.0.0.1:0"
	return &command{
		name: "serve", args: "NAME", least: 1, most: 1, short: "show a segment as a web page, and to Prometheus",
		help: `Serves a page that shows the segment live: how full it is, depths of the queues over
the last minutes, processes, and for AOTF the tree of its objects and what each of
its threads works on. On this host only.

  /            the page
  /metrics     processes, records, depths, permits, counters and cells in the text
               format of Prometheus; shm_up is 0 while there is no such segment
  /api/state   what the page shows, as JSON

It only looks, and answers GET and HEAD only. It takes loopback addresses only, and
requests whose Host header is one: a page of the web cannot read it through the
operator's browser. Everybody on this host can: --redact hides texts and addresses.
A segment that is removed is waited for. It runs until it gets SIGINT or SIGTERM.

Examples:
  shmtool serve NAME
  shmtool serve NAME --addr 127.0.0.1:9110 --redact

Exit codes: 0 ended by a signal; 1 the address cannot be used; 2 bad usage.`,
		shows: true,
		flags: func(fs *flag.FlagSet) {
			fs.StringVar(&addr, "addr", addr, "listen on `HOST:PORT`, a loopback address; port 0 is any free one")
		},
		run: func(t *tool) error { return t.serve(addr) },
	}
}

func (t *tool) serve(addr string) error {
	p, err := t.place()
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || !isLoopback(host) {
		return usagef("--addr %q: want a loopback address and a port, like 127.0.0.1:9110", addr)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return err
	}
	if t.json {
		err = t.printJSONLine(struct {
			URL string `json:"url"`
		}{"http://" + listener.Addr().String() + "/"})
	} else {
		t.printf("serving http://%s/\n", listener.Addr())
	}
	if err = errors.Join(err, t.out.Flush()); err != nil {
		return errors.Join(err, listener.Close())
	}
	ctx, stop := signal.NotifyContext(t.ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	server := &http.Server{Handler: newWebsite(p, t.redact), ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || err == nil && a.IsLoopback()
}

// A website answers with one look at the segment, which it keeps for a moment.
type website struct {
	p      place
	redact bool
	policy string
	mux    *http.ServeMux

	mu    sync.Mutex
	last  webState
	until time.Time
}

//go:embed serve.html
var page string

// oneLook is how long one look serves everybody who asks.
const oneLook = 200 * time.Millisecond

func newWebsite(p place, redact bool) *website {
	w := &website{p: p, redact: redact, mux: http.NewServeMux()}
	w.policy = fmt.Sprintf("default-src 'none'; script-src %s; style-src %s; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		sourceHash("script"), sourceHash("style"))
	w.mux.HandleFunc("/{$}", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = rw.Write([]byte(page))
	})
	w.mux.HandleFunc("/api/state", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode(w.look())
	})
	w.mux.HandleFunc("/metrics", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = rw.Write([]byte(metricsText(w.look())))
	})
	return w
}

// sourceHash allows the one element of that name in the page.
func sourceHash(element string) string {
	_, text, _ := strings.Cut(page, "<"+element+">")
	text, _, _ = strings.Cut(text, "</"+element+">")
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (w *website) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	h := rw.Header()
	h.Set("Content-Security-Policy", w.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	switch {
	case !isLoopback(host): // a name of the web that leads here
		http.Error(rw, "ask for it by a loopback address", http.StatusMisdirectedRequest)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(rw, "it can only be looked at", http.StatusMethodNotAllowed)
	default:
		w.mux.ServeHTTP(rw, r)
	}
}

// A webState is one look at the segment; without one, Error says why.
type webState struct {
	Time  time.Time `json:"time"`
	Error string    `json:"error,omitempty"`
	segmentStat
	Tree []treeNode `json:"tree,omitempty"`
}

func (w *website) look() webState {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := time.Now(); now.After(w.until) {
		w.last = webState{Time: now}
		if err := w.last.load(w.p, w.redact); err != nil {
			w.last = webState{Time: now, Error: explain(err)}
		}
		w.until = time.Now().Add(oneLook)
	}
	return w.last
}

func (s *webState) load(p place, redact bool) error {
	m, err := p.inspect()
	if err != nil {
		return err
	}
	defer m.Close()
	if s.segmentStat, err = statOf(m, false); err != nil {
		return err
	}
	s.Tree = treeOf(s.Objects)
	s.Threads, err = threadsOf(m, s.Objects, redact)
	return err
}
