package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	liveName = "daemun_change_to_live_seconds"
	liveHelp = "Time from the news of a change to the routing table that has it."
)

// liveBounds are for milliseconds to seconds.
var liveBounds = [...]float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5}

// Times is a histogram of rare durations. The zero value is ready; it is safe
// for concurrent use.
type Times struct {
	counts [len(liveBounds) + 1]atomic.Uint64
	sum    atomic.Int64
}

// Observe counts one duration.
func (t *Times) Observe(d time.Duration) {
	i := 0
	for i < len(liveBounds) && d.Seconds() > liveBounds[i] {
		i++
	}
	t.sum.Add(int64(d))
	t.counts[i].Add(1)
}

// timesCollector shows Own.Live.
type timesCollector struct {
	times *Times
	desc  *prometheus.Desc
}

func newTimesCollector(c Config) *timesCollector {
	return &timesCollector{c.Own.Live, prometheus.NewDesc(liveName, liveHelp, nil, constantLabels(c))}
}

// Describe implements prometheus.Collector.
func (tc *timesCollector) Describe(ch chan<- *prometheus.Desc) { ch <- tc.desc }

// Collect implements prometheus.Collector.
func (tc *timesCollector) Collect(ch chan<- prometheus.Metric) {
	buckets := make(map[float64]uint64, len(liveBounds))
	var count uint64
	for i := range tc.times.counts {
		count += tc.times.counts[i].Load()
		if i < len(liveBounds) {
			buckets[liveBounds[i]] = count
		}
	}
	ch <- prometheus.MustNewConstHistogram(tc.desc, count, time.Duration(tc.times.sum.Load()).Seconds(), buckets)
}
