// Package metrics counts what the data side does and exposes it in the
// Prometheus text format under the names of ingress-nginx.
//
// The hot path sees only Route.Observe: pre-resolved handles with sharded
// atomic counters, no locks, no allocation, no label taken from a request
// (H8.3). The prometheus library reads them at scrape through a Collector.
// Everything else comes through functions given in Config, called at scrape.
// The package starts no goroutines.
package metrics

import (
	"hash/maphash"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Registry owns all series of one Daemun. It is safe for concurrent use.
type Registry struct {
	config Config
	layout layout
	gather *prometheus.Registry
	seed   maphash.Seed

	mu sync.Mutex
	// routes finds a route by the hash of its key; routes with equal hashes
	// are chained. The key is then held once, which matters with 100,000.
	routes map[uint64]*Route
	count  int
}

// RouteKey are the labels of a route's series.
type RouteKey struct {
	Host, Namespace, Ingress, Service, Path, Canary string
}

// New returns a registry without routes.
func New(c Config) *Registry {
	r := &Registry{config: c, layout: newLayout(c), seed: maphash.MakeSeed(), routes: map[uint64]*Route{}}
	r.gather = prometheus.NewRegistry()
	r.gather.MustRegister(newRouteCollector(r), newStateCollector(c))
	if c.Own.Live != nil {
		r.gather.MustRegister(newTimesCollector(c))
	}
	if c.Runtime {
		r.gather.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	return r
}

// Handler answers a scrape with the Prometheus text format, or OpenMetrics if
// asked for.
func (r *Registry) Handler() http.Handler {
	return scrapes(promhttp.HandlerFor(r.gather, promhttp.HandlerOpts{
		// One bad series must not hide the others.
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
	}))
}

// A scrape has all series in memory until they are written, and in a cluster
// every Pod can ask for one: they are few at a time, and none waits for long for
// its reader.
const (
	maxScrapes = 8
	scrapeTime = time.Minute
)

func scrapes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.SetWriteDeadline(time.Now().Add(scrapeTime)) // not every writer has one
		next.ServeHTTP(w, r)
		_ = control.SetWriteDeadline(time.Time{}) // of the connection, for its next request
	})
}

// Route returns the handle of a route; equal keys get the same handle.
func (r *Registry) Route(k RouteKey) *Route {
	if r.config.WithoutHost {
		k.Host = ""
	}
	h := maphash.Comparable(r.seed, k)
	r.mu.Lock()
	defer r.mu.Unlock()
	for at := r.routes[h]; at != nil; at = at.next {
		if at.key == k {
			return at
		}
	}
	at := &Route{layout: &r.layout, key: k, next: r.routes[h]}
	r.routes[h] = at
	r.count++
	return at
}

// Forget forgets the series of a route that is gone. A handle that a request
// still holds stays valid; what it counts is no longer shown.
func (r *Registry) Forget(k RouteKey) { r.forget(maphash.Comparable(r.seed, k), k) }

func (r *Registry) forget(hash uint64, k RouteKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var kept *Route
	for at := r.routes[hash]; at != nil; {
		next := at.next
		if at.key == k {
			r.count--
		} else {
			at.next, kept = kept, at
		}
		at = next
	}
	if kept == nil {
		delete(r.routes, hash)
	} else {
		r.routes[hash] = kept
	}
}

// used returns the routes that have counted something.
func (r *Registry) used() []*Route {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*Route
	for _, at := range r.routes {
		for ; at != nil; at = at.next {
			if at.cells.Load() != nil {
				list = append(list, at)
			}
		}
	}
	return list
}

// Route holds the series of one route. It is safe for concurrent use. A nil
// *Route counts nothing. It is small until the first Observe.
type Route struct {
	layout *layout
	key    RouteKey
	next   *Route // guarded by Registry.mu
	// cells is replaced, never written, when another status or method comes.
	cells atomic.Pointer[cells]
}

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

// Observe counts one request. It neither blocks nor allocates, except for the
// first requests of a status and method.
func (r *Route) Observe(o *Observation) {
	if r == nil {
		return
	}
	k := r.layout.keyOf(o.Status, o.Method)
	c := r.cells.Load().find(k)
	if c == nil {
		c = r.cell(k)
	}
	r.layout.observe(c.shard(r.layout, o), o)
}

// cellKey is a status and a method: status*16 + method.
type cellKey uint16

const (
	// otherStatus stands for anything that is no status of HTTP, and for what
	// comes when a route has maxCells.
	otherStatus = 0
	maxCells    = 128
)

func (l *layout) keyOf(status int, method []byte) cellKey {
	switch {
	case status < 100 || status > 599:
		status = otherStatus
	case l.classes:
		status /= 100
	}
	return cellKey(status<<4 | methodIndex(method))
}

// methodNames are the values of the label; the last is for all others (H8.3).
var methodNames = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "other"}

func methodIndex(m []byte) int {
	switch string(m) {
	case "GET":
		return 0
	case "HEAD":
		return 1
	case "POST":
		return 2
	case "PUT":
		return 3
	case "PATCH":
		return 4
	case "DELETE":
		return 5
	case "CONNECT":
		return 6
	case "OPTIONS":
		return 7
	case "TRACE":
		return 8
	}
	return len(methodNames) - 1
}

func (k cellKey) labels() (status, method string) {
	method = methodNames[k&15]
	switch n := k >> 4; {
	case n > 0 && n < 10:
		return string([]byte{byte('0' + n), 'x', 'x'}), method
	case n != otherStatus:
		return string([]byte{byte('0' + n/100), byte('0' + n/10%10), byte('0' + n%10)}), method
	}
	return "other", method
}

// cells are the statuses and methods a route has seen, in the order of their
// first request: the usual one is found first.
type cells struct {
	keys  []cellKey
	cells []*cell
}

func (c *cells) find(k cellKey) *cell {
	if c == nil {
		return nil
	}
	for i, have := range c.keys {
		if have == k {
			return c.cells[i]
		}
	}
	return nil
}

// cell finds or adds the cell of k by copy and compare-and-swap. A backend
// that answers with ever new statuses ends up in "other".
func (r *Route) cell(k cellKey) *cell {
	fresh := &cell{}
	for {
		old := r.cells.Load()
		if c := old.find(k); c != nil {
			return c
		}
		next := &cells{}
		if old != nil {
			if len(old.keys) >= maxCells && k>>4 != otherStatus {
				k &= 15 // otherStatus
				continue
			}
			next.keys = append(next.keys, old.keys...)
			next.cells = append(next.cells, old.cells...)
		}
		next.keys, next.cells = append(next.keys, k), append(next.cells, fresh)
		if r.cells.CompareAndSwap(old, next) {
			return fresh
		}
	}
}

// maxShards bounds the copies of one cell's counters.
const maxShards = 8

// busyCell is the number of requests after which a cell gets its shards: most
// never do, and stay at one copy.
const busyCell = 1024

// cell holds the counters of one route, status and method, as up to maxShards
// copies on different cache lines, so that cores do not fight for one.
type cell struct {
	shards [maxShards]atomic.Pointer[shard]
}

// shard is one copy of the counters; the layout says what is where.
type shard struct{ counters []atomic.Uint64 }

// shard picks the copy for o. Which one does not matter for the sums; the
// address of o differs between connections and stays the same on one, so that
// a connection keeps to its cache line.
func (c *cell) shard(l *layout, o *Observation) *shard {
	first := c.shards[0].Load()
	if first == nil {
		return c.add(l, 0)
	}
	// Nothing is read through the pointer: it is only a number to spread by.
	i := int((uint64(uintptr(unsafe.Pointer(o)))*0x9e3779b97f4a7c15)>>56) & l.shardMask
	if i == 0 {
		return first
	}
	if s := c.shards[i].Load(); s != nil {
		return s
	}
	if first.counters[l.requests].Load() < busyCell {
		return first
	}
	return c.add(l, i)
}

func (c *cell) add(l *layout, i int) *shard {
	s := &shard{make([]atomic.Uint64, l.size)}
	if c.shards[i].CompareAndSwap(nil, s) {
		return s
	}
	return c.shards[i].Load()
}

// sum adds the copies up.
func (c *cell) sum(l *layout) []uint64 {
	total := make([]uint64, l.size)
	for i := range c.shards {
		s := c.shards[i].Load()
		if s == nil {
			continue
		}
		for j := range s.counters {
			total[j] += s.counters[j].Load()
		}
	}
	return total
}

// shardMask is one less than a power of two: enough copies for the cores.
func shardMask() int {
	n := 1
	for n < runtime.GOMAXPROCS(0) && n < maxShards {
		n *= 2
	}
	return n - 1
}
