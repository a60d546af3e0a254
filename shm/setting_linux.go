//go:build linux && (amd64 || arm64)

package shm

import (
	"errors"
	"fmt"
)

// SetSetting changes a setting (Cell.Setting) of any program's segment: set gets
// the old value and returns the new one. It refuses with ErrInUse while a process
// is attached, because a program need not expect it to change, and keeps others
// from attaching meanwhile. ErrLayout when there is no setting of that name.
// Killed in between: the value is the old or the new one.
func SetSetting(name, cell string, set func(old uint64) uint64, o *Options) error {
	opt := o.filled()
	path, err := opt.path(name)
	if err != nil {
		return err
	}
	s, err := attended(path, &opt, false)
	if err != nil {
		return err
	}
	err = guard(s.c.mem, func() error {
		g, err := readGeometry(s.c.mem, [16]byte{})
		if err == nil {
			err = g.view(&s.c)
		}
		if err == nil && s.isRetired() {
			err = ErrRetired
		}
		if err != nil {
			return err
		}
		x, ok := s.c.objectOf(cell).(*Cell)
		if !ok || !x.obj.Setting {
			return fmt.Errorf("%w: no setting %q", ErrLayout, cell)
		}
		x.w.store(ptUserWord, set(x.Load()))
		return nil
	})
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return errors.Join(err, s.file.close())
}

// settings are the values that somebody has chosen for this segment. Reset and
// Restore bring them to the one that takes its place.
func (c *core) settings() map[string]uint64 {
	chosen := map[string]uint64{}
	for _, o := range c.objects {
		if x, ok := o.(*Cell); ok && x.obj.Setting && x.Load() != 0 {
			chosen[x.obj.Name] = x.Load()
		}
	}
	return chosen
}

// choose writes settings, and calls differs with the old values of those that
// were others.
func (c *core) choose(settings map[string]uint64, differs func(name string, was, is uint64)) {
	for _, o := range c.objects {
		x, ok := o.(*Cell)
		if !ok {
			continue
		}
		if v, chosen := settings[x.obj.Name]; chosen {
			if was := x.Load(); was != v && was != 0 {
				differs(x.obj.Name, was, v)
			}
			x.w.store(ptInit, v)
		}
	}
}
