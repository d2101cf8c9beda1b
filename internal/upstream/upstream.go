// Package upstream is the backends as seen by a request: their endpoints,
// balancing, and per endpoint a pool of connections.
//
// It turns endpoint sets into places to send a request to. It knows the wire
// only as far as a connection can be reused, and nothing of routes, policies
// or Kubernetes. A Backend lives as long as some table refers to it; replacing
// its endpoints never disturbs requests in flight (H11.7).
package upstream

import "daemun/internal/ir"

// Registry owns all backends of one Daemun. It is safe for concurrent use.
type Registry struct{}

// Backend returns the backend of an id, made empty on first use.
func (r *Registry) Backend(id ir.BackendID) *Backend { panic("unimplemented") }

// Update replaces the endpoints of a backend. Endpoints that stay keep their
// pools; idle connections of endpoints that left are closed at once, busy
// ones after their request.
func (r *Registry) Update(set ir.EndpointSet) { panic("unimplemented") }

// Retain drops every backend whose id is not in use any more.
func (r *Registry) Retain(inUse func(ir.BackendID) bool) { panic("unimplemented") }

// Close closes all idle connections; busy ones close after their request.
func (r *Registry) Close() { panic("unimplemented") }

// Backend is one destination of requests. It is safe for concurrent use.
type Backend struct{}

// Status is what an operator sees of a backend's endpoint.
type Status struct {
	ir.Endpoint
	Idle     int    `json:"idle"`     // pooled connections
	Active   int64  `json:"active"`   // requests in flight
	Requests uint64 `json:"requests"` // attempts since start
	Failures uint64 `json:"failures"` // attempts that failed
}

// Status returns the endpoints in their stable order.
func (b *Backend) Status() []Status { panic("unimplemented") }
