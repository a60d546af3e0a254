package main

import (
	"fmt"
	"strconv"
	"strings"
)

func getCommand() *command {
	return &command{
		name: "get", args: "NAME [KEY]", least: 1, most: 2, short: "print the few values that an operator may want",
		help: `Prints values one a line, KEY=VALUE, or the value of one key alone.

  stop         yes when the segment was told to stop, else no
  state        open, stopped or retired
  processes    how many are attached
  OBJECT       the number in a cell of the segment
  tokens, per-address   AOTF's layout: the limits that its creator chose

Some of them can be set; see "shmtool help set". It never changes anything.

Examples:
  shmtool get NAME
  test "$(shmtool get NAME stop)" = no

Exit codes: 0 printed, 1 the segment cannot be read or has no such key, 2 bad usage.`,
		run: get,
	}
}

// A setting is one value that get prints.
type setting struct{ key, value string }

func get(t *tool) error {
	m, err := t.inspect()
	if err != nil {
		return err
	}
	defer m.Close()
	s, err := statOf(m, false)
	if err != nil {
		return err
	}
	list := settings(s)
	if len(t.args) == 2 {
		var keys []string
		for _, x := range list {
			if keys = append(keys, x.key); x.key == t.args[1] {
				list = []setting{x}
				break
			}
		}
		if len(list) != 1 || list[0].key != t.args[1] {
			return fmt.Errorf("no key %q in the segment%s (it has %s)", t.args[1], didYouMean(t.args[1], keys), strings.Join(keys, ", "))
		}
	}
	if t.json {
		all := map[string]string{}
		for _, x := range list {
			all[x.key] = x.value
		}
		return t.printJSON(all)
	}
	for _, x := range list {
		if len(t.args) == 2 {
			t.printf("%s\n", x.value)
		} else {
			t.printf("%s=%s\n", x.key, x.value)
		}
	}
	return nil
}

func settings(s segmentStat) []setting {
	stop, alive := "no", 0
	if s.State == "stopped" {
		stop = "yes"
	}
	for _, p := range s.Processes {
		if p.State == "alive" {
			alive++
		}
	}
	list := []setting{{"stop", stop}, {"state", s.State}, {"processes", strconv.Itoa(alive)}}
	aotf := treeOf(s.Objects) != nil
	for _, o := range s.Objects {
		switch {
		case o.Value == nil:
		case aotf && o.Name == "limits":
			list = append(list, setting{"tokens", strconv.FormatUint(*o.Value&0xff, 10)},
				setting{"per-address", strconv.FormatUint(*o.Value>>8&0xff, 10)})
		default:
			list = append(list, setting{o.Name, strconv.FormatUint(*o.Value, 10)})
		}
	}
	return list
}
