package upstream

import "sync/atomic"

// inFlight counts the requests to a backend, where there is a bound for them
// (H6.16).
type inFlight struct {
	most    atomic.Int64 // 0: no bound, nothing is counted
	running atomic.Int64
}

// Place is the place of one request among those that a backend may have in
// flight. The zero value is that of one that is not counted.
type Place struct{ of *inFlight }

// MaxRequests is how many requests the backend may have in flight, 0 for any
// number.
func (b *Backend) MaxRequests() int { return int(b.inFlight.most.Load()) }

// Enter takes a place; ok is false when there is none left. Leave must follow.
func (b *Backend) Enter() (p Place, ok bool) {
	f := &b.inFlight
	most := f.most.Load()
	if most == 0 {
		return Place{}, true
	}
	if f.running.Add(1) > most {
		f.running.Add(-1)
		return Place{}, false
	}
	return Place{f}, true
}

// Leave gives the place back.
func (p Place) Leave() {
	if p.of != nil {
		p.of.running.Add(-1)
	}
}
