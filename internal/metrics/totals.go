package metrics

import "slices"

// Classes are the classes of status that Totals counts by: the first digit,
// and 0 for what is no status of HTTP.
const Classes = 6

// Totals are what a route has counted since it exists.
type Totals struct {
	ByClass [Classes]uint64
	// Durations counts requests by the buckets of DurationBounds, the last one
	// for everything above.
	Durations []uint64
}

// Requests is the number of all requests.
func (t *Totals) Requests() (n uint64) {
	for _, c := range t.ByClass {
		n += c
	}
	return n
}

// Clone returns a copy of its own.
func (t *Totals) Clone() *Totals {
	return &Totals{ByClass: t.ByClass, Durations: slices.Clone(t.Durations)}
}

// DurationBounds are the upper bounds of the buckets of Totals, in seconds and
// ascending. They never change.
func (r *Registry) DurationBounds() []float64 { return r.layout.duration.floats }

// Each reads the totals of every route that has counted something. The totals
// are valid during the call of f only.
func (r *Registry) Each(f func(*Route, *Totals)) {
	t := Totals{Durations: make([]uint64, len(r.layout.duration.floats)+1)}
	for _, route := range r.used() {
		t.ByClass = [Classes]uint64{}
		clear(t.Durations)
		route.addTo(&t)
		f(route, &t)
	}
}

// Classes are the requests of the route since it exists, by the class of their
// status. A nil route has none.
func (r *Route) Classes() [Classes]uint64 {
	var t Totals
	if r != nil {
		r.addTo(&t)
	}
	return t.ByClass
}

// addTo adds up the cells of a route. It reads the few counters it wants: with
// ten thousand routes a cell's many others would be felt.
func (r *Route) addTo(t *Totals) {
	l, c := r.layout, r.cells.Load()
	if c == nil {
		return
	}
	for i, k := range c.keys {
		class := int(k>>4) / 100
		for j := range c.cells[i].shards {
			s := c.cells[i].shards[j].Load()
			if s == nil {
				continue
			}
			t.ByClass[class] += s.counters[l.requests].Load()
			for b := range t.Durations {
				t.Durations[b] += s.counters[l.duration.at+b].Load()
			}
		}
	}
}
