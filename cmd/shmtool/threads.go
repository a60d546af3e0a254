package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aotf/sharedmem/shm"
)

// A thread is one of AOTF's workers.
type thread struct {
	Name string        `json:"name"`
	PID  any           `json:"pid"`
	Work string        `json:"work,omitempty"`        // what it has claimed, "" idle
	For  time.Duration `json:"work_for_ns,omitempty"` // how long
}

// threadsOf are the workers registered in AOTF's tree; nil for another layout.
func threadsOf(m *shm.Image, objects []objectInfo, redact bool) (list []thread, err error) {
	if treeOf(objects) == nil {
		return nil, nil
	}
	names := newNamer(m, redact)
	for r, err := range m.Records("threads") {
		if err != nil {
			return nil, err
		}
		t := thread{Name: "?"}
		for _, v := range r.Values {
			switch x := v.Value.(type) {
			case []shm.Value:
				if v.Name == "Key" && len(x) == 1 {
					t.Name = fmt.Sprint(x[0].Value)
				}
			case string:
				if v.Name == "Work" && x != "none" {
					t.Work = names.of(x)
				}
				if at, err := time.ParseDuration(x); v.Name == "Claimed" && t.Work != "" && err == nil {
					t.For = max(shm.Now()-at, 0)
				}
			default:
				if v.Name == "Process" {
					t.PID = x
				}
			}
		}
		list = append(list, t)
	}
	return list, nil
}

// threadLines show what each worker does. Without workers there are none.
func threadLines(list []thread, c style) []string {
	if len(list) == 0 {
		return nil
	}
	busy := 0
	rows := [][]string{{"  THREAD", "PID", "FOR", "WORKS ON"}}
	for _, t := range list {
		works, since := "-", "-"
		if t.Work != "" {
			busy++
			works, since = escape(t.Work), durationText(t.For)
		}
		rows = append(rows, []string{"  " + escape(t.Name), fmt.Sprint(t.PID), since, works})
	}
	return append([]string{c.heading("threads: " + strconv.Itoa(len(list)) + ", " + strconv.Itoa(busy) + " with work")},
		strings.Split(strings.TrimSuffix(table(rows), "\n"), "\n")...)
}
