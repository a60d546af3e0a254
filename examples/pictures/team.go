package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// member is one worker process.
type member struct {
	role  string
	cmd   *exec.Cmd
	stdin io.Closer // its end tells the worker that the front is gone
	slot  int       // in the segment's registry, -1 until it is attached
	ended chan struct{}
}

// team keeps one process for each role, and starts those again that were killed.
type team struct {
	f  *front
	db string

	mu      sync.Mutex
	members map[string]*member
	pids    map[int]bool // that have attached
	victims map[int]bool // that the front has killed
	err     error
	ending  bool
}

func newTeam(f *front, db string) *team {
	return &team{f: f, db: db, members: map[string]*member{}, pids: map[int]bool{os.Getpid(): true}, victims: map[int]bool{}}
}

func (t *team) start(indexers int) error {
	roles := []string{"users", "search", "lister"}
	for i := range indexers {
		roles = append(roles, fmt.Sprintf("indexer-%d", i+1))
	}
	for _, role := range roles {
		if err := t.hire(role); err != nil {
			return err
		}
	}
	return nil
}

// hire starts a worker by running this program again.
func (t *team) hire(role string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(exe, workerWord, role, t.f.m.Segment().Name(), t.f.dir, t.db)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start worker %s: %w", role, err)
	}
	m := &member{role: role, cmd: cmd, stdin: stdin, slot: -1, ended: make(chan struct{})}
	t.mu.Lock()
	t.members[role] = m
	t.mu.Unlock()
	go t.watch(m, stdout)
	return nil
}

// watch hears when the worker has attached, and replaces it when it was killed.
func (t *team) watch(m *member, stdout io.Reader) {
	defer close(m.ended)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		slot := 0
		if n, _ := fmt.Sscanf(lines.Text(), "attached %d", &slot); n == 1 {
			t.mu.Lock()
			m.slot = slot
			t.pids[m.cmd.Process.Pid] = true
			t.mu.Unlock()
		}
	}
	err := m.cmd.Wait()
	t.mu.Lock()
	// Whoever killed it, the front or an operator (shmtool kill-owner): it is
	// replaced. One that dies before it is attached would be for ever.
	status, ok := m.cmd.ProcessState.Sys().(syscall.WaitStatus)
	killed := ok && status.Signaled() && status.Signal() == syscall.SIGKILL && m.slot >= 0
	again := !t.ending && (t.victims[m.cmd.Process.Pid] || killed)
	if !t.ending && !again && t.err == nil {
		t.err = fmt.Errorf("worker %s ended by itself: %v", m.role, err)
	}
	t.mu.Unlock()
	if again {
		if err := t.hire(m.role); err != nil {
			t.mu.Lock()
			t.err = err
			t.mu.Unlock()
		}
	}
}

func (t *team) failed() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// attachedMembers are those that can be killed now.
func (t *team) attachedMembers() (list []*member) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.members {
		if m.slot >= 0 && !t.victims[m.cmd.Process.Pid] {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b *member) int { return strings.Compare(a.role, b.role) })
	return list
}

// condemn marks a member, so that its end is expected.
func (t *team) condemn(m *member) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.victims[m.cmd.Process.Pid] = true
}

// attached is the number of distinct processes that were attached, the front
// included.
func (t *team) attached() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.pids)
}

func (t *team) roles() (list []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for role, m := range t.members {
		list = append(list, fmt.Sprintf("%-10s process %d", role, m.cmd.Process.Pid))
	}
	slices.Sort(list)
	return list
}

// end waits for the workers, which the stop flag has told to end; one that does
// not is killed.
func (t *team) end() (err error) {
	t.mu.Lock()
	t.ending = true
	all := make([]*member, 0, len(t.members))
	for _, m := range t.members {
		all = append(all, m)
	}
	t.mu.Unlock()
	for _, m := range all {
		_ = m.stdin.Close()
	}
	patience := time.After(10 * time.Second)
	for _, m := range all {
		select {
		case <-m.ended:
		case <-patience:
			_ = m.cmd.Process.Kill()
			<-m.ended
			err = fmt.Errorf("worker %s had to be killed at the end", m.role)
		}
	}
	return err
}
