package objects_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
)

// A step that finds no room for its values fails, and the request that is then
// ended can still be read: what is counted is counted after it is there.
func TestUser_NoRoomForAccounts(t *testing.T) {
	few := map[string]int{"blobs-1024": 1, "blobs-4096": 1, "blobs-16384": 1, "blobs-65536": 1}
	both(t, objects.Options{Capacity: few}, func(t *testing.T, m *objects.SharedMemory) {
		ctx := t.Context()
		accounts := make([]objects.Account, 5) // too many to lie in the record
		for i := range accounts {
			accounts[i] = objects.Account{ID: int64(i), Name: fmt.Sprint("a", i)}
		}
		for i := range 3 { // these take the larger blobs, and none has ended
			_, _, err := m.Users.Launch(ctx, objects.Query{URL: strings.Repeat("x", 4000) + fmt.Sprint(i)})
			must(t, err)
		}
		for range 3 {
			c, err := m.Users.Claim(ctx, nil, objects.Step1)
			must(t, err)
			must(t, c.LinkFound(ctx, accounts[:1], nil, time.Time{}))
		}
		for i := range 2 {
			id, _, err := m.Users.Launch(ctx, objects.Query{URL: fmt.Sprint("u", i)})
			must(t, err)
			c, err := m.Users.Claim(ctx, nil, objects.Step1)
			must(t, err)
			err = c.LinkFound(ctx, accounts, nil, time.Time{})
			if i == 0 {
				must(t, err)
				continue
			}
			if !errors.Is(err, objects.ErrFull) {
				t.Fatal(err)
			}
			must(t, c.Fail(ctx, objects.ProcessingError))
			var r objects.UserRequest
			must(t, m.Users.Load(ctx, id, &r))
			if r.Status != objects.End || len(r.Accounts) != 0 {
				t.Errorf("%+v", r)
			}
		}
	})
}

// Calls after Close fail; they do not crash, and a second Close says so.
func TestClose_Twice(t *testing.T) {
	both(t, objects.Options{}, func(t *testing.T, m *objects.SharedMemory) {
		id, _, err := m.Users.Launch(t.Context(), objects.Query{URL: "u"})
		must(t, err)
		w, err := m.Threads.Register(t.Context(), "w")
		must(t, err)
		var busy *shm.BusyError
		if err := m.Close(); !errors.As(err, &busy) { // the registered thread
			t.Fatal(err)
		}
		if err := m.Close(); !errors.Is(err, objects.ErrClosed) {
			t.Errorf("second Close: %v", err)
		}
		if err := w.Close(); err == nil {
			t.Error("a worker's late Close succeeded")
		}
		var r objects.UserRequest
		_ = m.Users.Load(t.Context(), id, &r)
		if _, _, err := m.Users.Launch(t.Context(), objects.Query{URL: "v"}); !errors.Is(err, objects.ErrClosed) {
			t.Errorf("launch after Close: %v", err)
		}
		if _, err := m.Users.Claim(t.Context(), nil, objects.Step1); !errors.Is(err, objects.ErrClosed) {
			t.Errorf("claim after Close: %v", err)
		}
	})
}
