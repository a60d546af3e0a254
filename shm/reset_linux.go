//go:build linux && (amd64 || arm64)

package shm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
)

// Reset replaces a segment of any program by an empty one with the same layout,
// capacities, settings, owner, group and mode, in one step: the name never leads to a half-made segment. It
// refuses with ErrInUse while a process is attached; with force, the attached
// get ErrRetired and may attach again. Killed in between: the old segment is
// still there, maybe retired, and a side file that the next Reset removes.
// ErrOwner when this process may not make a file of that owner and group.
func Reset(name string, o *Options, force bool) error {
	opt := o.filled()
	path, err := opt.path(name)
	if err != nil {
		return err
	}
	old, err := attended(path, &opt, force)
	if err != nil {
		return err
	}
	defer old.file.close()
	return guard(old.c.mem, func() error { return old.replace(&opt, force) })
}

func (s *Segment) replace(opt *Options, force bool) error {
	g, err := readGeometry(s.c.mem, [16]byte{})
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	l := &Layout{names: map[string]bool{}, capacity: g.capacities(), unused: map[string]bool{}}
	var scratch core // only to make the objects of the description
	scratch.mem = s.c.mem
	if err := g.view(&scratch); err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	chosen := scratch.settings() // now: the objects will lead to the new segment
	l.objects = scratch.objects
	fresh, err := build(s.name, s.path, l, opt)
	if err != nil {
		return err
	}
	defer fresh.file.close()
	if err := s.bequeath(fresh); err != nil {
		return err
	}
	fresh.c.choose(chosen, func(string, uint64, uint64) {})
	return s.giveWayTo(fresh, true)
}

// bequeath gives the owner, group and mode of the segment's file to its successor.
func (s *Segment) bequeath(fresh *Segment) error {
	o, err := ownershipOf(s.file.f)
	if err == nil {
		err = o.give(fresh.file.f)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return nil
}

// resetSide begins the name of the new file while the old one still has its own.
const resetSide = "reset."

// giveWayTo retires the segment and gives its name to a new one, whole. Side files, if
// they go with the old one, go when it is retired, not before: until then it may be
// found again with all that it had.
func (s *Segment) giveWayTo(fresh *Segment, withSides bool) error {
	next := sidePrefix(s.path) + resetSide + strconv.Itoa(os.Getpid())
	if err := removeFile(next); err != nil { // of a process of this id that was killed
		return err
	}
	if err := fresh.file.link(next); err != nil {
		return err
	}
	reach(ptResetLinked)
	if err := s.retire(); err != nil {
		return errors.Join(err, removeFile(next))
	}
	reach(ptRetired)
	if withSides {
		if err := removeSideFiles(s.path, next); err != nil {
			return errors.Join(err, removeFile(next))
		}
	}
	err := os.Rename(next, s.path)
	if errors.Is(err, fs.ErrNotExist) { // a forced removal took both files
		err = fmt.Errorf("%w: %s was removed while it was reset", ErrNotExist, s.path)
	}
	return err
}
