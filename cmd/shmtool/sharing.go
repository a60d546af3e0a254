package main

import (
	"flag"
	"fmt"
	"io/fs"
	"os/user"
	"strconv"
)

// sharing is who may attach to a new segment.
type sharing struct {
	mode  fs.FileMode // 0: not said
	group int
}

func (s *sharing) flags(fset *flag.FlagSet, otherwise string) {
	fset.Func("mode", "who may attach: `MODE` 0600, or 0660 for a whole group; else "+otherwise, func(text string) error {
		m, err := strconv.ParseUint(text, 8, 32)
		if err != nil || m != 0o600 && m != 0o660 {
			return fmt.Errorf("want 0600 or 0660")
		}
		s.mode = fs.FileMode(m)
		return nil
	})
	fset.Func("group", "with --mode 0660: the `GROUP` of the segment, by name or number; else your own", func(text string) error {
		if g, err := user.LookupGroup(text); err == nil {
			text = g.Gid
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return fmt.Errorf("no such group")
		}
		s.group = n
		return nil
	})
}

// check refuses a group that would mean nothing.
func (s *sharing) check() error {
	if s.group != 0 && s.mode != 0o660 {
		return usagef("--group is for a segment that a group shares: give --mode 0660 too")
	}
	return nil
}
