package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aotf/sharedmem/shm"
)

func lsCommand() *command {
	return &command{
		name: "ls", short: "list the segments there are",
		help: `Lists all segments of the directory: name, size, processes attached now, state,
hash of the layout, time of creation. A segment that cannot be opened is listed
as unreadable, with the reason below. At the end of a line, the number of side
files (query images; reset and rm remove them). Two segments with the same layout
hash are of the same program.

States: open, stopped (its program was told to end), retired (it was reset or
removed while processes were attached). Dead processes, if any, are those whose
work no other process has put back yet.

It never changes anything, and does not look below the directory.

Examples:
  shmtool ls
  shmtool ls --dir /run/app
  shmtool ls --json

Exit codes: 0 listed, segments that cannot be opened included; 1 the directory
cannot be read; 2 bad usage.`,
		run: ls,
	}
}

// A segmentInfo is what the header of a segment says.
type segmentInfo struct {
	Path    string `json:"path"`
	Size    uint64 `json:"size"`
	State   string `json:"state"`
	Layout  string `json:"layout"`
	Creator int    `json:"creator"`
	Created string `json:"created"`
}

func infoOf(m *shm.Image) segmentInfo {
	state := m.State
	if state == "" {
		state = "unknown"
	}
	return segmentInfo{m.Path, m.Size, state, fmt.Sprintf("%016x", m.Hash), m.Creator, timeText(m.Created)}
}

// A listed segment is one line of ls; with an error, there is only the file.
type listed struct {
	Name     string `json:"name"`
	Attached int    `json:"attached"`
	Dead     int    `json:"dead,omitempty"`
	Side     int    `json:"side_files,omitempty"` // files that belong to it: query images, remains of a reset
	segmentInfo
	Error string `json:"error,omitempty"`
}

func ls(t *tool) error {
	dir, err := t.segmentDir()
	if err != nil {
		return err
	}
	names, err := shm.List(&shm.Options{Dir: dir})
	if err != nil {
		return err
	}
	list := []listed{} // not nil: no segments are [] in JSON
	for _, name := range names {
		if s, ok := look(place{name, dir, name, filepath.Join(dir, name)}); ok {
			list = append(list, s)
		}
	}
	if t.json {
		return t.printJSON(list)
	}
	if len(list) == 0 {
		t.printf("no segments in %s\n", escape(dir))
		return nil
	}
	rows := [][]string{{"NAME", "SIZE", "ATTACHED", "STATE", "LAYOUT", "CREATED"}}
	for _, s := range list {
		if s.Error != "" {
			rows = append(rows, []string{s.Name, bytesText(s.Size), "-", "unreadable", "-", "-"})
			continue
		}
		n := strconv.Itoa(s.Attached)
		if s.Dead > 0 {
			n += fmt.Sprintf(" (%d dead)", s.Dead)
		}
		row := []string{s.Name, bytesText(s.Size), n, s.State, s.Layout, s.Created}
		if s.Side > 0 {
			row = append(row, fmt.Sprintf("%d side files", s.Side))
		}
		rows = append(rows, row)
	}
	t.print(table(rows))
	for _, s := range list {
		if s.Error != "" { // below the table, which it would make too wide
			t.printf("%s\n", strings.Join(wrapWords(escape(s.Name+": "+s.Error), wide), "\n  "))
		}
	}
	return nil
}

// look makes one line of the list; ok is false when the segment is gone by now.
func look(p place) (s listed, ok bool) {
	s.Name, s.Path = p.name, p.path
	if side, err := shm.SideFiles(p.path); err == nil {
		s.Side = len(side)
	}
	m, err := p.inspect()
	if err != nil {
		s.Error = err.Error()
		if st, err := os.Lstat(p.path); err == nil {
			s.Size = uint64(st.Size())
		}
		return s, !errors.Is(err, shm.ErrNotExist)
	}
	defer m.Close()
	s.segmentInfo = infoOf(m)
	list, err := m.Processes()
	if err != nil {
		s.Error = err.Error()
		return s, true
	}
	s.Attached = len(living(list))
	s.Dead = len(list) - s.Attached
	return s, true
}
