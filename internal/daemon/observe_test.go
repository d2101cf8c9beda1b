package daemon

import (
	"io"
	"slices"
	"strings"
	"testing"

	"daemun/internal/ir"
	"daemun/internal/manifest"
	"daemun/internal/metrics"
	"daemun/internal/store"
)

// TestSeriesGoWithTheirRoutes, and those of other hosts stay.
func TestSeriesGoWithTheirRoutes(t *testing.T) {
	t.Parallel()
	g := newGateway(GatewayConfig{Stdout: io.Discard, Stderr: io.Discard}, edges{
		locate: func(store.Key, string) (manifest.Position, bool) { return manifest.Position{}, false },
	})
	defer g.upstreams.Close()
	handles := map[metrics.RouteKey]*metrics.Route{}
	host := func(name string, paths ...string) *ir.Host {
		h := &ir.Host{Name: name}
		for _, p := range paths {
			r := &ir.Route{Path: p}
			h.Routes = append(h.Routes, r)
			handles[routeKey(h, r)] = g.routeMetrics(h, r)
		}
		return h
	}
	live := func() string {
		var list []string
		for k, handle := range handles {
			if g.metrics.Route(k) == handle {
				list = append(list, k.Host+k.Path)
			}
		}
		slices.Sort(list)
		return strings.Join(list, " ")
	}
	a, b := host("a", "/", "/x"), host("b", "/")
	g.retainMetrics(&ir.Config{Hosts: []*ir.Host{a, b}})
	g.retainMetrics(&ir.Config{Hosts: []*ir.Host{a, b, host("c", "/")}})
	if got := live(); got != "a/ a/x b/ c/" {
		t.Errorf("after a host came: %s", got)
	}
	g.retainMetrics(&ir.Config{Hosts: []*ir.Host{host("a", "/"), b}})
	if got := live(); got != "a/ b/" {
		t.Errorf("after a path and a host went: %s", got)
	}
}
