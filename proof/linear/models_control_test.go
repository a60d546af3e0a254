//go:build linux && (amd64 || arm64)

package linear

import (
	"fmt"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"
)

// hist makes a history of calls that follow one another, written "name in out";
// "name in ?" was killed in it, and "recover in 0" is the sweep behind it.
func hist(t *testing.T, part uint64, calls ...string) (ops []porcupine.Operation) {
	t.Helper()
	end := int64(10 * len(calls))
	for i, call := range calls {
		var name, out string
		var in uint64
		if n, err := fmt.Sscan(call, &name, &in, &out); n != 3 {
			t.Fatalf("%q: %v", call, err)
		}
		o := porcupine.Operation{ClientId: i, Call: int64(10 * i), Return: int64(10*i + 5)}
		x := input{in: in, part: part, op: uint64(len(opNames))}
		for op, n := range opNames {
			if n == name {
				x.op = uint64(op)
			}
		}
		if x.op == uint64(len(opNames)) {
			t.Fatalf("%q: no such call", call)
		}
		v := uint64(0)
		if x.unknown = out == "?"; x.unknown {
			o.Return = end
		} else if _, err := fmt.Sscan(out, &v); err != nil {
			t.Fatalf("%q: %v", call, err)
		}
		o.Input, o.Output = x, v
		ops = append(ops, o)
	}
	return ops
}

// Every model accepts what is right and refuses every kind of wrong answer.
// Answers of insert and launch are twice the record, and one more if it is new.
func TestModels(t *testing.T) {
	for _, c := range []struct {
		subject string
		part    uint64
		right   bool
		relaxed bool
		calls   string
	}{
		{"ring", 0, true, false, "new 0 1, put 7 1, new 0 1, put 8 1, get 0 7, free 7 1, get 0 8, free 8 1, get 0 0"},
		{"ring", 0, false, true, "put 7 1, put 8 1, get 0 8, get 0 7"},          // order
		{"ring", 0, false, true, "put 7 1, get 0 7, get 0 7"},                   // twice
		{"ring", 0, false, true, "put 7 1, get 0 0"},                            // empty, and is not
		{"ring", 0, false, true, "new 0 1, put 7 0"},                            // taken from who has it
		{"ring", 0, false, true, "put 7 1, get 0 7, free 7 0"},                  // the same
		{"ring", 0, false, true, "get 0 9"},                                     // from nowhere
		{"ring", 0, false, false, "new 0 1, new 0 0"},                           // full, and is not
		{"ring", 0, true, true, "new 0 1, new 0 0"},                             // which the relaxed model leaves open
		{"ring", 0, true, false, "new 0 1, new 0 1, new 0 1, new 0 1, new 0 0"}, // full
		{"ring", 0, false, false, "new 0 1, new 0 1, new 0 1, new 0 1, new 0 1"},
		{"ring", 0, true, true, "put 7 1, get 0 ?, recover 0 0, get 0 7, get 0 0"},
		{"ring", 0, false, true, "put 7 1, get 0 ?, recover 0 0, get 0 0"},                   // lost with its taker
		{"ring", 0, false, true, "put 7 1, get 0 ?, recover 0 0, get 0 7, get 0 7"},          // put back twice
		{"ring", 0, true, true, "put 7 1, put 8 1, get 0 ?, recover 0 0, get 0 8, get 0 7"},  // to the tail
		{"ring", 0, true, true, "put 7 1, get 0 7, recover 7 0, get 0 7, get 0 0"},           // had it
		{"ring", 0, false, true, "put 7 1, get 0 7, recover 7 0, get 0 0"},                   // and lost it
		{"ring", 0, true, true, "put 7 ?, recover 0 0, get 0 0"},                             // a put may not have been
		{"ring", 0, false, true, "put 7 ?, recover 0 0, get 0 0, get 0 7"},                   // but not after the sweep
		{"ring", 0, true, true, "put 7 1, get 0 7, free 7 ?, recover 0 0, get 0 7, get 0 0"}, // nor a free
		{"index", 0, true, false, "lookup 0 0, insert 0 11, insert 0 10, lookup 0 5, retire 5 1, end 5 1, lookup 0 0, insert 0 13"},
		{"index", 0, false, false, "insert 0 11, insert 0 13"},                        // two of one key
		{"index", 0, false, false, "insert 0 11, lookup 0 0"},                         // not found
		{"index", 0, false, false, "insert 0 11, lookup 0 6"},                         // another
		{"index", 0, false, false, "insert 0 10"},                                     // existing, and is not
		{"index", 0, false, false, "insert 0 11, retire 5 1, retire 5 1"},             // retired twice
		{"index", 0, false, false, "insert 0 11, retire 5 1, end 5 0"},                // taken from who retires it
		{"index", 0, true, false, "insert 0 11, retire 5 0"},                          // perhaps not settled yet
		{"index", 0, false, false, "insert 0 11, retire 5 1, end 5 1, lookup 0 5"},    // found after its end
		{"index", 0, true, false, "insert 0 11, retire 5 1, insert 0 13, lookup 0 6"}, // replaced while retiring
		{"index", 0, true, false, "insert 0 ?, recover 0 0, lookup 0 6, insert 0 12"},
		{"index", 0, false, false, "insert 0 ?, recover 0 0, lookup 0 6, lookup 0 7"},
		{"index", 0, false, false, "insert 0 ?, recover 0 0, lookup 0 0, lookup 0 6"},              // after the sweep
		{"index", 0, false, false, "insert 0 11, retire 5 1, recover 5 0, lookup 0 5"},             // never ended
		{"index", 0, true, false, "insert 0 11, retire 5 ?, recover 0 0, lookup 0 5"},              // perhaps never begun
		{"index", 0, false, false, "insert 0 11, retire 5 ?, recover 0 0, lookup 0 5, lookup 0 0"}, // but not both
		{"semaphore", 0, true, false, "acquire 0 1, acquire 0 1, acquire 0 0, release 0 1, acquire 0 1"},
		{"semaphore", 0, false, true, "acquire 0 1, acquire 0 1, acquire 0 1"}, // one too many
		{"semaphore", 0, false, false, "acquire 0 1, acquire 0 0"},             // none, and is
		{"semaphore", 0, false, true, "release 0 1"},
		{"semaphore", 0, false, true, "acquire 0 1, release 0 0"},
		{"semaphore", 0, true, false, "acquire 0 1, recover 1 0, acquire 0 1, acquire 0 1, acquire 0 0"},
		{"semaphore", 0, false, false, "acquire 0 1, recover 1 0, acquire 0 1, acquire 0 0"},             // kept by the dead
		{"semaphore", 0, false, true, "acquire 0 ?, recover 0 0, acquire 0 1, acquire 0 1, acquire 0 1"}, // given back twice
		{"users", 1, true, false, "find 1 0, launch 1 11, launch 1 10, find 1 5, status 1 1, claim 1 2, advance 1 1, claim 2 2, status 1 4, advance 1 1, claim 3 2, finish 1 1, status 1 7"},
		{"users", 0, true, false, "launch 0 11, status 0 5, claim 3 1, finish 0 1, launch 0 10"},
		{"users", 1, false, false, "launch 1 11, launch 1 13"},            // twice
		{"users", 1, false, false, "launch 1 11, find 1 0"},               // not found
		{"users", 1, false, false, "launch 1 11, claim 1 2, claim 1 2"},   // two workers
		{"users", 1, false, false, "launch 1 11, claim 1 2, advance 1 0"}, // taken from its worker
		{"users", 1, false, false, "launch 1 11, claim 2 2"},              // a step left out
		{"users", 1, false, false, "launch 1 11, claim 1 2, status 1 1"},
		{"users", 0, false, false, "launch 0 11, claim 3 1, finish 0 1, claim 3 1"}, // after END
		{"users", 1, true, false, "launch 1 11, claim 1 ?, recover 0 0, status 1 1"},
		{"users", 1, false, false, "launch 1 11, claim 1 2, recover 2 0, status 1 2"}, // the dead's
		{"users", 1, false, false, "launch 1 11, claim 1 2, advance 1 ?, recover 0 0, status 1 2"},
		{"users", 1, false, false, "launch 1 ?, recover 0 0, find 1 0, find 1 5"}, // after the sweep
	} {
		for _, s := range subjects {
			if s.name != c.subject {
				continue
			}
			history := hist(t, c.part, strings.Split(c.calls, ", ")...)
			if ok := porcupine.CheckOperations(s.check(c.part, c.relaxed), history); ok != c.right {
				t.Errorf("%s: %s: accepted %v, want %v", c.subject, c.calls, ok, c.right)
			}
		}
	}
}
