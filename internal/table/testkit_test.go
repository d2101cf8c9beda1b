package table

import (
	"fmt"
	"testing"

	"daemun/internal/ir"
	"daemun/internal/metrics"
	"daemun/internal/upstream"
)

// fakeHandles gives every id its own pointer, the same one each time, and
// counts how often a route was asked for.
type fakeHandles struct {
	backends map[ir.BackendID]*upstream.Backend
	routes   int
}

func newFakeHandles() *fakeHandles {
	return &fakeHandles{backends: map[ir.BackendID]*upstream.Backend{}}
}

func (f *fakeHandles) handles() Handles {
	return Handles{
		Backend: func(id ir.BackendID) *upstream.Backend {
			if f.backends[id] == nil {
				f.backends[id] = &upstream.Backend{}
			}
			return f.backends[id]
		},
		Route: func(*ir.Host, *ir.Route) *metrics.Route {
			f.routes++
			return &metrics.Route{}
		},
	}
}

func exact(path string) *ir.Route {
	return &ir.Route{Path: path, PathType: "Exact", Match: ir.MatchExact, Pattern: path, Backend: ir.BackendID("exact " + path)}
}

func prefix(path string) *ir.Route {
	return &ir.Route{Path: path, PathType: "Prefix", Match: ir.MatchPrefix, Pattern: path, Backend: ir.BackendID("prefix " + path)}
}

func regex(pattern string) *ir.Route {
	path := pattern
	if path != "" && path[0] == '^' {
		path = path[1:]
	}
	return &ir.Route{Path: path, PathType: "ImplementationSpecific", Match: ir.MatchRegex, Pattern: pattern, Backend: ir.BackendID("regex " + pattern)}
}

func rewrite(pattern, target string) *ir.Route {
	r := regex("^" + pattern)
	r.Rewrite = &ir.Rewrite{Pattern: pattern, Target: target}
	return r
}

func plainHost(name string, routes ...*ir.Route) *ir.Host {
	return &ir.Host{Name: name, Routes: routes}
}

func regexHost(name string, routes ...*ir.Route) *ir.Host {
	return &ir.Host{Name: name, RegexMode: true, Routes: routes}
}

func compile(t testing.TB, hosts ...*ir.Host) *Table {
	t.Helper()
	return Compile(nil, 1, &ir.Config{Hosts: hosts, Settings: ir.DefaultSettings()}, newFakeHandles().handles())
}

// resolve says in one line what Resolve does: "host: kind pattern", or the
// outcome.
func resolve(tab *Table, host, path string) string {
	var m Match
	if o := tab.Resolve([]byte(host), []byte(path), &m); o != Found {
		return o.String()
	}
	name := m.Host.IR.Name
	if name == "" {
		name = "_"
	}
	if m.Route == nil {
		return fmt.Sprintf("%s: redirect to %s", name, m.Host.IR.RedirectTo)
	}
	return fmt.Sprintf("%s: %s %s", name, m.Route.IR.Match, m.Route.IR.Pattern)
}
