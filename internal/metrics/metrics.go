// Package metrics counts what the data side does and exposes it in the
// Prometheus text format under the names of ingress-nginx.
//
// The hot path sees only Route.Observe: pre-resolved handles with sharded
// atomic counters, no locks, no allocation, no label taken from a request
// (H8.3). The prometheus library reads them at scrape through a Collector.
package metrics

import "time"

// Registry owns all series of one Daemun.
type Registry struct{}

// RouteKey are the labels of a route's series.
type RouteKey struct {
	Host, Namespace, Ingress, Service, Path, Canary string
}

// Route returns the handle of a route; equal keys get the same handle.
func (r *Registry) Route(k RouteKey) *Route { panic("unimplemented") }

// Retain forgets the series of routes that are gone.
func (r *Registry) Retain(live func(RouteKey) bool) { panic("unimplemented") }

// Route holds the series of one route. It is safe for concurrent use.
type Route struct{}

// Observation is one finished request. Durations that do not apply are
// negative.
type Observation struct {
	Status        int
	Method        []byte
	RequestBytes  int64 // head and body as received
	ResponseBytes int64 // head and body as sent
	Duration      time.Duration
	Connect       time.Duration // to the upstream, all attempts
	Header        time.Duration // until the upstream's response head
	Response      time.Duration // until the upstream's response end
}

// Observe counts one request.
func (r *Route) Observe(o *Observation) { panic("unimplemented") }
