// Package upstream is the backends as seen by a request: their endpoints,
// balancing, and per endpoint a pool of connections.
//
//	ep := backend.Pick(tried)
//	conn := ep.Idle(upstream.Plain)
//	if conn == nil {
//		conn, err = ep.Dial(ctx, upstream.Plain, connectTimeout)
//	}
//	… one request and its response …
//	conn.Release() // or conn.Discard()
//
// It turns endpoint sets into places to send a request to. It knows the wire
// only as far as a connection can be reused, and nothing of routes, policies
// or Kubernetes. A Backend lives as long as some table refers to it; replacing
// its endpoints never disturbs requests in flight (H11.7). The package owns one
// goroutine for each HTTP/2 connection, which ends with it, and one timer that
// sweeps idle connections while there are any.
package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"daemun/internal/ir"
)

// Resolver looks up the addresses of a name; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config is what a Registry can be told. The zero value holds ingress-nginx's
// defaults (§5.5).
type Config struct {
	// DialFilter may refuse an address, after resolution, at every dial
	// (H10.2); nil allows all. It is called by many goroutines.
	DialFilter func(netip.AddrPort) error
	// AllowLoopbackNames lets ExternalName targets resolve to loopback.
	AllowLoopbackNames bool
	// Services has the addresses of the names of Services, which may be
	// loopback; of other names it has none, and nil has none of any. It is
	// called by many goroutines.
	Services func(host string) []netip.Addr
	// Resolver resolves all other ExternalName targets; nil is
	// net.DefaultResolver.
	Resolver Resolver
	// TLS is the configuration for https upstreams; nil is no verification
	// and no SNI (§4.9). It is cloned.
	TLS *tls.Config

	IdleMax     int           // idle connections per backend; 0 is 320
	IdleTimeout time.Duration // 0 is 60 s
	MaxRequests int           // requests per connection; 0 is 10000
	MaxAge      time.Duration // age of a connection; 0 is 1 h

	http2TLS *tls.Config // TLS, for HTTP/2
}

// sessionCache is the number of TLS sessions kept for resumption.
const sessionCache = 1024

func (c Config) withDefaults() Config {
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	if c.IdleMax == 0 {
		c.IdleMax = 320
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = 60 * time.Second
	}
	if c.MaxRequests == 0 {
		c.MaxRequests = 10000
	}
	if c.MaxAge == 0 {
		c.MaxAge = time.Hour
	}
	if c.TLS == nil {
		c.TLS = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	} else {
		c.TLS = c.TLS.Clone()
	}
	if c.TLS.ClientSessionCache == nil {
		c.TLS.ClientSessionCache = tls.NewLRUClientSessionCache(sessionCache)
	}
	c.http2TLS = c.TLS.Clone()
	c.http2TLS.NextProtos = []string{"h2"}
	c.http2TLS.ClientSessionCache = tls.NewLRUClientSessionCache(sessionCache)
	return c
}

// Registry owns all backends of one Daemun. It is safe for concurrent use.
type Registry struct {
	config Config
	pool   atomic.Pointer[ir.Pool]
	// ipv4Names leaves the IPv6 addresses of names out.
	ipv4Names atomic.Bool
	running   sync.WaitGroup // the goroutines of HTTP/2 connections

	mu       sync.Mutex // guards the following
	backends map[ir.BackendID]*Backend
	past     pastTotals // its counters are atomic
	closed   bool
	sweeping bool // the timer is armed
	timer    *time.Timer
	trimmer  *time.Timer
	// trimming: trimmer is armed. It is written with the lock.
	trimming atomic.Bool
}

// NewRegistry returns a registry without backends.
func NewRegistry(c Config) *Registry {
	r := &Registry{config: c.withDefaults(), backends: make(map[ir.BackendID]*Backend)}
	r.pool.Store(&ir.Pool{Connections: r.config.IdleMax, Requests: r.config.MaxRequests, Age: ir.Duration(r.config.MaxAge), Idle: ir.Duration(r.config.IdleTimeout)})
	return r
}

// Keep changes how connections are kept; nil is ir.DefaultPool. It is for
// connections that are given back from now on, and for what HTTP/2 connections
// are opened with.
func (r *Registry) Keep(p *ir.Pool) {
	if p == nil {
		usual := ir.DefaultPool()
		p = &usual
	}
	r.pool.Store(p)
}

// IPv4Names leaves the IPv6 addresses of names out, or no longer, for
// connections that are opened from now on.
func (r *Registry) IPv4Names(only bool) { r.ipv4Names.Store(only) }

// sweepEvery is the time between two sweeps.
func (r *Registry) sweepEvery() time.Duration {
	return max(time.Millisecond, r.pool.Load().Idle.D()/sweepsPerTimeout)
}

// Backend returns the backend of an id, made empty on first use.
func (r *Registry) Backend(id ir.BackendID) *Backend {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.backendLocked(id)
}

func (r *Registry) backendLocked(id ir.BackendID) *Backend {
	b := r.backends[id]
	if b == nil {
		b = newBackend(r, id)
		r.backends[id] = b
	}
	return b
}

// Update replaces the endpoints of a backend. Endpoints that stay keep their
// pools; idle connections of endpoints that left are closed at once, busy
// ones after their request.
func (r *Registry) Update(set ir.EndpointSet) {
	r.mu.Lock()
	left := r.backendLocked(set.Backend).replace(set.Endpoints)
	r.leave(left)
	r.mu.Unlock()
	for _, e := range left {
		e.retire()
	}
}

// Retain drops every backend whose id is not in use any more.
func (r *Registry) Retain(inUse func(ir.BackendID) bool) {
	var left []*Endpoint
	r.mu.Lock()
	for id, b := range r.backends {
		if !inUse(id) {
			delete(r.backends, id)
			left = append(left, b.endpoints()...)
		}
	}
	r.leave(left)
	r.mu.Unlock()
	// A request that still uses an old table keeps the endpoints; only their
	// pools are closed.
	for _, e := range left {
		e.retire()
	}
}

// Close closes all idle connections; busy ones close after their request, and
// HTTP/2 connections after all of theirs, which Close does not wait for.
func (r *Registry) Close() {
	r.mu.Lock()
	r.closed = true
	if r.timer != nil {
		r.timer.Stop()
	}
	if r.trimmer != nil {
		r.trimmer.Stop()
	}
	all := r.allLocked()
	r.mu.Unlock()
	for _, e := range all {
		e.retire()
	}
}

// CloseIdle closes the connections that wait in pools.
func (r *Registry) CloseIdle() {
	r.mu.Lock()
	all := r.allLocked()
	r.mu.Unlock()
	for _, e := range all {
		e.sweep(time.Now().Add(r.pool.Load().Idle.D()))
	}
}

func (r *Registry) allLocked() []*Endpoint {
	var all []*Endpoint
	for _, b := range r.backends {
		all = append(all, b.endpoints()...)
	}
	return all
}

// sweeps per idle timeout: a connection that the peer closed or that is too
// old stays at most this part of the time-out longer.
const sweepsPerTimeout = 6

// watchIdle makes sure that idle connections are looked after.
func (r *Registry) watchIdle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sweeping || r.closed {
		return
	}
	r.sweeping = true
	every := r.sweepEvery()
	if r.timer == nil {
		r.timer = time.AfterFunc(every, r.sweep)
	} else {
		r.timer.Reset(every)
	}
}

// sweep closes what has been idle too long or was closed by the peer, and comes
// again as long as something is idle.
func (r *Registry) sweep() {
	r.mu.Lock()
	all := r.allLocked()
	r.mu.Unlock()
	rest := 0
	now := time.Now()
	for _, e := range all {
		rest += e.sweep(now)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sweeping = rest > 0 && !r.closed; r.sweeping {
		r.timer.Reset(r.sweepEvery())
		return
	}
	for _, b := range r.backends {
		b.watched.Store(false)
		if b.idle.Load() > 0 && !r.closed && !r.sweeping { // came after the count, and found itself watched
			r.sweeping = true
			r.timer.Reset(r.sweepEvery())
		}
	}
}
