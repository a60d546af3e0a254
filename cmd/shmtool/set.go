package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aotf/sharedmem/objects"
	"github.com/aotf/sharedmem/shm"
)

func setCommand() *command {
	return &command{
		name: "set", args: "NAME stop|KEY=N", least: 2, most: 2, short: "tell all processes to end, or change a setting",
		help: `With stop, sets the stop flag: every blocked call of every attached process returns
an error, "segment stopped", and so does every later one that would block. Calls
that do not block go on, so that workers finish what they hold. The flag cannot be
taken back: it falls by itself when the last process has left and the next one
attaches. It never ends a process; one that ignores the flag goes on.

With KEY=N, changes a setting while no process is attached; programs need not
expect it to change. Keys are

  tokens, per-address   AOTF's layout: listing tokens, 1 to 128, and unfinished
                        requests of an address, 1 to 16
  OBJECT                a cell that another program calls a setting

All other values are the program's own. Settings outlive a reset, and
"shmtool restore" keeps those of a segment that is there.

Examples:
  shmtool set NAME stop
  shmtool set NAME stop && until [ "$(shmtool get NAME processes)" = 0 ]; do sleep 1; done
  shmtool set NAME tokens=3

Exit codes: 0 set; 1 not set: for stop nobody, for others somebody is attached, the
segment is retired, cannot be read or is not yours; 2 bad usage, or another key.`,
		run: func(t *tool) error {
			if t.args[1] == "stop" {
				return t.setStop()
			}
			return t.setKey(t.args[1])
		},
	}
}

func (t *tool) setStop() error {
	p, err := t.place()
	if err != nil {
		return err
	}
	processes, err := p.users()
	if err != nil {
		return err
	}
	err = shm.StopSegment(p.name, p.options())
	if errors.Is(err, shm.ErrUnused) {
		return fmt.Errorf("%s: no process is attached: there is nobody to tell, and the next one that attaches starts anew", p.path)
	}
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON(struct {
			Path     string        `json:"path"`
			Stop     bool          `json:"stop"`
			Attached []shm.Process `json:"attached"`
		}{p.path, true, append([]shm.Process{}, processes...)})
	}
	t.printf("stopped %s\ntold to end: %s\n", escape(p.path), escape(pidsText(processes)))
	return nil
}

func (t *tool) setKey(word string) error {
	key, number, ok := strings.Cut(word, "=")
	n, err := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil || n == 0 {
		return usagef("%q: want stop, or KEY=N with a number above 0", word)
	}
	p, err := t.place()
	if err != nil {
		return err
	}
	s, err := p.stat()
	if err != nil {
		return err
	}
	keys := settingKeys(s)
	switch small := int(min(n, 1<<16)); {
	case keys[key] == "":
		names := []string{"stop"}
		for k := range keys {
			names = append(names, k)
		}
		return usagef("%q cannot be set%s: only stop and settings can", key, didYouMean(key, names))
	case key == "tokens":
		err = objects.SetLimits(p.name, p.limits(small, 0))
	case key == "per-address":
		err = objects.SetLimits(p.name, p.limits(0, small))
	default:
		err = shm.SetSetting(p.name, key, func(uint64) uint64 { return n }, p.options())
	}
	if errors.Is(err, shm.ErrInUse) {
		processes, _ := p.users()
		return fmt.Errorf("%s is in use by %s: end them first (\"shmtool set %s stop\")", p.path, pidsText(processes), p.arg)
	}
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON(struct {
			Path  string `json:"path"`
			Key   string `json:"key"`
			Value uint64 `json:"value"`
		}{p.path, key, n})
	}
	t.printf("set %s: %s=%d\n", escape(p.path), escape(key), n)
	return nil
}

func (p place) limits(tokens, perAddress int) *objects.Options {
	return &objects.Options{Dir: p.dir, Mode: p.options().Mode, Tokens: tokens, PerAddress: perAddress}
}

// settingKeys are what can be set in a segment, each with its cell.
func settingKeys(s segmentStat) map[string]string {
	keys := map[string]string{}
	aotf := treeOf(s.Objects) != nil
	for _, o := range s.Objects {
		switch {
		case !o.described.Setting:
		case aotf && o.Name == "limits":
			keys["tokens"], keys["per-address"] = o.Name, o.Name
		default:
			keys[o.Name] = o.Name
		}
	}
	return keys
}
