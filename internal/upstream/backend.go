package upstream

import (
	"crypto/tls"
	"slices"
	"strings"
	"sync/atomic"

	"daemun/internal/ir"
)

// Backend is one destination of requests. It is safe for concurrent use.
type Backend struct {
	registry *Registry
	id       ir.BackendID
	logName  string
	key      string
	balance  atomic.Pointer[Balance]    // nil: round robin
	tls      atomic.Pointer[tls.Config] // nil: that of the registry

	inFlight inFlight

	set     atomic.Pointer[[]*Endpoint] // the slice is never written after the store
	next    atomic.Uint32
	idle    atomic.Int32 // pooled connections of all endpoints
	watched atomic.Bool  // the sweep timer is armed, as far as we know
}

func newBackend(r *Registry, id ir.BackendID) *Backend {
	name, _, _ := strings.Cut(string(id), " ") // the rest says how TLS is spoken to it
	b := &Backend{registry: r, id: id, logName: strings.ReplaceAll(name, "/", "-"), key: keyOf("backend", string(id))}
	b.set.Store(new([]*Endpoint))
	return b
}

// ID returns the backend's id.
func (b *Backend) ID() ir.BackendID { return b.id }

// LogName is the name in access logs: "namespace-service-port".
func (b *Backend) LogName() string { return b.logName }

// Len is the number of endpoints that may receive new requests.
func (b *Backend) Len() int { return len(*b.set.Load()) }

func (b *Backend) endpoints() []*Endpoint { return *b.set.Load() }

// replace publishes new endpoints and returns those that left. Only one
// goroutine may call it at a time.
func (b *Backend) replace(next []ir.Endpoint) (left []*Endpoint) {
	old := b.endpoints()
	// By spec, not by looking along the list: it may have ten thousand.
	known := make(map[ir.Endpoint]*Endpoint, len(old))
	for _, e := range old {
		known[e.spec] = e
	}
	made := make([]*Endpoint, 0, len(next))
	var fresh []*Endpoint
	for _, spec := range next {
		e := known[spec]
		if e == nil {
			e = newEndpoint(b, spec)
			known[spec] = e
			fresh = append(fresh, e)
		}
		made = append(made, e)
	}
	startAtAverage(old, fresh)
	b.set.Store(&made)
	for _, e := range made {
		delete(known, e.spec)
	}
	for _, e := range old {
		if known[e.spec] == e {
			left = append(left, e)
			delete(known, e.spec)
		}
	}
	return left
}

// Pick returns the next endpoint in round-robin order that is not among tried;
// when all were tried, the next one whatever it is. It returns nil if there is
// no endpoint at all. It neither locks nor allocates.
func (b *Backend) Pick(tried []*Endpoint) *Endpoint {
	all := b.endpoints()
	n := uint32(len(all))
	if n == 0 {
		return nil
	}
	start := b.next.Add(1) - 1
	if len(tried) > 0 {
		for i := range n {
			if e := all[(start+i)%n]; !slices.Contains(tried, e) {
				return e
			}
		}
	}
	return all[start%n]
}

// Status is what an operator sees of a backend's endpoint.
type Status struct {
	ir.Endpoint
	Idle     int    `json:"idle"`     // pooled connections
	Active   int64  `json:"active"`   // requests in flight
	Requests uint64 `json:"requests"` // attempts since start
	Failures uint64 `json:"failures"` // attempts that failed
}

// Status returns the endpoints in their stable order.
func (b *Backend) Status() []Status {
	all := b.endpoints()
	status := make([]Status, len(all))
	for i, e := range all {
		status[i] = Status{Endpoint: e.spec, Idle: e.idleCount(), Active: e.active.Load(), Requests: e.requests.Load(), Failures: e.failures.Load()}
	}
	return status
}
