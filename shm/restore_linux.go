//go:build linux && (amd64 || arm64)

package shm

import (
	"errors"
	"fmt"
	"maps"
)

// Restore makes a segment from a file of Snapshot, field by field and by name.
// Where there is no segment of that name, it gets app's layout, or with a nil app
// the snapshot's own, and the snapshot's capacities unless Options.Capacity says
// otherwise. Where there is one, app must be nil: the segment must be empty and
// nobody attached to it, and a new one of its layout, capacities, settings, owner,
// group and mode takes its name. So the new version of a program makes the segment, or calls Restore with
// its own Definer.
//
// Records keep their state, queue, order, deliveries and, where the new arena
// reaches so far, their place and with it their reference. References, blobs and
// index entries are made anew. First the snapshot is swept, as if all processes
// had died at its instant; see RestoreReport.
//
// New fields are zero. A field may have become wider: a larger integer of the
// same sign, a longer text, byte array or array, more names behind those of an
// enumeration. Any other change of a field's type is refused with a *LayoutError,
// and too small a capacity with ErrCapacity; a corrupt snapshot is ErrCorrupt.
// What is gone from the layout is counted in RestoreReport.Lost.
//
// Without Options.Mode, a new segment gets the owner, group and mode of the
// snapshot's file, as far as this process may give them; a note says when not.
//
// The segment gets its name when it is complete. Killed before, nothing remains,
// or side files of a name that has no segment. It blocks while it works.
func Restore(file, name string, app Definer, o *Options) (r RestoreReport, err error) {
	opt := o.filled()
	inherit := o == nil || o.Mode == 0
	if r.Path, err = opt.path(name); err != nil {
		return r, err
	}
	s, err := openSnapshot(file)
	if err != nil {
		return r, err
	}
	defer s.file.close()
	err = guard(s.c.mem, func() error {
		old, err := attended(r.Path, &opt, false)
		switch {
		case errors.Is(err, ErrNotExist):
			return s.restoreNew(app, name, &opt, inherit, &r)
		case err != nil:
			return err
		}
		defer old.file.close()
		if app != nil {
			return fmt.Errorf("%w: %s", ErrExist, r.Path)
		}
		return guard(old.c.mem, func() error { return s.restoreInto(old, &opt, &r) })
	})
	return r, err
}

func (s *snapshot) restoreNew(app Definer, name string, opt *Options, inherit bool, r *RestoreReport) error {
	l, err := s.layout(app, opt.Capacity)
	if err != nil {
		return err
	}
	fresh, err := s.fill(name, l, opt, r)
	if err != nil {
		return err
	}
	if inherit {
		err = s.endow(fresh, r)
	}
	if err == nil {
		r.SideFiles, err = copySide(s.path, r.Path)
	}
	if err == nil {
		err = fresh.file.link(r.Path)
	}
	return errors.Join(err, fresh.file.close())
}

// endow makes a new segment the same users' as the snapshot's file is. A copy of
// the file by hand may be readable by all: a segment is its owner's, and its
// group's if that may write.
func (s *snapshot) endow(fresh *Segment, r *RestoreReport) error {
	o, err := ownershipOf(s.file.f)
	if err != nil {
		return err
	}
	if o.mode &= 0o660; o.mode != 0o660 {
		o.mode = 0o600
	}
	all, err := o.giveMost(fresh.file.f)
	if err == nil && !all {
		is, _ := ownershipOf(fresh.file.f)
		r.Notes = append(r.Notes, fmt.Sprintf("the snapshot's file is of uid %d, gid %d, mode %#o, the segment of uid %d, gid %d, mode %#o: only root may give it away",
			o.uid, o.gid, o.mode, is.uid, is.gid, is.mode))
	}
	return err
}

// layout is app's, or the snapshot's own, with the capacities that were asked
// for and the snapshot's for the rest.
func (s *snapshot) layout(app Definer, asked map[string]int) (*Layout, error) {
	had := s.g.capacities()
	if app == nil {
		app = described{s.g.objects}
	}
	probe, err := newLayout(app, map[string]int{capProcesses: int(s.g.slots)})
	if err != nil {
		return nil, err
	}
	capacity := map[string]int{capProcesses: int(s.g.slots)}
	for _, o := range probe.objects {
		if d := o.object(); d.Capacity > 0 && had[d.Name] > 0 {
			capacity[d.Name] = had[d.Name]
		}
	}
	maps.Copy(capacity, asked)
	return newLayout(app, capacity)
}

// described declares what a description says, without the program.
type described struct{ objects []Object }

func (d described) Define(l *Layout) {
	arenas, events := map[string]*arena{}, map[string]*Event{}
	for _, o := range d.objects {
		made, err := o.untyped(arenas[o.Of], events[o.Wakes], uint32(l.processes()))
		if err != nil {
			l.errs = append(l.errs, err)
			return
		}
		switch x := made.(type) {
		case *arena:
			arenas[o.Name] = x
		case *Event:
			events[o.Name] = x
		}
		l.add(made)
	}
}

func (s *snapshot) restoreInto(old *Segment, opt *Options, r *RestoreReport) error {
	g, err := readGeometry(old.c.mem, [16]byte{})
	if err == nil {
		err = g.view(&old.c)
	}
	if err == nil {
		err = old.c.empty()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", old.path, err)
	}
	l, err := newLayout(described{g.objects}, g.capacities())
	if err != nil {
		return err
	}
	fresh, err := s.fill(old.name, l, opt, r)
	if err != nil {
		return err
	}
	defer fresh.file.close()
	if err := old.bequeath(fresh); err != nil {
		return err
	}
	fresh.c.choose(old.c.settings(), func(name string, was, is uint64) {
		r.Notes = append(r.Notes, fmt.Sprintf("setting %s stays %d, as in the segment that was there; the snapshot has %d", name, is, was))
	})
	if err := removeSideFiles(old.path, ""); err != nil {
		return err
	}
	if r.SideFiles, err = copySide(s.path, old.path); err != nil {
		return err
	}
	return old.giveWayTo(fresh, false)
}

// empty is nil for a segment that has no record.
func (c *core) empty() (err error) {
	for _, a := range c.arenas {
		if a == nil {
			continue
		}
		a.each(func(i uint32, h header) bool {
			if h.state() != Free {
				err = fmt.Errorf("%w: it is not empty: record %s of %s is %s: sweep what is dead, or reset it", ErrExist, makeRef(a.id, h, i), a.obj.Name, h.state())
			}
			return err == nil
		})
	}
	return err
}

// fill makes the new segment, complete but for its name.
func (s *snapshot) fill(name string, l *Layout, opt *Options, r *RestoreReport) (*Segment, error) {
	fresh, err := build(name, r.Path, l, opt)
	if err != nil {
		return nil, err
	}
	r.Size, r.Swept = uint64(len(fresh.c.mem.b)), s.swept
	x := newRestorer(&s.c, &fresh.c, r)
	if err = x.run(); err == nil {
		err = fresh.c.sound("this is a defect of Restore; nothing was restored")
	}
	if s.c.otherBoot {
		x.note("the snapshot is of an earlier boot: times since boot in its records mean nothing now")
	}
	if side, e := SideFiles(s.path); e == nil && len(side) > 0 && r.Moved > 0 {
		x.note("%d side files were named by the program: records that have another reference may not find theirs", len(side))
	}
	if err != nil {
		return nil, errors.Join(err, fresh.file.close())
	}
	return fresh, nil
}
