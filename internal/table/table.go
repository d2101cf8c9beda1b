// Package table turns the IR into the executable routing table: a host map
// with wildcards, and per host an index of paths.
//
//	t := table.Compile(prev, revision, cfg, handles)
//	var m table.Match // one per connection, reused
//	switch t.Resolve(host, rawPath, &m) {
//	case table.Found: // m.Host, m.Route, m.Path
//	}
//
// It knows nothing of sockets or messages. A Table is immutable once Compile
// returned it and is read without locks by any number of goroutines. What must
// outlive a table (backends with their pools, metric series) is found through
// Handles at compile time and only pointed to.
package table

import (
	"bytes"
	"iter"

	"daemun/internal/canonical"
	"daemun/internal/compress"
	"daemun/internal/http1"
	"daemun/internal/ir"
	"daemun/internal/metrics"
	"daemun/internal/policy"
	"daemun/internal/table/pattern"
	"daemun/internal/trace"
	"daemun/internal/upstream"
	"daemun/internal/variable"
)

// Handles finds what routes point to and what outlives a table. The functions
// return the same pointer for the same id as long as it is in use.
type Handles struct {
	Backend func(ir.BackendID) *upstream.Backend
	Route   func(*ir.Host, *ir.Route) *metrics.Route
	// Canary is Route for the requests that the canary of a route gets; nil
	// counts them as those of the route.
	Canary func(*ir.Host, *ir.Route) *metrics.Route
	// Policies is what policies keep beyond a table; nil is a new one, which
	// knows no way to check passwords.
	Policies *policy.State
}

// Table is one compiled configuration.
type Table struct {
	Revision uint64
	Settings ir.Settings
	// HSTS is the value of Strict-Transport-Security, empty when off.
	HSTS string
	// Trust is nil when nobody is believed about where requests come from.
	Trust *policy.Trust
	// Block is nil when nobody is refused everywhere.
	Block *policy.Block
	// LimitBy is what the limits count by, nil for the client's address.
	LimitBy *variable.Text
	// Maps are variables that others decide; nil for none.
	Maps policy.Maps
	// Heads are the limits of request heads, nil for the usual ones.
	Heads *http1.Limits
	// Compression is nil when responses go out as they are.
	Compression *compress.Settings
	// Sampler decides which traces are recorded.
	Sampler trace.Sampler

	source []*ir.Host // what it was compiled from
	hosts  []*Host    // in the order of source
	// names finds slots; slotOf is the slot of each of hosts, nil while slots
	// is hosts.
	names  *names
	slots  []*Host
	slotOf []int32
}

// Host is a compiled host block.
type Host struct {
	// IR is the source; IR.RedirectTo is the other name of a host that has no
	// routes.
	IR *ir.Host
	// ClientAuth is nil when clients are not asked for certificates.
	ClientAuth *policy.ClientAuth
	// Policies are for the responses that come before a route is chosen; nil
	// for none.
	Policies *policy.Set
	// Script runs before a route is chosen; nil for none.
	Script *policy.Script

	// Passthrough is the route whose backend gets TLS connections unopened, nil
	// without IR.Passthrough or such a route.
	Passthrough *Route

	locations *locations // nil: none
	routes    []*Route   // in the order of IR.Routes
	index     pathIndex
	// nowhere answers what no route matches; translation never lets that
	// happen, so it is nil as long as the host has a route for "/".
	nowhere *Route
}

// Routes returns the routes in the order of ir.Host.Routes. The slice must not
// be changed.
func (h *Host) Routes() []*Route { return h.routes }

// Route is a compiled route.
type Route struct {
	// IR is the source, except that with Err a Denied of 0 is 503.
	IR       *ir.Route
	Backend  *upstream.Backend // nil: the built-in 404 server
	Fallback *upstream.Backend // nil: none
	Metrics  *metrics.Route
	Policies *policy.Set // nil: none
	// AuthBackend is asked about requests, MirrorBackend gets copies of them,
	// ErrorBackend says what to answer instead of errors; nil for none.
	AuthBackend, MirrorBackend, ErrorBackend *upstream.Backend
	// Canary is nil without one; CanaryRule says what goes there, and
	// CanaryMetrics counts it.
	Canary        *upstream.Backend
	CanaryRule    *policy.Canary
	CanaryMetrics *metrics.Route
	// Err says why the expression or the rewrite does not compile, in words for
	// the user; nil for a sound route.
	Err error

	matcher pathMatcher // of a host in regex mode
	rewrite capturer    // of IR.Rewrite.Pattern
	// effect is equal for routes of which it does not matter which one is
	// chosen (H3.8).
	effect int
	// inner are the locations within the route, nil for none.
	inner *locations
}

// Match is the outcome of Resolve. It is reused from request to request; Path
// and what Rewrite returned are overwritten by the next Resolve. The zero
// Match is ready for use; it serves one goroutine at a time.
type Match struct {
	Host  *Host
	Route *Route
	// Path is the normalised path that was matched, nil after BadPath. It is
	// the rawPath given to Resolve when that is normalised already.
	Path []byte

	scratch scratch
	caps    pattern.Captures
}

// scratch are buffers that grow to the size of the odd paths of a connection.
type scratch struct {
	path  []byte // behind Match.Path
	other []byte // the reading that Path is compared with
	lower []byte // the path that is being matched, in lower case
}

// Outcome of Resolve.
type Outcome uint8

// The outcomes. Match.Host is set with each of them.
const (
	// Found: Host and Route are set (Route is nil only for a host that is a
	// redirect to another name).
	Found Outcome = iota
	// BadPath: broken percent-encoding, %00, above the root: 400 (H3.7).
	BadPath
	// Ambiguous: two readings of the path select different routes: 400 (H3.8).
	Ambiguous
)

// String names the outcome for people.
func (o Outcome) String() string {
	switch o {
	case Found:
		return "found"
	case BadPath:
		return "bad path"
	case Ambiguous:
		return "ambiguous path"
	}
	return "unknown"
}

// Resolve finds the host and the route of a request. host is canonical and may
// be empty (catch-all); rawPath is the path as received, without query. It
// does not allocate in steady state unless the host is in regex mode and needs
// an expression outside the common shapes.
func (t *Table) Resolve(host, rawPath []byte, m *Match) Outcome {
	at, _ := t.names.find(host)
	h := t.slots[at]
	m.Host, m.Route, m.Path = h, nil, nil
	if canonical.Plain(rawPath) {
		m.Path = rawPath
		m.Route = h.find(rawPath, &m.scratch)
		return Found
	}
	path, ok := canonical.Path(m.scratch.path, rawPath)
	if !ok {
		return BadPath
	}
	m.scratch.path, m.Path = path, path
	if h.IR.RedirectTo != "" {
		return Found
	}
	r := h.find(path, &m.scratch)
	if !h.agrees(r, canonical.StrictPath, rawPath, m) || !h.agrees(r, canonical.PermissivePath, rawPath, m) {
		return Ambiguous
	}
	m.Route = r
	return Found
}

// agrees reports whether another reading of rawPath selects a route with the
// effect of r (H3.8). A reading that leads above the root agrees with nothing.
func (h *Host) agrees(r *Route, read func(dst, raw []byte) ([]byte, bool), rawPath []byte, m *Match) bool {
	other, ok := read(m.scratch.other, rawPath)
	if !ok {
		return false
	}
	m.scratch.other = other
	if bytes.Equal(other, m.Path) {
		return true
	}
	return h.find(other, &m.scratch).effect == r.effect
}

// find returns the route of a normalised path; nil only without any route.
func (h *Host) find(path []byte, s *scratch) *Route {
	r := h.nowhere
	if h.index != nil {
		if found := h.index.find(path, s); found != nil {
			r = found
		}
	}
	if h.locations != nil {
		return h.locations.choose(path, r)
	}
	found, _ := r.inside(path)
	return found
}

// HostFor returns the host block of a canonical name by the rules of Resolve:
// exact, wildcard, alias, catch-all (H3.5: TLS selection uses the same lookup).
// It is never nil.
func (t *Table) HostFor(name []byte) (*Host, HostRule) {
	at, rule := t.names.find(name)
	return t.slots[at], rule
}

// Hosts yields all host blocks, in the order of ir.Config.Hosts.
func (t *Table) Hosts() iter.Seq[*Host] {
	return func(yield func(*Host) bool) {
		for _, h := range t.hosts {
			if !yield(h) {
				return
			}
		}
	}
}
