package main

import (
	"errors"
	"fmt"

	"github.com/aotf/sharedmem/shm"
)

// retire does what rm and reset have in common: act on the segment, or say who
// is in the way.
func (t *tool) retire(done string, act func(name string, o *shm.Options, force bool) error, force bool) error {
	p, err := t.place()
	if err != nil {
		return err
	}
	processes, err := p.users()
	if err != nil {
		return err
	}
	err = act(p.name, p.options(), force)
	if errors.Is(err, shm.ErrInUse) {
		who := pidsText(processes)
		if who == "" {
			who = "a process that is just coming or going"
		}
		return fmt.Errorf("%s is in use by %s: end them, or use --force: they then get ErrRetired", p.path, who)
	}
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON(struct {
			Path     string        `json:"path"`
			Done     string        `json:"done"`
			Forced   bool          `json:"forced"`
			Attached []shm.Process `json:"attached"`
		}{p.path, done, force, append([]shm.Process{}, processes...)})
	}
	t.printf("%s %s\n", done, escape(p.path))
	if s, err := p.stat(); err == nil { // not after rm
		for _, x := range settings(s) {
			if settingKeys(s)[x.key] != "" {
				t.printf("  it keeps %s=%s\n", escape(x.key), x.value)
			}
		}
	}
	if len(processes) > 0 {
		t.printf("attached until now, and told so: %s\n", escape(pidsText(processes)))
	}
	return nil
}

// users are the living processes attached to the segment, as far as it can be
// read. What is no segment at all is not the tool's to touch.
func (p place) users() ([]shm.Process, error) {
	m, err := p.inspect()
	switch {
	case errors.Is(err, shm.ErrNotSegment):
		return nil, fmt.Errorf("%w; if it is to go, remove the file with rm", err)
	case err != nil:
		return nil, nil // say what stands against removing it, not against reading it
	}
	defer m.Close()
	list, err := m.Processes()
	if err != nil {
		return nil, nil // a truncated segment can be removed too
	}
	return living(list), nil
}
