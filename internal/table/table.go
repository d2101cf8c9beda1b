// Package table turns the IR into the executable routing table: a host map
// with wildcards, and per host an index of paths.
//
// It knows nothing of sockets or messages. A Table is immutable once Compile
// returned it and is read without locks by any number of goroutines. What must
// outlive a table (backends with their pools, metric series) is found through
// Handles at compile time and only pointed to.
package table

import (
	"daemun/internal/ir"
	"daemun/internal/metrics"
	"daemun/internal/upstream"
)

// Handles finds what routes point to and what outlives a table. Both functions
// return the same pointer for the same id as long as it is in use.
type Handles struct {
	Backend func(ir.BackendID) *upstream.Backend
	Route   func(*ir.Host, *ir.Route) *metrics.Route
}

// Table is one compiled configuration.
type Table struct {
	Revision uint64
	Settings ir.Settings
	// HSTS is the value of Strict-Transport-Security, empty when off.
	HSTS string
}

// Compile builds the table of cfg. Hosts that are equal to those of prev (nil
// at first) are taken over unchanged. Compile never fails: a route whose
// expression does not compile answers 503 (translation reports it).
func Compile(prev *Table, revision uint64, cfg *ir.Config, h Handles) *Table { panic("unimplemented") }

// Host is a compiled host block.
type Host struct {
	IR *ir.Host
	// OtherName is ir.Host.RedirectTo.
}

// Route is a compiled route.
type Route struct {
	IR       *ir.Route
	Backend  *upstream.Backend // nil: the built-in 404 server
	Fallback *upstream.Backend // nil: none
	Metrics  *metrics.Route
}

// Match is the outcome of Resolve. It is reused from request to request; Path
// and what Rewrite returned are overwritten by the next Resolve.
type Match struct {
	Host  *Host
	Route *Route
	// Path is the normalised path that was matched.
	Path []byte
}

// Outcome of Resolve.
type Outcome uint8

// The outcomes.
const (
	// Found: Host and Route are set (Route is nil only for a host that is a
	// redirect to another name).
	Found Outcome = iota
	// BadPath: broken percent-encoding, %00, above the root: 400 (H3.7).
	BadPath
	// Ambiguous: two readings of the path select different routes: 400 (H3.8).
	Ambiguous
)

// Resolve finds the host and the route of a request. host is canonical and may
// be empty (catch-all); rawPath is the path as received, without query. It
// does not allocate in steady state unless the host is in regex mode.
func (t *Table) Resolve(host, rawPath []byte, m *Match) Outcome { panic("unimplemented") }

// Rewrite appends the rewritten and re-escaped path to dst. It must only be
// called when m.Route.IR.Rewrite is set. ok is false when the pattern does not
// match or the result is a redirect (target starting with http:// or https://):
// then redirect says which.
func (m *Match) Rewrite(dst []byte) (out []byte, redirect bool) { panic("unimplemented") }

// ForwardedPrefix appends the expanded X-Forwarded-Prefix to dst.
func (m *Match) ForwardedPrefix(dst []byte) []byte { panic("unimplemented") }
