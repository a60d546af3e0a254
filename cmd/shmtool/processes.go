package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aotf/sharedmem/shm"
)

// An attached process is what the registry and /proc say of it.
type attached struct {
	shm.Process
	Claims int    `json:"claims"`              // records it is making, has claimed, holds or retires
	RSS    uint64 `json:"rss_bytes,omitempty"` // the segment's pages that it touched included
	Run    string `json:"run_state,omitempty"` // of /proc: R, S, D, T (stopped), ...
}

// processesOf adds claims, and what /proc says of processes it can name.
func processesOf(list []shm.Process, claims []shm.ClaimInfo) []attached {
	all, ours, bySlot := []attached{}, ourNamespace(), map[int]int{}
	for _, c := range claims {
		bySlot[c.Process]++
	}
	for _, p := range list {
		a := attached{Process: p, Claims: bySlot[p.Slot]}
		if p.State == "alive" && p.Namespace == ours {
			info := procOf(p.PID)
			a.RSS, a.Run = info.rss, info.run
		}
		all = append(all, a)
	}
	return all
}

// living are the attached processes, without those that have died.
func living(list []shm.Process) []shm.Process {
	return slices.DeleteFunc(slices.Clone(list), func(p shm.Process) bool { return p.State != "alive" })
}

// state is a word for people.
func (a attached) state() string {
	if text := runText(a.Run); text != "" && a.State == "alive" {
		return text
	}
	return a.State
}

// processLines show who is attached and what each waits for.
func processLines(list []attached, c style) []string {
	alive := 0
	for _, p := range list {
		if p.State == "alive" {
			alive++
		}
	}
	title := fmt.Sprintf("processes: %d attached", alive)
	if dead := len(list) - alive; dead > 0 {
		title += fmt.Sprintf(", %d dead and not swept", dead)
	}
	lines := []string{c.heading(title)}
	if len(list) == 0 {
		return lines
	}
	rows := [][]string{{"  SLOT", "PID", "STATE", "FOR", "RSS", "CLAIMS", "WAITS FOR", "NAME"}}
	for _, p := range list {
		waits, rss := p.Waiting, "-"
		if waits == "" || p.State != "alive" {
			waits = "-"
		}
		if p.RSS > 0 {
			rss = bytesText(p.RSS)
		}
		rows = append(rows, []string{"  " + strconv.Itoa(p.Slot), strconv.Itoa(p.PID), p.state(), age(p.Joined), rss,
			strconv.Itoa(p.Claims), escape(waits), escape(p.Name)})
	}
	for i, line := range strings.Split(strings.TrimSuffix(table(rows), "\n"), "\n") {
		if i > 0 && list[i-1].state() != "alive" {
			line = c.alarm(line)
		}
		lines = append(lines, line)
	}
	return lines
}

// age says how long a time since boot is past.
func age(since time.Duration) string {
	d := shm.Now() - since
	if since < 0 || d < 0 {
		return "?" // what the segment says cannot be
	}
	return durationText(d)
}

// durationText is a duration in at most two units.
func durationText(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d/time.Hour%24)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d/time.Minute%60)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d/time.Second%60)
	}
	return d.Truncate(time.Second).String()
}

// owners name processes by their slot.
type owners map[int]shm.Process

func ownersOf(list []attached) owners {
	o := owners{}
	for _, p := range list {
		o[p.Slot] = p.Process
	}
	return o
}

func (o owners) name(slot int) string {
	p, ok := o[slot]
	switch {
	case !ok:
		return fmt.Sprintf("slot %d, gone", slot)
	case p.State != "alive":
		return fmt.Sprintf("process %d (%s, slot %d, %s)", p.PID, escape(p.Name), slot, strings.ToUpper(p.State))
	}
	return fmt.Sprintf("process %d (%s, slot %d)", p.PID, escape(p.Name), slot)
}

// pidsText is "process 12 (name), process 13 (name)".
func pidsText(list []shm.Process) string {
	var parts []string
	for _, p := range list {
		parts = append(parts, fmt.Sprintf("process %d (%s)", p.PID, p.Name))
	}
	return strings.Join(parts, ", ")
}
