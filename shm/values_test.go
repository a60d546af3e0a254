package shm_test

import (
	"strings"
	"testing"

	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// A published value that is another record's, or gone, is noticed.
func TestVerify_Values(t *testing.T) {
	for what, spoil := range map[string]func(f *farm, mine, other shm.Claim[job]) error{
		"another's": func(_ *farm, mine, other shm.Claim[job]) error {
			mine.Record().Data = other.Record().Data
			return nil
		},
		"gone": func(f *farm, mine, _ shm.Claim[job]) error {
			stale := mine.Record().Data
			err := mine.SetBlob(&f.Data, &mine.Record().Data, nil)
			mine.Record().Data = stale
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			f := &farm{}
			s := shmtest.New(t, f, nil)
			mine, other := newJob(t, f, "mine", 1), newJob(t, f, "other", 2)
			for _, c := range []shm.Claim[job]{mine, other} {
				must(t, c.SetBlob(&f.Data, &c.Record().Data, []byte("value")))
			}
			must(t, spoil(f, mine, other))
			must(t, f.Todo.TryPut(mine))
			must(t, f.Todo.TryPut(other))
			var corrupt []string
			for v := range s.Verify() {
				if v.Severity == shm.Corrupt {
					corrupt = append(corrupt, v.String())
				}
			}
			if len(corrupt) != 1 || !strings.Contains(corrupt[0], "not its own") {
				t.Errorf("found %q, want the field with what is not its own", corrupt)
			}
		})
	}
}
