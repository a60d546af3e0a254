package models

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
)

// both are the cores of the smallest machine the gate runs on; one verifier uses one.
const both = 2

func TestModels(t *testing.T) {
	needSpin(t)
	all := variants
	if os.Getenv("PROOF_FULL") == "" {
		all = nil
		for _, v := range variants {
			if !v.full {
				all = append(all, v)
			}
		}
	}
	checkCovers(t)
	reached := map[string][]statements{}
	verdicts, errs := make([]verdict, len(all)), make([]error, len(all))
	next := make(chan int)
	var workers sync.WaitGroup
	for range both {
		workers.Go(func() {
			for i := range next {
				dir, err := os.MkdirTemp("", "models")
				if err == nil {
					verdicts[i], err = check(all[i], dir)
					os.RemoveAll(dir)
				}
				errs[i] = err
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	workers.Wait()

	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "model\tvariant\tstates\tdepth\tseconds\tverdict")
	states, held, mutants, caught := 0, 0, 0, 0
	for i, v := range all {
		d, say := verdicts[i], ""
		switch {
		case errs[i] != nil:
			say = "NO VERDICT"
			t.Errorf("%s %s: %v", v.model, v.defines, errs[i])
		case v.mutant():
			mutants++
			if say = "caught"; d.errors == 0 {
				say = "NOT CAUGHT"
				t.Errorf("%s %s: the mutant passes", v.model, v.defines)
			} else {
				caught++
			}
		default:
			states += d.states
			reached[v.model] = append(reached[v.model], d.reached)
			switch say = "holds"; {
			case d.errors > 0:
				say = "FAILS"
				t.Errorf("%s %s: the model fails", v.model, v.defines)
			case !d.complete:
				say = "INCOMPLETE"
				t.Errorf("%s %s: the search was not complete: %s", v.model, v.defines, d.why)
			default:
				held++
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%.1f\t%s\n", v.model, v.defines, d.states, d.depth, d.took.Seconds(), say)
	}
	w.Flush()
	for model, of := range reached {
		for _, err := range checkReached(model, of) {
			t.Error(err)
		}
	}
	t.Logf("\n%s%d models hold, %d states explored; %d of %d mutants caught", table.String(), held, states, caught, mutants)
}

// checkCovers holds that every model is run, and every mutant in it.
func checkCovers(t *testing.T) {
	files, err := filepath.Glob(modelDir + "/*.pml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no models in %s: %v", modelDir, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		model := strings.TrimSuffix(filepath.Base(f), ".pml")
		runs, holds := " ", false
		for _, v := range variants {
			if v.model == model {
				runs += v.defines + " "
				holds = holds || !v.mutant() && !v.full
			}
		}
		if !holds {
			t.Errorf("%s is not run", f)
		}
		for _, word := range strings.FieldsFunc(string(text), func(r rune) bool {
			return r != '_' && (r < 'A' || r > 'Z')
		}) {
			if strings.HasPrefix(word, "M_") && !strings.Contains(runs, " "+word+" ") {
				t.Errorf("%s: mutant %s is not run", f, word)
			}
		}
	}
}
