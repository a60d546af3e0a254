package main

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// What AOTF keeps in bits of a word, in times since boot and in cells is said in
// words.
func TestDump_Words(t *testing.T) {
	name := shmtest.Name(t)
	m, err := objects.Create(name, nil)
	must(t, err)
	t.Cleanup(func() { _ = m.Close() })
	must(t, m.SetCounts(t.Context(), objects.Counts{Tweets: 637, Accounts: 13, ReadAt: time.Now()}))
	_, _, err = m.Users.Launch(t.Context(), objects.Query{URL: "https://art.example.org/1", Address: netip.MustParseAddr("192.0.2.1")})
	must(t, err)
	_, err = m.Scans.Launch(t.Context(), objects.Account{ID: 5, Name: "five"}, false, false)
	must(t, err)
	w, err := m.Threads.Register(t.Context(), "finder")
	must(t, err)
	_, err = m.Users.Claim(t.Context(), w, objects.Step1)
	must(t, err)
	var state webState
	must(t, state.load(place{name, segments(), name, ""}, false))
	if len(state.Threads) != 1 || state.Threads[0].Work == "" || state.Threads[0].For <= 0 {
		t.Errorf("threads: %+v", state.Threads)
	}
	out, _ := call(t, 0, "dump", name)
	fields := strings.Join(strings.Fields(out), " ")
	for _, want := range []string{"Outcome undecided", "tweets_count counts-current (637 tweets, 13 accounts)",
		"cell limits: 2561 (tokens 1, 10 per address)", " (637 tweets, 13 accounts) ", " ago "} {
		if !strings.Contains(fields, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for _, not := range []string{" State ", "bit8", "Begun 1h"} {
		if strings.Contains(fields, not) {
			t.Errorf("%q in\n%s", not, out)
		}
	}
}
