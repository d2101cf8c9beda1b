package daemon

import (
	"maps"

	"daemun/internal/ir"
	"daemun/internal/metrics"
	"daemun/internal/store"
)

// SeriesConfig says which series of requests there are (flags of
// ingress-nginx).
type SeriesConfig struct {
	// WithoutHost leaves the label host out; UndefinedHost counts requests that
	// match no Ingress, under the host "_"; StatusClasses has 2xx for 200.
	WithoutHost, UndefinedHost, StatusClasses bool
	// Exclude are names of metrics.
	Exclude []string
}

// undefinedHost is the label of requests to hosts of no Ingress. Their own
// names come from clients and are no labels (H8.3).
const undefinedHost = "_"

// ownMetrics are Daemun's own figures.
func (g *gateway) ownMetrics() metrics.Own {
	return metrics.Own{
		Live: &g.live, Upstreams: g.upstreamTotals, Orphans: g.orphans, Protocols: g.protocols, Problems: g.problemCounts,
		ByVersion: func() map[string]uint64 {
			if l := g.listeners.Load(); l != nil {
				return l.https.HandshakeVersions()
			}
			return nil
		},
		HandshakeFailures: func() map[string]uint64 {
			if l := g.listeners.Load(); l != nil {
				return l.https.HandshakeFailures()
			}
			return nil
		},
		Panics: func() map[string]uint64 {
			plain, secure := g.listenerStats()
			all := map[string]uint64{"request": g.proxy.Stats().Panics, "connection": plain.Panics + secure.Panics}
			if g.layer4 != nil {
				all["layer 4"] = g.layer4().Panics
			}
			return all
		},
		Routes: func() (hosts, routes int) {
			if cfg := g.loop.State().Config; cfg != nil {
				for _, h := range cfg.Hosts {
					routes += len(h.Routes)
				}
				hosts = len(cfg.Hosts)
			}
			return hosts, routes
		},
	}
}

func (g *gateway) upstreamTotals() metrics.Upstreams {
	t := g.upstreams.Totals()
	return metrics.Upstreams{
		Serving: t.Serving, Empty: t.Empty, Endpoints: t.Endpoints, Active: t.Active, Idle: t.Idle,
		Attempts: t.Attempts, Failures: t.Failures, Dials: t.Dials, DialFailures: t.DialFailures, Retries: g.proxy.Stats().Retries, Unmirrored: g.proxy.Stats().Unmirrored,
	}
}

func (g *gateway) protocols() map[string]int64 {
	p := g.proxy.Stats()
	return map[string]int64{
		"http1": int64(max(0, p.Idle+p.Active-p.HTTP2)), "http2": int64(p.HTTP2), "tunnel": int64(p.Tunnels),
	}
}

func (g *gateway) problemCounts() map[string]int {
	counts := map[string]int{string(ir.SeverityError): 0, string(ir.SeverityWarning): 0, string(ir.SeverityNotice): 0}
	for _, p := range g.problems.list() {
		counts[string(p.Severity)]++
	}
	return counts
}

// orphans are all Ingresses that have routes, and whether one of these leads
// nowhere.
func (g *gateway) orphans() []metrics.Orphan {
	cfg := g.loop.State().Config
	if cfg == nil {
		return nil
	}
	services := g.store.View().Services
	found := map[ir.Ref]metrics.Orphan{}
	for _, h := range cfg.Hosts {
		for _, r := range h.Routes {
			if r.Ingress.Name == "" || r.Service == "" || r.Backend == "" {
				continue
			}
			o := found[r.Ingress]
			o.Namespace, o.Ingress = r.Ingress.Namespace, r.Ingress.Name
			if services[store.Name{Namespace: r.Ingress.Namespace, Name: r.Service}] == nil {
				o.NoService = true
			} else if g.upstreams.Backend(r.Backend).Len() == 0 {
				o.NoEndpoint = true
			}
			found[r.Ingress] = o
		}
	}
	list := make([]metrics.Orphan, 0, len(found))
	for o := range maps.Values(found) {
		list = append(list, o)
	}
	return list
}
