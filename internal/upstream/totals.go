package upstream

import "sync/atomic"

// Totals are what all backends did and have, for metrics.
type Totals struct {
	// Serving backends have an endpoint, Empty ones have none.
	Serving, Empty, Endpoints int
	// Active attempts are under way, Idle connections wait in pools.
	Active, Idle int64
	// Attempts were made since the start, Failures of them gave no usable
	// response. They never go back: those of endpoints that left stay in.
	Attempts, Failures uint64
	// Dials opened connections, DialFailures could not.
	Dials, DialFailures uint64
}

// pastTotals are the counts that outlive endpoints.
type pastTotals struct {
	attempts, failures, dials, dialFailures atomic.Uint64
}

// leave keeps the counts of endpoints that leave. The caller holds mu, so that
// nobody sees them missing or twice.
func (r *Registry) leave(left []*Endpoint) {
	for _, e := range left {
		r.past.attempts.Add(e.requests.Load())
		r.past.failures.Add(e.failures.Load())
	}
}

// Totals adds up; it is made for a scrape.
func (r *Registry) Totals() Totals {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &r.past
	t := Totals{Attempts: p.attempts.Load(), Failures: p.failures.Load(), Dials: p.dials.Load(), DialFailures: p.dialFailures.Load()}
	for _, b := range r.backends {
		list := b.endpoints()
		if len(list) == 0 {
			t.Empty++
		} else {
			t.Serving++
		}
		t.Endpoints += len(list)
		t.Idle += int64(b.idle.Load())
		for _, e := range list {
			t.Active += e.active.Load()
			t.Attempts += e.requests.Load()
			t.Failures += e.failures.Load()
		}
	}
	return t
}
