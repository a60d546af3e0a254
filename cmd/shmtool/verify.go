package main

import (
	"fmt"

	"github.com/aotf/sharedmem/shm"
)

// Exit codes of verify.
const (
	verdictSound      = 0
	verdictRepairable = 1
	verdictCorrupt    = 2
	verdictUnreadable = 3
)

var verdictNames = [...]string{"sound", "repairable", "corrupt", "unreadable"}

func verifyCommand() *command {
	return &command{
		name: "verify", args: "NAME", least: 1, most: 1, failed: verdictUnreadable,
		short: "check every invariant; the exit code is the verdict",
		help: `Checks every invariant of a segment and prints what is broken, one finding a
line, then what each kind of finding means and which command mends it; or OK.

  repairable   a process died in the middle of something: "shmtool sweep", the next
               process that attaches, or one that is attached, puts it right
  corrupt      no death explains it: the memory was damaged, or there is a defect
               in the library. "shmtool reset" makes the segment usable again

It never repairs and never writes. On a live segment it looks three times and
reports only what stays the same, so that work under way is no finding.

Examples:
  shmtool verify NAME
  shmtool verify NAME >/dev/null; case $? in 2) page the operator;; esac
  shmtool verify NAME --json | jq .verdict

Exit codes: 0 sound, 1 repairable, 2 corrupt, 3 no verdict: the segment cannot be
read at all, or the call was wrong, or the answer could not be written.`,
		shows: true,
		run:   verify,
	}
}

// A verdict is the answer of verify.
type verdict struct {
	Findings []finding `json:"findings"`
	Verdict  string    `json:"verdict"`
	Error    string    `json:"error,omitempty"`
}

// A finding is one broken invariant, explained.
type finding struct {
	shm.Finding
	Means string `json:"means"`
	Mend  string `json:"mend"`
}

func verify(t *tool) error {
	code, findings, err := judge(t)
	if t.json {
		v := verdict{[]finding{}, verdictNames[code], ""}
		for _, f := range findings {
			m := meaningOf(f)
			v.Findings = append(v.Findings, finding{f, m.means, m.mend})
		}
		if err != nil {
			v.Error = explain(err)
		}
		if e := t.printJSON(v); e != nil {
			return e
		}
	} else if err == nil {
		t.printFindings(code, findings)
	}
	switch {
	case err != nil:
		return err
	case code != verdictSound:
		return exitCode(code)
	}
	return nil
}

// judge reads the segment and returns the exit code.
func judge(t *tool) (code int, findings []shm.Finding, err error) {
	m, err := t.inspect()
	if err != nil {
		return verdictUnreadable, nil, err
	}
	defer m.Close()
	if findings, err = m.Verify(); err != nil {
		return verdictUnreadable, findings, err
	}
	for _, f := range findings {
		if f.Severity == shm.Repairable {
			code = max(code, verdictRepairable)
		} else {
			code = verdictCorrupt
		}
	}
	return code, findings, nil
}

// kindOfFinding is what findings have in common of which a few are enough to see.
type kindOfFinding struct {
	severity shm.Severity
	object   string
	meaning  meaning
}

const mostAlike = 10

func (t *tool) printFindings(code int, findings []shm.Finding) {
	if len(findings) == 0 {
		t.printf("OK\n")
		return
	}
	worst := 0
	alike := map[kindOfFinding]int{}
	for _, f := range findings {
		line := escape(f.String())
		if f.Severity != shm.Repairable {
			worst++
			line = t.style.alarm(line)
		}
		k := kindOfFinding{f.Severity, f.Object, meaningOf(f)}
		if alike[k]++; alike[k] <= mostAlike {
			t.printf("%s\n", line)
		}
	}
	for _, f := range findings { // in the order of the first of each
		k := kindOfFinding{f.Severity, f.Object, meaningOf(f)}
		if n := alike[k] - mostAlike; n > 0 {
			t.printf("%s: %s: %s\n", f.Severity, escape(f.Object), t.style.quiet(fmt.Sprintf("and %d more like these (--json: 1,000 at most)", n)))
		}
		delete(alike, k)
	}
	t.printf("%s: %d repairable, %d corrupt\n", count(len(findings), "finding"), len(findings)-worst, worst)
	said := map[meaning]bool{}
	for _, f := range findings {
		if m := meaningOf(f); !said[m] {
			said[m] = true
			t.printf("\n%s: %s\n  mended by: %s\n", f.Severity, m.means, m.mend)
		}
	}
	if code == verdictCorrupt {
		t.printf("\nBefore a reset: shmtool dump NAME --json keeps what can still be read.\n")
	}
}
