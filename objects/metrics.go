package objects

import (
	"context"
	"time"
)

// A Metric is one of the thirteen means of execution times.
type Metric uint8

const (
	StepATime Metric = iota // per listed tweet, leg A
	StepBTime               // per listed tweet, leg B
	StepCTime               // per indexed tweet
	StepCDownload
	StepCHash
	StepCInsert
	Step1Time
	Step3Time
	Step3Select
	Step3Iteration
	Step3Usage
	UserFullTime
	ScanFullTime
	numMetrics
)

var metricText = [numMetrics]string{"step-a", "step-b", "step-c", "step-c-download", "step-c-hash", "step-c-insert",
	"step-1", "step-3", "step-3-select", "step-3-iteration", "step-3-usage", "user-full-time", "scan-full-time"}

func (m Metric) String() string { return metricText[m] }

// metricNames are the counters behind the means: a sum and a count each.
func metricNames() (names []string) {
	for _, n := range metricText {
		names = append(names, n+"-ns", n+"-count")
	}
	return names
}

// A Mean is a metric's content.
type Mean struct {
	Count uint64        `json:"count"`
	Sum   time.Duration `json:"sum"`
}

// Mean is the mean, 0 when nothing was added.
func (m Mean) Mean() time.Duration {
	if m.Count == 0 {
		return 0
	}
	return m.Sum / time.Duration(m.Count)
}

// Metrics are means of execution times.
type Metrics interface {
	// Add adds count measurements that took sum together. Writers of different
	// processes do not share a cache line. Killed in it: a sum without its count,
	// at most one measurement.
	Add(ctx context.Context, m Metric, count int, sum time.Duration) error
	// All returns every metric, by its number.
	All(ctx context.Context) ([]Mean, error)
}

type metrics struct{ m *SharedMemory }

func (x *metrics) Add(ctx context.Context, m Metric, count int, sum time.Duration) error {
	if m >= numMetrics || count < 0 || sum < 0 {
		return invalid("metric", m, "want a metric with a count and a sum of at least 0")
	}
	x.m.tree.metrics.Add(int(2*m), uint64(sum))
	x.m.tree.metrics.Add(int(2*m)+1, uint64(count))
	return nil
}

func (x *metrics) All(ctx context.Context) ([]Mean, error) {
	sums := x.m.tree.metrics.Sum()
	all := make([]Mean, numMetrics)
	for m := range all {
		all[m] = Mean{Sum: time.Duration(sums[2*m]), Count: sums[2*m+1]}
	}
	return all, nil
}
