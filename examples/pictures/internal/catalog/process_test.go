package catalog

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

const (
	childVar = "CATALOG_TEST_CHILD" // number of the child that this process is
	fileVar  = "CATALOG_TEST_FILE"

	children         = 3
	picturesPerChild = 1000
	wantKills        = 10
	sharedAccount    = 99 // to which all children write the same pictures
)

func TestMain(m *testing.M) {
	if child := os.Getenv(childVar); child != "" {
		if err := runChild(child, os.Getenv(fileVar)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runChild records the child's pictures, skipping those there, and prints the
// number of each one once it is recorded.
func runChild(child, path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	account, err := strconv.ParseInt(child, 10, 64)
	if err != nil {
		return err
	}
	c, err := Open(path)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.AddAccount(ctx, account, "account "+child); err != nil {
		return err
	}
	for picture := range int64(picturesPerChild) {
		has, err := c.Has(ctx, account, picture)
		if err != nil {
			return err
		}
		if has {
			continue
		}
		name := fmt.Sprint(picture)
		if err := c.Add(ctx, sharedAccount, picture, name, uint64(picture)); err != nil {
			return err
		}
		if picture%10 == 0 {
			if err := c.AddUnreadable(ctx, account, picture+picturesPerChild, name, "as told"); err != nil {
				return err
			}
		}
		if err := c.SaveCursor(ctx, account, 'A', name); err != nil {
			return err
		}
		// Last, since its being there means that the rest is.
		if err := c.Add(ctx, account, picture, name, ^uint64(picture)); err != nil {
			return err
		}
		fmt.Println(picture)
	}
	return c.SaveCursor(ctx, account, 'B', "end")
}

// startChild returns the running child and its output.
func startChild(t *testing.T, number int, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	self, err := os.Executable()
	check(t, err)
	cmd := exec.Command(self, "-test.run=^$")
	cmd.Env = append(os.Environ(), childVar+"="+strconv.Itoa(number), fileVar+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return cmd, bufio.NewScanner(out)
}

// Three processes create and fill one catalogue; one of them is killed again
// and again. Nothing reported as recorded may be missing, and the file must be
// sound.
func TestProcessesShareACatalogue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shared.db")
	var others []*exec.Cmd
	finished := make(chan struct{}, children)
	for number := 2; number <= children; number++ {
		cmd, out := startChild(t, number, path)
		others = append(others, cmd)
		go func() {
			for out.Scan() { // so that the pipe never fills
			}
			finished <- struct{}{}
		}()
	}

	reported, kills := int64(-1), 0
	for {
		cmd, out := startChild(t, 1, path)
		killed := false
		for lines := 0; out.Scan(); lines++ {
			number, err := strconv.ParseInt(out.Text(), 10, 64)
			check(t, err)
			reported = number
			// Killed at uneven places; what it had printed by then is still read.
			if !killed && kills < wantKills && lines == 5+7*kills {
				check(t, cmd.Process.Kill())
				killed = true
				kills++
			}
		}
		err := cmd.Wait()
		if !killed {
			check(t, err)
			break
		}
		c := open(t, path)
		for picture := range reported + 1 {
			if has, err := c.Has(t.Context(), 1, picture); err != nil || !has {
				t.Fatalf("after kill %d picture %d, reported as recorded, is missing: %v", kills, picture, err)
			}
		}
	}
	for range others {
		<-finished // Wait must not close the pipe under its reader
	}
	for _, cmd := range others {
		check(t, cmd.Wait())
	}
	if kills != wantKills {
		t.Errorf("killed %d times, want %d", kills, wantKills)
	}
	checkShared(t, path)
}

func checkShared(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite3", dataSource(path))
	check(t, err)
	defer db.Close()
	var verdict, mode string
	check(t, db.QueryRow(`PRAGMA integrity_check`).Scan(&verdict))
	check(t, db.QueryRow(`PRAGMA journal_mode`).Scan(&mode))
	if verdict != "ok" || mode != "wal" {
		t.Errorf("integrity check %q, journal mode %q", verdict, mode)
	}
	c := open(t, path)
	wantCounts(t, c, (children+1)*picturesPerChild, children)
	unreadable, err := c.Unreadable(t.Context())
	if err != nil || len(unreadable) != children*picturesPerChild/10 {
		t.Errorf("%d unreadable, %v; want %d", len(unreadable), err, children*picturesPerChild/10)
	}
	for account := int64(1); account <= children; account++ {
		a, b, scanned, err := c.Cursors(t.Context(), account)
		if err != nil || a != strconv.Itoa(picturesPerChild-1) || b != "end" || !scanned {
			t.Errorf("cursors of account %d: %q, %q, %v, %v", account, a, b, scanned, err)
		}
		matches, err := c.Search(t.Context(), []int64{account, sharedAccount}, ^uint64(7), 0)
		if err != nil || len(matches) != 1 || matches[0] != (Match{account, 7, "7", 0}) {
			t.Errorf("search in account %d found %v, %v", account, matches, err)
		}
	}
}
