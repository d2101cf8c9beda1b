package history

import (
	"time"

	"daemun/internal/metrics"
)

// Rates are what happens per second, and how long it takes.
type Rates struct {
	// ByClass are requests per second by the first digit of their status.
	ByClass [metrics.Classes]float64
	// P50 and P99 are in seconds; negative when there was no request. Above
	// the last bound of the histogram they are that bound.
	P50, P99 float64
}

// Requests is the rate of all requests.
func (r Rates) Requests() (sum float64) {
	for _, n := range r.ByClass {
		sum += n
	}
	return sum
}

// Failed is the rate of requests that were answered with 5xx.
func (r Rates) Failed() float64 { return r.ByClass[5] }

// Point is one step, or several in a row.
type Point struct {
	At time.Time // the end
	Rates
	// Connections is the largest number of open client connections.
	Connections int64
}

// Points returns the history, oldest first, with steps put together so that
// they are no more than n. Steps are put together by their place in time, so
// that a point that is complete stays the same from one call to the next.
func (h *History) Points(n int) []Point {
	h.mu.RLock()
	defer h.mu.RUnlock()
	per := max(1, (steps+n-1)/max(n, 1))
	var points []Point
	var sum slot
	flush := func() {
		if sum.took > 0 {
			points = append(points, Point{At: sum.at, Rates: h.rates(sum.byClass, sum.durations, sum.took), Connections: sum.connections})
		}
		sum = slot{durations: make([]uint32, len(h.bounds)+1)}
	}
	flush()
	for i := range h.count {
		s := &h.ring[(h.next-h.count+i+steps)%steps]
		sum.add(s)
		if (h.tick-h.count+i+1)%per == 0 {
			flush()
		}
	}
	flush()
	return points
}

func (s *slot) add(o *slot) {
	s.at, s.took = o.at, s.took+o.took
	for i := range s.byClass {
		s.byClass[i] += o.byClass[i]
	}
	for i := range s.durations {
		s.durations[i] += o.durations[i]
	}
	s.connections = max(s.connections, o.connections)
}

// Since is the time of the first step that is remembered; zero before the
// first.
func (h *History) Since() time.Time {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.count == 0 {
		return time.Time{}
	}
	s := &h.ring[(h.next-h.count+steps)%steps]
	return s.at.Add(-s.took)
}

// Now are the rates of all routes together over the last window.
func (h *History) Now() Rates {
	h.mu.RLock()
	defer h.mu.RUnlock()
	sum := slot{durations: make([]uint32, len(h.bounds)+1)}
	for i := range min(h.count, 2*window) {
		sum.add(&h.ring[(h.next-1-i+steps)%steps])
	}
	return h.rates(sum.byClass, sum.durations, sum.took)
}

// Route are the rates of one route over the last ten to twenty seconds, zero
// for one that was never used.
func (h *History) Route(r *metrics.Route) Rates {
	h.mu.RLock()
	defer h.mu.RUnlock()
	t := h.routes[r]
	if t == nil || t.bases[0] == nil {
		return Rates{P50: -1, P99: -1}
	}
	var byClass [metrics.Classes]uint64
	durations := make([]uint32, len(h.bounds)+1)
	for i := range byClass {
		byClass[i] = grown(t.last.ByClass[i], t.bases[0].ByClass[i])
	}
	for i := range durations {
		durations[i] = uint32(grown(t.last.Durations[i], t.bases[0].Durations[i]))
	}
	return h.rates(byClass, durations, h.last.Sub(h.marks[0]))
}

func (h *History) rates(byClass [metrics.Classes]uint64, durations []uint32, took time.Duration) Rates {
	r := Rates{P50: h.quantile(durations, 0.50), P99: h.quantile(durations, 0.99)}
	if seconds := took.Seconds(); seconds > 0 {
		for i, n := range byClass {
			r.ByClass[i] = float64(n) / seconds
		}
	}
	return r
}

// quantile reads a histogram as Prometheus does: straight lines inside of a
// bucket.
func (h *History) quantile(durations []uint32, q float64) float64 {
	var all uint64
	for _, n := range durations {
		all += uint64(n)
	}
	if all == 0 {
		return -1
	}
	rank, below, low := q*float64(all), 0.0, 0.0
	for i, bound := range h.bounds {
		n := float64(durations[i])
		if n > 0 && below+n >= rank {
			return low + (bound-low)*(rank-below)/n
		}
		below, low = below+n, bound
	}
	return low
}

// FirstBound is the upper bound of the histogram's first bucket in seconds:
// what is shorter is not known better. It is 0 without buckets.
func (h *History) FirstBound() float64 {
	if len(h.bounds) == 0 {
		return 0
	}
	return h.bounds[0]
}
