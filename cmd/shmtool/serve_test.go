package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
)

// serving starts serve for the time of the test and returns its URL.
func serving(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out := &lineReader{}
	code, _ := begin(ctx, nil, out, append([]string{"serve"}, args...)...)
	t.Cleanup(func() { cancel(); ended(t, code, 0) })
	out.want(t, "/\n")
	return strings.TrimSpace(strings.TrimPrefix(out.String(), "serving "))
}

func ask(t *testing.T, method, url, host string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	must(t, err)
	if host != "" {
		r.Host = host
	}
	resp, err := http.DefaultClient.Do(r)
	must(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp, string(b)
}

var sampleLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{([a-zA-Z_][a-zA-Z0-9_]*="(\\[\\"n]|[^\\"\n])*",?)*\})? (-?[0-9.e+-]+|NaN|[+-]Inf)$`)

// parseMetrics reads the text format of Prometheus, and refuses what a scraper
// would: a sample without HELP and TYPE, a family in two pieces, a sample twice.
func parseMetrics(text string) (map[string]string, error) {
	samples, done := map[string]string{}, map[string]bool{}
	family, kind, help := "", "", ""
	if !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("no newline at the end")
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		w := strings.SplitN(line, " ", 4)
		switch {
		case strings.HasPrefix(line, "# HELP ") && len(w) == 4:
			if done[family] = true; done[w[2]] {
				return nil, fmt.Errorf("%s: in two pieces", w[2])
			}
			help, family, kind = w[2], w[2], ""
		case strings.HasPrefix(line, "# TYPE ") && len(w) == 4:
			if kind = w[3]; w[2] != help || kind != "gauge" && kind != "counter" {
				return nil, fmt.Errorf("bad TYPE: %s", line)
			}
		default:
			m := sampleLine.FindStringSubmatch(line)
			if m == nil || m[1] != family || kind == "" || (kind == "counter") != strings.HasSuffix(family, "_total") {
				return nil, fmt.Errorf("bad sample: %s", line)
			}
			if _, twice := samples[m[1]+m[2]]; twice {
				return nil, fmt.Errorf("twice: %s", line)
			}
			samples[m[1]+m[2]] = m[len(m)-1]
		}
	}
	return samples, nil
}

func TestServe_Metrics(t *testing.T) {
	a, name := openShop(t)
	a.fill(t)
	_, text := ask(t, "GET", serving(t, name)+"metrics", "")
	got, err := parseMetrics(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	for sample, want := range map[string]string{
		"shm_up": "1", `shm_records{arena="jobs",state="posted"}`: "2", `shm_records{arena="jobs",state="owned"}`: "1", `shm_queue_depth{queue="todo"}`: "2",
		`shm_queue_posted_total{queue="todo"}`: "3", `shm_queue_taken_total{queue="todo"}`: "1", `shm_permits_held{semaphore="slots"}`: "1",
		`shm_counter_total{object="count",counter="put"}`: "3", `shm_cell{cell="root"}`: "42", `shm_capacity{object="jobs"}`: "16", `shm_processes{state="alive"}`: "1",
	} {
		if got[sample] != want {
			t.Errorf("%s is %q, want %s", sample, got[sample], want)
		}
	}
	for _, bad := range []string{"x 1\n", "# HELP a b\na 1\n", "# HELP a b\n# TYPE a gauge\na{b=\"c} 1\n", text + text, "# HELP a b\n# TYPE a gauge\na 1\na 1\n", "# HELP a b\n# TYPE a gauge\na 1"} {
		if _, err := parseMetrics(bad); err == nil {
			t.Errorf("the parser takes %.40q", bad)
		}
	}
}

func TestServe_IsReadOnlyAndLocal(t *testing.T) {
	url := serving(t, aotfSegment(t, 2))
	for _, c := range []struct {
		method, path, host string
		want               int
	}{
		{"GET", "", "", 200}, {"HEAD", "", "", 200}, {"GET", "metrics", "localhost:80", 200}, {"GET", "api/state", "[::1]:1", 200},
		{"POST", "", "", 405}, {"DELETE", "api/state", "", 405}, {"GET", "nothing", "", 404}, {"GET", "", "evil.example.org", 421},
		{"GET", "api/state", "127.0.0.1.example.org", 421}, {"GET", "metrics", "192.0.2.1:80", 421},
	} {
		resp, _ := ask(t, c.method, url+c.path, c.host)
		if resp.StatusCode != c.want || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s %s of %q: %s, want %d", c.method, c.path, c.host, resp.Status, c.want)
		}
	}
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:80", "127.0.0.1"} {
		call(t, 2, "serve", "x", "--addr", addr)
	}
}

// A segment that goes away is said to be away, and one that comes is shown.
func TestServe_SurvivesItsSegment(t *testing.T) {
	name := closedShop(t)
	url := serving(t, name)
	until := func(want string) {
		t.Helper()
		for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			resp, state := ask(t, "GET", url+"api/state", "")
			_, text := ask(t, "GET", url+"metrics", "")
			got, err := parseMetrics(text)
			if must(t, err); resp.StatusCode == 200 && got["shm_up"] == want && json.Valid([]byte(state)) && strings.Contains(state, `"error"`) == (want == "0") {
				return
			}
			if time.Since(start) > time.Minute {
				t.Fatalf("shm_up never is %s: %s", want, state)
			}
		}
	}
	until("1")
	must(t, shm.Remove(name, nil, false))
	until("0")
	s, err := shm.Create(name, &shop{}, nil)
	must(t, err)
	until("1")
	must(t, s.Close())
}

// The page as a browser renders it.
func TestServe_Page(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium here: the page was not rendered")
	}
	name := aotfSegment(t, 3)
	m, err := objects.Open(name, &objects.Options{Attach: true})
	must(t, err)
	defer m.Close()
	w, err := m.Threads.Register(t.Context(), "<b>finder</b>")
	must(t, err)
	_, err = m.Users.Claim(t.Context(), w, objects.Step1)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(), "--virtual-time-budget=5000", "--dump-dom", serving(t, name))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	dom, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &errs)
	}
	for _, want := range []string{"<title>" + name + " - shmtool</title>", "step_1_link_finder_queue", "<polyline points=", `aria-label="step-1: 1 waiting"`,
		"&lt;b&gt;finder&lt;/b&gt;", "https://art.example.org/1/", "step-1-count"} {
		if !strings.Contains(string(dom), want) {
			t.Errorf("no %q in the rendered page", want)
		}
	}
	if !strings.Contains(string(dom), `role="status"></div>`) || !strings.Contains(string(dom), `<main id="main">`) {
		t.Errorf("the page did not work:\n%s", &errs)
	}
}
