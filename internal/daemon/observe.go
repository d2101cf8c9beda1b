package daemon

import (
	"hash/maphash"
	"strings"

	"daemun/internal/ir"
	"daemun/internal/metrics"
)

// metricsConfig tells the metrics where to look at scrape time.
func (d *up) metricsConfig() metrics.Config {
	seed := maphash.MakeSeed()
	return metrics.Config{
		Namespace: "standalone", Class: d.Translate.IngressClass, Pod: "daemun",
		Build:       metrics.Build{Release: d.Version},
		Connections: d.connections,
		Table: func() metrics.Table {
			s := d.loop.State()
			return metrics.Table{
				Revision: s.Revision, Hash: maphash.Comparable(seed, s.Revision), OK: s.Config != nil && s.Failures == 0,
				Built: s.Built, Took: s.Took, Builds: s.Tables + s.Failures, Failures: s.Failures,
			}
		},
		Certificates:     d.certificates,
		Handshakes:       d.handshakes,
		Rejected:         func() map[string]uint64 { return d.proxy.Stats().Refusals },
		AccessLogDropped: d.log.Dropped, AccessLogWritten: d.log.Written,
		Process: metrics.ReadProcess,
	}
}

func (d *up) connections() metrics.Connections {
	p, plain, secure := d.proxy.Stats(), d.http.Stats(), d.https.Stats()
	return metrics.Connections{
		Active: int64(p.Idle + p.Active + p.Tunnels), Writing: int64(p.Active + p.Tunnels), Waiting: int64(p.Idle),
		Accepted: plain.Accepted + secure.Accepted, Handled: plain.Handled + secure.Handled,
		Requests: p.Requests, Refused: plain.Refused + secure.Refused,
	}
}

func (d *up) handshakes() metrics.Handshakes {
	s := d.https.Stats()
	return metrics.Handshakes{OK: s.HandshakesOK, Resumed: s.HandshakesResumed, Failed: s.HandshakesFailed}
}

// certificates are one entry per host and certificate, as ingress-nginx has
// them.
func (d *up) certificates() []metrics.Certificate {
	var list []metrics.Certificate
	for _, c := range d.certs.Info() {
		namespace, name, _ := strings.Cut(string(c.ID), "/")
		for _, host := range c.Hosts {
			list = append(list, metrics.Certificate{Namespace: namespace, Host: host, SecretName: name, Identifier: c.Fingerprint, NotAfter: c.NotAfter})
		}
	}
	return list
}

// routeMetrics is the handle of a route's series.
func (d *up) routeMetrics(h *ir.Host, r *ir.Route) *metrics.Route {
	return d.metrics.Route(routeKey(h, r))
}

func routeKey(h *ir.Host, r *ir.Route) metrics.RouteKey {
	return metrics.RouteKey{Host: h.Name, Namespace: r.Ingress.Namespace, Ingress: r.Ingress.Name, Service: r.Service, Path: r.Path}
}

// retainMetrics forgets the series of routes that the configuration no longer
// has.
func (d *up) retainMetrics(c *ir.Config) {
	live := map[metrics.RouteKey]bool{}
	for _, h := range c.Hosts {
		for _, r := range h.Routes {
			live[routeKey(h, r)] = true
		}
	}
	d.metrics.Retain(func(k metrics.RouteKey) bool { return live[k] })
}
