package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/aotf/sharedmem/examples/pictures/internal/gallery"
	"github.com/aotf/sharedmem/objects"
)

// report is what a run found; its exported fields are the JSON output.
type report struct {
	Queries     int      `json:"queries"`
	Found       int      `json:"found"`
	Wrong       int      `json:"wrong"`
	Missed      int      `json:"missed"`
	Processes   int      `json:"processes"`
	Killed      int      `json:"killed"`
	Interrupted int      `json:"interrupted"`
	Redelivered uint64   `json:"redelivered"`
	RecoveryP99 float64  `json:"recovery_ms_p99"`
	Seconds     float64  `json:"seconds"`
	Seed        uint64   `json:"seed"`
	Results     []result `json:"results"`

	team               []string
	means              []objects.Mean
	pictures, accounts int64
	unreadable         []string
	upload             string
}

// result is one query's. Picture is "" when nothing was found.
type result struct {
	Query    int     `json:"query"`
	Account  string  `json:"account"`
	Picture  string  `json:"picture"`
	Distance int     `json:"distance"`
	MS       float64 `json:"ms"`
	verdict  string
}

// judge compares a finished request with what the query was made from. Right is
// the source, or a file with the same hash, anywhere in the list; or nothing, for
// a picture that is in no account.
func (r *report) judge(i int, q *gallery.Query, req *objects.UserRequest) {
	res := result{Query: i + 1, MS: float64(req.Took.Microseconds()) / 1000, verdict: "found"}
	names := map[int64]string{}
	for _, a := range req.Accounts {
		names[a.ID] = a.Name
	}
	best := -1
	for k, f := range req.Found {
		if !q.Absent && names[f.Account] == q.Account && (f.Tweet == q.Picture || slices.Contains(q.Same, f.Tweet)) {
			best = k
			break
		}
	}
	switch {
	case req.Problem != objects.NoProblem:
		res.verdict = "missed: " + req.Problem.String()
		r.Missed++
	case q.Absent && len(req.Found) == 0:
		res.verdict = "absent, rightly"
		r.Found++
	case best >= 0:
		r.Found++
	case len(req.Found) > 0:
		res.verdict = "wrong"
		best = 0
		r.Wrong++
	default:
		res.verdict = "missed"
		r.Missed++
	}
	if best >= 0 {
		f := req.Found[best]
		res.Account, res.Distance = names[f.Account], int(f.Distance)
		res.Picture = fmt.Sprint(f.Tweet)
	}
	r.Results[i] = res
}

var stepsShown = []objects.Metric{objects.Step1Time, objects.StepATime, objects.StepBTime, objects.StepCTime, objects.StepCHash,
	objects.StepCInsert, objects.Step3Time, objects.ScanFullTime, objects.UserFullTime}

// print shows a person what happened.
func (r *report) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "QUERY\tVERDICT\tACCOUNT\tPICTURE\tDISTANCE\tTIME")
	for _, x := range r.Results {
		distance := ""
		if x.Picture != "" {
			distance = fmt.Sprint(x.Distance)
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%.0f ms\n", x.Query, x.verdict, x.Account, x.Picture, distance, x.MS)
	}
	fmt.Fprintln(t, "\nWHERE THE TIME WENT\tTIMES\tMEAN")
	for _, m := range stepsShown {
		if mean := r.means[m]; mean.Count > 0 {
			fmt.Fprintf(t, "%s\t%d\t%v\n", m, mean.Count, mean.Mean().Round(1000))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nThe front and %d workers; %d processes were attached in all:\n  %s\n",
		len(r.team), r.Processes, strings.Join(r.team, "\n  "))
	fmt.Fprintf(w, "%d pictures of %d accounts were indexed, %d files could not be read.\n", r.pictures, r.accounts, len(r.unreadable))
	for _, u := range r.unreadable {
		fmt.Fprintf(w, "  %s\n", u)
	}
	if r.upload != "" {
		fmt.Fprintln(w, r.upload)
	}
	if r.Killed > 0 {
		fmt.Fprintf(w, "%d workers were killed, %d of them holding a claim; %d claims were delivered again; everything a dead one held was free within %.1f ms (p99).\n",
			r.Killed, r.Interrupted, r.Redelivered, r.RecoveryP99)
	}
	_, err := fmt.Fprintf(w, "%d of %d queries right, %d wrong, %d missed, in %.1f s (seed %d).\n",
		r.Found, r.Queries, r.Wrong, r.Missed, r.Seconds, r.Seed)
	return err
}
