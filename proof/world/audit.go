package world

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

func auditUsual(t testing.TB, name string, acks map[string]bool) {
	t.Helper()
	audit(t, name, acks, nil)
}

// audit attaches after the death, sweeps, verifies and takes everything out.
func audit(t testing.TB, name string, acks map[string]bool, relieve func(testing.TB, *World)) {
	t.Helper()
	w := &World{segment: name}
	s, err := shm.Attach(name, w, nil)
	Must(t, err)
	defer s.Close()
	_, err = s.Sweep(t.Context())
	Must(t, err)
	if relieve != nil {
		relieve(t, w)
		_, err = s.Sweep(t.Context())
		Must(t, err)
	}
	shmtest.Verify(t, s)
	if r, err := s.Sweep(t.Context()); err != nil || r != (shm.Report{}) {
		t.Errorf("a second sweep found work: %+v %v", r, err)
	}
	if n := len(s.Processes()); n != 1 {
		t.Errorf("%d processes registered: %+v", n, s.Processes())
	}
	laps(t, w)
	compare(t, takeOut(t, w), acks)
	for _, o := range []string{"jobs", "slots", "lock", "named", "data-64", "data-256"} {
		if n := Used(s, o); n != 0 {
			t.Errorf("%s: %d left", o, n)
		}
	}
	adds := int(w.Count.Sum()[0])
	for a := range acks {
		n := 0
		if k, _ := fmt.Sscanf(a, "adds %d", &n); k == 1 {
			adds -= n
		}
	}
	if adds != 1 && (adds != 0 || acks["counted"]) || adds == 1 && !acks["counting"] {
		t.Errorf("the sum is off by %d", adds)
	}
	if v := w.Root.Load(); v != 7 && (v != 0 || acks["swapped"]) || v == 7 && !acks["swapping"] {
		t.Errorf("the cell is %d", v)
	}
}

// laps turns the ring many times round: whatever lags in it after the death, it
// goes on working, also when nothing is got from its head for laps.
func laps(t testing.TB, w *World) {
	for range 3 * Jobs {
		for r, st := range w.Jobs.All() {
			if st.Queue() == "todo" {
				c, err := w.Todo.Take(r)
				Must(t, err)
				putBack(t, w, c)
			}
		}
	}
}

// putBack posts a claim; when the ring is full of slots that lead to nothing, the
// job at its head goes behind it.
func putBack(t testing.TB, w *World, claims ...shm.Claim[Job]) {
	t.Helper()
	for len(claims) > 0 {
		err := w.Todo.TryPut(claims[0])
		if errors.Is(err, shm.ErrFull) {
			head, err := w.Todo.TryGet()
			Must(t, err)
			claims = append(claims, head)
			continue
		}
		Must(t, err)
		claims = claims[1:]
	}
}

// takeOut frees everything and returns where each job was.
func takeOut(t testing.TB, w *World) (at map[uint64]string) {
	t.Helper()
	at = map[uint64]string{}
	out := func(place string, c shm.Claim[Job]) {
		t.Helper()
		n := c.Record().Number
		if at[n] != "" {
			t.Errorf("job %d is in %s and in %s", n, at[n], place)
		}
		at[n] = place
		if place == "done" {
			text, err := w.Data.Append(nil, c.Record().Result.Text)
			if err != nil || string(text) != "result" || c.Record().Result.Sum != 1 {
				t.Errorf("result of job %d: %q %v", n, text, err)
			}
		}
		Must(t, c.Free())
	}
	drain := func(place string, get func() (shm.Claim[Job], error)) {
		t.Helper()
		for {
			c, err := get()
			if errors.Is(err, shm.ErrEmpty) {
				return
			}
			Must(t, err)
			out(place, c)
		}
	}
	drain("queue", func() (shm.Claim[Job], error) {
		c, err := w.Queue.TryGet()
		if err == nil {
			if r, ok, _ := w.ByName.Lookup(c.Record().Key); !ok || r != c.Ref() {
				t.Errorf("queued, and the index leads to %v", r)
			}
		}
		return c, err
	})
	drain("todo", w.Todo.TryGet)
	drain("done", w.Done.TryGet)
	drain("picky", func() (shm.Claim[Job], error) { return w.Picky.TryGet(nil) })
	drain("urgent", func() (shm.Claim[Job], error) { return w.Urgent.TryGet(nil) })
	for _, a := range []*shm.Arena[Job]{&w.Jobs, &w.Named} {
		for r, st := range a.All() {
			if st.State() != shm.Settled {
				t.Errorf("record %v is %v", r, st.State())
				continue
			}
			c, err := a.Retire(r)
			Must(t, err)
			out("settled", c)
		}
	}
	return at
}

// compare checks where the jobs were against what was said of them: a job that
// "is" somewhere is there, one that "may" be somewhere is there or where it
// "had" been, and no job is there that nobody has made.
func compare(t testing.TB, at map[uint64]string, acks map[string]bool) {
	t.Helper()
	before, later := map[uint64][]string{}, map[uint64][]string{}
	for n, place := range staged {
		before[n] = []string{place}
	}
	sure := map[uint64]bool{}
	for a := range acks {
		var verb, place string
		var n uint64
		if k, _ := fmt.Sscanf(a, "%s %d %s", &verb, &n, &place); k != 3 {
			continue
		}
		switch verb {
		case "had":
			before[n] = []string{place}
		case "may":
			later[n] = append(later[n], place)
		case "is":
			before[n], sure[n] = []string{place}, true
		}
	}
	for n, places := range later {
		if before[n] == nil {
			before[n] = []string{"free"}
		}
		if !sure[n] {
			before[n] = append(before[n], places...)
		}
	}
	for n, places := range before {
		place := at[n]
		if place == "" {
			place = "free"
		}
		if !slices.Contains(places, place) {
			t.Errorf("job %d is in %s, want %v", n, place, places)
		}
	}
	for n, place := range at {
		if before[n] == nil {
			t.Errorf("job %d is in %s, and nobody has put it", n, place)
		}
	}
}
