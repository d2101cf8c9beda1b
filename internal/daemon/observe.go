package daemon

import (
	"hash/maphash"
	"strings"

	"daemun/internal/ir"
	"daemun/internal/listen"
	"daemun/internal/metrics"
)

// metricsConfig tells the metrics where to look at scrape time.
func (g *gateway) metricsConfig() metrics.Config {
	seed := maphash.MakeSeed()
	return metrics.Config{
		Namespace: g.namespace, Class: g.class, Pod: g.pod,
		Build:       metrics.Build{Release: g.config.Version},
		TimeBuckets: g.config.TimeBuckets, LengthBuckets: g.config.LengthBuckets, SizeBuckets: g.config.SizeBuckets,
		Connections: g.connections,
		Table: func() metrics.Table {
			s := g.loop.State()
			return metrics.Table{
				Revision: s.Revision, Hash: maphash.Comparable(seed, s.Revision), OK: s.Config != nil && s.Failures == 0,
				Built: s.Built, Took: s.Took, Builds: s.Tables + s.Failures, Failures: s.Failures,
			}
		},
		Certificates:     g.certificates,
		Handshakes:       g.handshakes,
		Rejected:         g.rejected,
		AccessLogDropped: g.logs.dropped, AccessLogWritten: g.logs.written,
		SpansExported: g.spans.Exported, SpansDropped: g.spans.Dropped,
		FirewallBusy: g.firewallBusy,
		Buffers:      g.buffers,
		Memory:       g.memory,
		Layer4:       g.layer4,
		DNS:          g.names,
		Leader:       g.leader, Admission: g.admission,
		Process: metrics.ReadProcess,
		Own:     g.ownMetrics(), Runtime: true,
		WithoutHost: g.config.Series.WithoutHost, StatusClasses: g.config.Series.StatusClasses, Exclude: g.config.Series.Exclude,
	}
}

// rejected are the refusals of requests, and of connections that may not come
// in: without the header of the PROXY protocol, or at the wrong address.
func (g *gateway) rejected() map[string]uint64 {
	all := g.proxy.Stats().Refusals
	plain, secure := g.listenerStats()
	through := g.passthrough.Stats()
	if through.Refused > 0 {
		all["passthrough"] = through.Refused
	}
	if through.Shed > 0 {
		all["passthrough-idle"] = through.Shed
	}
	if n := plain.NotEntered + secure.NotEntered; n > 0 {
		all["entrance"] = n
	}
	if n := plain.TooMany + secure.TooMany; n > 0 {
		all["connections-per-client"] = n
	}
	return all
}

func (g *gateway) connections() metrics.Connections {
	p := g.proxy.Stats()
	plain, secure := g.listenerStats()
	return metrics.Connections{
		Active: int64(p.Idle + p.Active + p.Tunnels), Writing: int64(p.Active + p.Tunnels), Waiting: int64(p.Idle),
		Accepted: plain.Accepted + secure.Accepted, Handled: plain.Handled + secure.Handled,
		Requests: p.Requests, Refused: plain.Refused + secure.Refused,
	}
}

// listenerStats are zero before the sockets are open.
func (g *gateway) listenerStats() (plain, secure listen.Stats) {
	if l := g.listeners.Load(); l != nil {
		return l.http.Stats(), l.https.Stats()
	}
	return plain, secure
}

func (g *gateway) handshakes() metrics.Handshakes {
	_, s := g.listenerStats()
	return metrics.Handshakes{OK: s.HandshakesOK, Resumed: s.HandshakesResumed, Failed: s.HandshakesFailed}
}

// certificates are one entry per host and certificate, as ingress-nginx has
// them.
func (g *gateway) certificates() []metrics.Certificate {
	var list []metrics.Certificate
	for _, c := range g.certs.Info() {
		namespace, name, _ := strings.Cut(string(c.ID), "/")
		for _, host := range c.Hosts {
			list = append(list, metrics.Certificate{Namespace: namespace, Host: host, SecretName: name, Identifier: c.Fingerprint, NotAfter: c.NotAfter})
		}
	}
	g.facts.add(list, g.loop.State().Config)
	return list
}

// admission is what the webhook has reviewed, nil without one.
func (g *gateway) admission() *metrics.Admission {
	if g.webhook == nil {
		return nil
	}
	s := g.webhook.Stats()
	a := &metrics.Admission{RoundTrip: s.Last, Size: s.Size, Tested: s.Together, TestTook: s.Checked}
	for name, n := range s.Checks {
		a.Checks = append(a.Checks, metrics.AdmissionChecks{Namespace: name.Namespace, Ingress: name.Name, Accepted: n.Accepted, Refused: n.Refused})
	}
	return a
}

// routeMetrics is the handle of a route's series.
func (g *gateway) routeMetrics(h *ir.Host, r *ir.Route) *metrics.Route {
	if h.Name == "" && r.Ingress.Name == "" {
		if !g.config.Series.UndefinedHost {
			return nil
		}
		return g.metrics.Route(metrics.RouteKey{Host: undefinedHost})
	}
	return g.metrics.Route(routeKey(h, r))
}

// canaryMetrics is the handle of the series of a route's canary.
func (g *gateway) canaryMetrics(h *ir.Host, r *ir.Route) *metrics.Route {
	return g.metrics.Route(canaryKey(h, r))
}

// canaryKey names the canary as logs do.
func canaryKey(h *ir.Host, r *ir.Route) metrics.RouteKey {
	k := routeKey(h, r)
	k.Canary = strings.ReplaceAll(string(r.Canary.Backend), "/", "-")
	return k
}

func routeKey(h *ir.Host, r *ir.Route) metrics.RouteKey {
	return metrics.RouteKey{Host: h.Name, Namespace: r.Ingress.Namespace, Ingress: r.Ingress.Name, Service: r.Service, Path: r.Path}
}

// retainMetrics forgets the series of routes that the configuration no longer
// has. It looks at the hosts that are others than before; a key names its host,
// unless routes of several hosts share their series.
func (g *gateway) retainMetrics(now *ir.Config) {
	before := g.measured
	g.measured = now
	if before == nil {
		return
	}
	gone := map[metrics.RouteKey]bool{}
	has := func(k metrics.RouteKey) { delete(gone, g.seriesOf(k)) }
	ir.DiffHosts(before.Hosts, now.Hosts, func(old, now *ir.Host) {
		if old != nil {
			eachKey(old, func(k metrics.RouteKey) { gone[g.seriesOf(k)] = true })
		}
		if now != nil {
			eachKey(now, has)
		}
	})
	if len(gone) > 0 && g.config.Series.WithoutHost {
		for _, h := range now.Hosts {
			eachKey(h, has)
		}
	}
	for k := range gone {
		g.metrics.Forget(k)
	}
}

// seriesOf is the key of the series that a route counts in.
func (g *gateway) seriesOf(k metrics.RouteKey) metrics.RouteKey {
	if g.config.Series.WithoutHost {
		k.Host = ""
	}
	return k
}

func eachKey(h *ir.Host, f func(metrics.RouteKey)) {
	for _, r := range h.Routes {
		f(routeKey(h, r))
		if r.Canary != nil {
			f(canaryKey(h, r))
		}
	}
}
