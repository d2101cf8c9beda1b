package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// cacheLine keeps the counters of two shards apart.
const cacheLine = 8 // counters of 8 octets

// histogram is the place of one histogram among the counters of a shard: one
// counter per bucket, not cumulative, the last for everything above.
type histogram struct {
	bounds []uint64  // inclusive, in nanoseconds or octets
	floats []float64 // the same as Prometheus writes them
	at     int       // the first bucket
	sum    int
	unit   float64 // what one of the sum is in the exposed unit
}

func (h *histogram) observe(s *shard, v uint64) {
	i := len(h.bounds)
	if i > 0 && v <= h.bounds[i-1] {
		for i = 0; v > h.bounds[i]; i++ { // bounded by the test above
		}
	}
	s.counters[h.at+i].Add(1)
}

// layout says which counter is where, the same for all routes.
type layout struct {
	duration, connect, header, response  histogram
	requestSize, responseSize, bytesSent histogram
	requests                             int // the counter of all requests
	size                                 int // of a shard, whole cache lines
	shardMask                            int
	classes                              bool // statuses are counted by class
}

func newLayout(c Config) layout {
	times := c.TimeBuckets
	if times == nil {
		times = prometheus.DefBuckets
	}
	lengths := c.LengthBuckets
	if lengths == nil {
		lengths = prometheus.LinearBuckets(10, 10, 10)
	}
	sizes := c.SizeBuckets
	if sizes == nil {
		sizes = prometheus.ExponentialBuckets(10, 10, 7)
	}
	l := layout{shardMask: shardMask(), size: 1, classes: c.StatusClasses} // counter 0: requests
	second, octet := float64(time.Second), 1.0
	l.duration = l.add(times, second)
	l.connect = l.add(times, second)
	l.header = l.add(times, second)
	l.response = l.add(times, second)
	l.requestSize = l.add(lengths, octet)
	l.responseSize = l.add(lengths, octet)
	l.bytesSent = l.add(sizes, octet)
	// Both are about the octets sent to the client, hence one sum.
	l.bytesSent.sum = l.responseSize.sum
	l.size = (l.size + cacheLine - 1) / cacheLine * cacheLine
	return l
}

// add places a histogram; perUnit is how many of its integers make one of the
// exposed unit.
func (l *layout) add(bounds []float64, perUnit float64) histogram {
	h := histogram{floats: bounds, at: l.size, sum: l.size + len(bounds) + 1, unit: 1 / perUnit}
	for _, b := range bounds {
		h.bounds = append(h.bounds, uint64(b*perUnit+0.5))
	}
	l.size = h.sum + 1
	return h
}

// observe counts o. The requests counter comes last: whoever reads a shard
// sees no request before its durations.
func (l *layout) observe(s *shard, o *Observation) {
	for _, t := range [...]struct {
		h *histogram
		d time.Duration
	}{{&l.duration, o.Duration}, {&l.connect, o.Connect}, {&l.header, o.Header}, {&l.response, o.Response}} {
		if t.d >= 0 {
			t.h.observe(s, uint64(t.d))
			s.counters[t.h.sum].Add(uint64(t.d))
		}
	}
	in, out := uint64(max(o.RequestBytes, 0)), uint64(max(o.ResponseBytes, 0))
	l.requestSize.observe(s, in)
	s.counters[l.requestSize.sum].Add(in)
	l.responseSize.observe(s, out)
	l.bytesSent.observe(s, out)
	s.counters[l.responseSize.sum].Add(out)
	s.counters[l.requests].Add(1)
}

// read returns what Prometheus wants: count, sum, cumulative buckets.
func (h *histogram) read(total []uint64) (count uint64, sum float64, buckets map[float64]uint64) {
	buckets = make(map[float64]uint64, len(h.floats))
	for i, b := range h.floats {
		count += total[h.at+i]
		buckets[b] = count
	}
	return count + total[h.at+len(h.floats)], float64(total[h.sum]) * h.unit, buckets
}
