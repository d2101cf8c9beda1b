// Package policy is the run time of the policies of a route: what a request
// meets between its routing and its backend, and what its response meets on
// the way back.
//
//	set := policy.Compile(&route.Policies, state) // nil: the route has none
//	if set != nil && set.Access != nil && !set.Access.Allows(addr) { … 403 … }
//
// It turns the policies of the IR into values that decide about one request at
// a time, without allocations and without locks where nothing is shared. The
// order in which they act is not decided here but in exchange.run of package
// proxy. It knows nothing of connections, wires, routes or Kubernetes; fields
// come and go as names and values, so that each version of HTTP can write them
// in its own form. It owns no goroutine.
package policy

import (
	"strings"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// Set is the policies of one route; what is nil or empty does not act. It is
// immutable.
type Set struct {
	CORS   *CORS
	Limits *Limits
	// Zones are limits by snippets, nil when absent.
	Zones  *Zones
	Access *Access
	Auth   *Auth
	// External and Mirror are nil when absent.
	External *External
	Mirror   *Mirror
	// Errors is nil when absent.
	Errors *ir.Errors
	// Firewall is nil when no rules judge.
	Firewall *Firewall
	// Trace is nil when requests are in no trace.
	Trace *Trace
	// FastCGI is nil when absent.
	FastCGI *FastCGI
	// Any lets a request pass that one of the guards accepts (satisfy: any).
	Any bool
	// Bandwidth is nil when responses are sent as fast as they can be.
	Bandwidth *Bandwidth
	// Vhost is the Host field for the backend when it has variables.
	Vhost *variable.Text
	// Fields are changes of heads, nil for none.
	Fields *Fields
	// Script and Pages come from snippets; nil when absent.
	Script *Script
	Pages  *Pages
	// Response is what happens to the fields of the backend's response, nil
	// if they pass as they are.
	Response *Response
	// Substitution is nil when contents pass as they are.
	Substitution *Substitution
}

// Compile returns the policies of a route, nil when it has none of those that
// this package knows.
func Compile(p *ir.Policies, state *State) *Set {
	s := Set{
		CORS: newCORS(p.CORS), Limits: newLimits(p.Limits, state), Zones: newZones(p.ZoneLimits, state), Access: newAccess(p.Access, p.MethodAccess), Auth: newAuth(p.BasicAuth, state),
		External: newExternal(p.ExternalAuth, state), Mirror: newMirror(p.Mirror), FastCGI: newFastCGI(p.FastCGI), Errors: p.Errors,
		Bandwidth: newBandwidth(p.Bandwidth), Response: newResponse(p, state.config.Beyond), Fields: NewFields(p.Fields),
		Script: NewScript(p.Script, state.config.Beyond), Pages: NewPages(p.ErrorPages),
		Trace: newTrace(p.Trace), Firewall: newFirewall(p.Firewall, state),
		Substitution: newSubstitution(p.Substitution), Vhost: newVhost(p.UpstreamVhost),
	}
	if s == (Set{}) {
		return nil
	}
	s.Any = p.SatisfyAny
	return &s
}

func newVhost(host string) *variable.Text {
	if !strings.Contains(host, "$") {
		return nil
	}
	return textOf(host)
}
