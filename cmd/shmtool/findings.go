package main

import (
	"regexp"
	"strings"

	"github.com/aotf/sharedmem/shm"
)

// A meaning is what a finding of verify means, and which command mends it.
type meaning struct{ means, mend string }

const (
	mendSweep = "any process of the program that attaches, or shmtool sweep NAME, which says what it leaves to the program"
	mendReset = "end its processes, then shmtool reset NAME"
)

// meanings are by the format of the finding's text, as package shm makes it.
var meanings = map[string]meaning{
	"state %d": {"the header does not say open, stopped or retired", mendReset},
	"slot %d: process %d is dead and not judged yet":         {"a process died, and nobody attached has asked the kernel about it", mendSweep},
	"slot %d: process %d is dead and not swept yet":          {"a process died, and what it owned is being put back, or waits for it", mendSweep},
	"slot %d: state %d":                                      {"the registry does not say free, alive or dead", mendReset},
	"%s: owner %d is no slot":                                {"a record names an owner that cannot be", mendReset},
	"%s: %s by slot %d, where no process lives (header %#x)": {"the owner of a record died; its work goes back to the queue or is freed", mendSweep},
	"%s: state %d":                                                           {"the header of a record says no known state", mendReset},
	"%s: queue %d is not one of this arena":                                  {"the header of a record names a foreign queue", mendReset},
	"%s: %s without a life":                                                  {"a record in use was never allocated", mendReset},
	"%s: free with owner %d":                                                 {"a free record names an owner", mendReset},
	"%s: free, but not in the bitmap":                                        {"somebody died while freeing it; it is found only by a full search", mendSweep},
	"record %s (turn %d): posted, but in no slot":                            {"its poster died, or is stopped, on the way; nobody can take it until then", mendSweep},
	"record %s: posted to no queue":                                          {"the header of a record names no queue", mendReset},
	"record %s (turn %d): posted, but not in the bitmap":                     {"its poster died on the way; nobody can take it until then", mendSweep},
	"record %s: a blob that its holder does not name":                        {"somebody died while replacing a value; its memory is not free", mendSweep},
	"record %s: the field at byte %d has blob %s, which is not its own":      {"a value of the record is lost, or another record's is shown for it", mendReset},
	"record %s of %s is %s, but not in the index":                            {"a record that everybody should find is not found", mendReset},
	"head %d and tail %d of %d slots":                                        {"the positions of a ring are farther apart than it is long", mendReset},
	"slot %d: lap %d, and the tail is in lap %d":                             {"a slot of a ring holds what no put can have left, and every put will fail there", mendReset},
	"bucket %d: record %s stands there twice":                                {"a record stands twice in an index", mendReset},
	"bucket %d: records %s and %s have the same key":                         {"an index has a key twice", mendReset},
	"slot %d: record %d of %d":                                               {"a slot of a ring leads to no record", mendReset},
	"bucket %d: step %d":                                                     {"a bucket of an index is in no known step", mendReset},
	"bucket %d: a step is open (control %#x)":                                {"somebody died in an insert or delete; whoever uses the bucket finishes it", mendSweep},
	"bucket %d: record %d of %d":                                             {"an entry of an index leads to no record", mendReset},
	"bucket %d: record %s was freed":                                         {"an entry of an index leads to a freed record", mendReset},
	"bucket %d: record %s has a key of bucket %d":                            {"an entry of an index leads to a record of another key", mendReset},
	"permit %d: owner %d is no slot":                                         {"a permit names a holder that cannot be", mendReset},
	"permit %d: held by slot %d, where its process does not live (word %#x)": {"the holder of a permit died; whoever waits for it gets it", mendSweep},
}

type knownFinding struct {
	text *regexp.Regexp
	meaning
}

var knownVerb = regexp.MustCompile(`%#?[sdx]`)

var knownFindings = func() (list []knownFinding) {
	for format, m := range meanings {
		parts := knownVerb.Split(format, -1)
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		list = append(list, knownFinding{regexp.MustCompile("^" + strings.Join(parts, `(record [\d.]+|\S+)`) + "$"), m})
	}
	return list
}()

// meaningOf explains a finding.
func meaningOf(f shm.Finding) meaning {
	for _, k := range knownFindings {
		if k.text.MatchString(f.What) {
			return k.meaning
		}
	}
	if f.Severity == shm.Repairable {
		return meaning{"a process died in the middle of something", mendSweep}
	}
	return meaning{"the memory was damaged, or the library has a defect", mendReset}
}
