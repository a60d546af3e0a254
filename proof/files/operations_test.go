//go:build linux && (amd64 || arm64)

package files

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/proof/world"
	"github.com/aotf/sharedmem/shm"
	"github.com/aotf/sharedmem/shm/shmtest"
)

// An operation works on a segment, and maybe on a file of a snapshot.
type operation struct {
	name  string
	stage func(t *testing.T) (segment, file string)
	run   func(segment, file string)
	audit func(t *testing.T, segment, file string, acks map[string]bool)
}

func find(name string) operation {
	for _, op := range operations {
		if op.name == name {
			return op
		}
	}
	panic("no operation " + name)
}

var operations = []operation{
	known("create"), known("open-new"), known("open-retired"), known("attach"),
	known("remove"), known("remove-force"), stays("reset"), stays("reset-force"), stays("reset-chosen"), resetSides,
	snapshot("snapshot", world.Find("attach")), snapshot("snapshot-tree", world.Find("tree-attach")),
	restore("restore", world.Find("attach")), restore("restore-tree", world.Find("tree-attach")),
	restoreInto("restore-into", world.Find("attach")), restoreInto("restore-into-tree", world.Find("tree-attach")),
	{name: "create-tree", stage: func(t *testing.T) (string, string) { return shmtest.Name(t), "" },
		run: func(segment, _ string) {
			_, err := objects.Create(segment, treeOptions)
			world.Check(err)
			say("there")
		}, audit: auditNewTree},
}

// known is an operation of the other campaigns.
func known(name string) operation {
	op := world.Find(name)
	return operation{name: name,
		stage: func(t *testing.T) (string, string) { return op.Stage(t, 64), "" },
		run:   func(segment, _ string) { op.Attach(segment)(say) },
		audit: func(t *testing.T, segment, _ string, acks map[string]bool) { op.Audit(t, segment, acks) },
	}
}

// stays is a known operation at whose every instant the name leads to a segment.
func stays(name string) operation {
	op := known(name)
	audit := op.audit
	op.audit = func(t *testing.T, segment, file string, acks map[string]bool) {
		if !there(t, segment) {
			t.Errorf("no segment has the name %s", segment)
		}
		audit(t, segment, file, acks)
	}
	return op
}

// resetSides: as long as the old segment can be attached to, its side files are there.
var resetSides = operation{name: "reset-sides",
	stage: func(t *testing.T) (string, string) { return withSides(t, world.Find("attach")), "" },
	run:   func(segment, _ string) { world.Check(shm.Reset(segment, nil, false)) },
	audit: func(t *testing.T, segment, _ string, acks map[string]bool) {
		state, used := content(t, segment)
		for name := range sides {
			if _, err := os.Stat(side(segment, name)); err != nil && state == "open" && used > 0 {
				t.Errorf("not reset, and without its side files: %v", err)
			} else if err == nil && acks["ended"] {
				t.Errorf("reset, and side file %s is there", name)
			}
		}
		world.Find("reset").Audit(t, segment, acks)
	},
}

// content is the state of a segment and how many records it has.
func content(t *testing.T, segment string) (state string, used int) {
	t.Helper()
	m, err := shm.Inspect(segment, nil)
	world.Must(t, err)
	defer m.Close()
	st, err := m.Stats()
	world.Must(t, err)
	for _, o := range st.Objects {
		used += o.Used
	}
	return m.State, used
}

func there(t *testing.T, segment string) bool {
	t.Helper()
	m, err := shm.Inspect(segment, nil)
	if errors.Is(err, shm.ErrNotExist) {
		return false
	}
	world.Must(t, err)
	world.Must(t, m.Close())
	return true
}

// sides are two files beside a segment.
var sides = map[string]string{"a": "one", "b": "two"}

// withSides stages the world of an operation, with side files where it is not the
// tree, which has its own and removes what it does not know.
func withSides(t *testing.T, w world.Operation) (segment string) {
	segment = w.Stage(t, 64)
	if w.Name == "attach" {
		for name, text := range sides {
			world.Must(t, os.WriteFile(side(segment, name), []byte(text), 0o600))
		}
	}
	return segment
}

func side(segment, name string) string {
	return filepath.Join(shm.DefaultDir, "."+segment+","+name)
}

// auditAll checks that the segment is what was staged, and takes it apart.
func auditAll(t *testing.T, w world.Operation, segment string) {
	t.Helper()
	if w.Name == "attach" {
		for name, want := range sides {
			if b, err := os.ReadFile(side(segment, name)); err != nil || string(b) != want {
				t.Errorf("side file %s: %q, %v", name, b, err)
			}
		}
	}
	w.Audit(t, segment, map[string]bool{})
}

// snapshot is killed: the segment is as it was. The file is not there or complete,
// and a snapshot can be made.
func snapshot(name string, w world.Operation) operation {
	return operation{name: name,
		stage: func(t *testing.T) (string, string) { return withSides(t, w), filepath.Join(t.TempDir(), "file") },
		run: func(segment, file string) {
			_, err := shm.Snapshot(segment, file, nil, false)
			world.Check(err)
		},
		audit: func(t *testing.T, segment, file string, acks map[string]bool) {
			_, err := os.Stat(file)
			if acks["ended"] {
				world.Must(t, err)
			}
			if err != nil {
				_, err := shm.Snapshot(segment, file, nil, false)
				world.Must(t, err)
			}
			again := shmtest.Name(t)
			if r, err := shm.Restore(file, again, nil, nil); err != nil || !r.Complete() {
				t.Fatalf("the snapshot is not complete: %+v, %v", r.Lost, err)
			}
			auditAll(t, w, again)
			auditAll(t, w, segment)
		},
	}
}

func snapshotted(t *testing.T, w world.Operation) (segment, file string) {
	segment, file = withSides(t, w), filepath.Join(t.TempDir(), "file")
	_, err := shm.Snapshot(segment, file, nil, false)
	world.Must(t, err)
	return segment, file
}

// restore is killed: the segment is not there, and can be restored, or complete.
func restore(name string, w world.Operation) operation {
	return operation{name: name, run: runRestore,
		stage: func(t *testing.T) (string, string) {
			segment, file := snapshotted(t, w)
			world.Must(t, shm.Remove(segment, nil, false))
			return segment, file
		},
		audit: func(t *testing.T, segment, file string, acks map[string]bool) {
			if !there(t, segment) {
				if acks["there"] {
					t.Error("restored, and not there")
				}
				_, err := shm.Restore(file, segment, nil, nil)
				world.Must(t, err)
			}
			auditAll(t, w, segment)
		},
	}
}

func runRestore(segment, file string) {
	_, err := shm.Restore(file, segment, nil, nil)
	world.Check(err)
	say("there")
}

// restoreInto is killed: the name leads to the empty segment, which an operator
// resets and restores into again, or to the complete one.
func restoreInto(name string, w world.Operation) operation {
	return operation{name: name, run: runRestore,
		stage: func(t *testing.T) (string, string) {
			segment, file := snapshotted(t, w)
			world.Must(t, shm.Reset(segment, nil, false))
			return segment, file
		},
		audit: func(t *testing.T, segment, file string, acks map[string]bool) {
			if _, used := content(t, segment); used == 0 {
				if acks["there"] {
					t.Error("restored, and empty")
				}
				world.Must(t, shm.Reset(segment, nil, false))
				_, err := shm.Restore(file, segment, nil, nil)
				world.Must(t, err)
			}
			auditAll(t, w, segment)
		},
	}
}

var treeOptions = &objects.Options{Capacity: map[string]int{"users": 16, "scans": 8, "processes": 8}}

// auditNewTree opens the tree, whoever has made it, and uses it.
func auditNewTree(t *testing.T, segment, _ string, acks map[string]bool) {
	if acks["there"] && !there(t, segment) {
		t.Error("created, and not there")
	}
	m, err := objects.Open(segment, treeOptions)
	world.Must(t, err)
	defer func() { world.Must(t, m.Remove()) }()
	_, err = m.Segment().Sweep(t.Context())
	world.Must(t, err)
	shmtest.Verify(t, m.Segment())
	if n := len(m.Segment().Processes()); n != 1 {
		t.Errorf("%d processes registered", n)
	}
	ctx := context.Background()
	_, created, err := m.Users.Launch(ctx, objects.Query{URL: "https://example.org"})
	if err != nil || !created {
		t.Errorf("launch: %v %v", created, err)
	}
}
