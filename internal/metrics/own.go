package metrics

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Own are Daemun's own figures: what its operators ask and ingress-nginx has no
// name for. Every function may be nil.
type Own struct {
	Upstreams func() Upstreams
	// Live is the time from a change of an object to the table that has it.
	Live *Times
	// Protocols are open client connections by protocol, ByVersion and
	// HandshakeFailures handshakes by TLS version and by reason, Panics by
	// where they were caught: fixed sets.
	Protocols         func() map[string]int64
	ByVersion         func() map[string]uint64
	HandshakeFailures func() map[string]uint64
	Panics            func() map[string]uint64
	// Problems are the present ones by severity.
	Problems func() map[string]int
	// Orphans are the Ingresses with routes that lead nowhere.
	Orphans func() []Orphan
	// Routes are the routes and hosts of the table.
	Routes func() (hosts, routes int)
}

// Upstreams is what all backends did and have.
type Upstreams struct {
	Serving, Empty, Endpoints                        int
	Active, Idle                                     int64
	Attempts, Failures, Dials, DialFailures, Retries uint64
	// Unmirrored are requests whose copy for a mirror was not sent.
	Unmirrored uint64
}

// Orphan is an Ingress and whether some route of it has no Service, or a
// Service without endpoints.
type Orphan struct {
	Namespace, Ingress    string
	NoService, NoEndpoint bool
}

// ownGroups lists the groups of Own.
func ownGroups(o Own) []group {
	var groups []group
	if o.Upstreams != nil {
		groups = append(groups, upstreamsGroup(o.Upstreams))
	}
	if o.Orphans != nil {
		groups = append(groups, orphansGroup(o.Orphans))
	}
	if o.Routes != nil {
		groups = append(groups, routesGroup(o.Routes))
	}
	if o.Protocols != nil {
		groups = append(groups, labelled("daemun_connections", "Open client connections by protocol; an upgraded one is a tunnel.", gauge, "protocol", o.Protocols))
	}
	if o.ByVersion != nil {
		groups = append(groups, labelled("daemun_tls_handshakes_by_version_total", "TLS handshakes that succeeded, by version.", counter, "version", o.ByVersion))
	}
	if o.HandshakeFailures != nil {
		groups = append(groups, labelled("daemun_tls_handshake_failures_total", "TLS handshakes that failed, by reason.", counter, "reason", o.HandshakeFailures))
	}
	if o.Panics != nil {
		groups = append(groups, labelled("daemun_panics_total", "Panics by where they were caught; each cost one request or connection.", counter, "place", o.Panics))
	}
	if o.Problems != nil {
		groups = append(groups, labelled("daemun_problems", "Present problems of objects by severity.", gauge, "severity", o.Problems))
	}
	return groups
}

// labelled is a metric with one label, whose values are the keys of a map.
func labelled[N int | int64 | uint64](name, help string, kind prometheus.ValueType, label string, read func() map[string]N) group {
	return group{
		metrics: []metric{{name: name, help: help, kind: kind, labels: []string{label}}},
		collect: func(emit emitter) {
			all := read()
			for _, key := range slices.Sorted(maps.Keys(all)) {
				emit(0, float64(all[key]), key)
			}
		},
	}
}

func upstreamsGroup(read func() Upstreams) group {
	state, result := []string{"state"}, []string{"result"}
	return group{
		metrics: []metric{
			{name: "daemun_backends", help: "Backends by state: serving ones have an endpoint, empty ones have none.", kind: gauge, labels: state},
			{name: "daemun_endpoints", help: "Endpoints that may get requests.", kind: gauge},
			{name: "daemun_upstream_connections", help: "Attempts under way (active), and connections that wait in pools (idle).", kind: gauge, labels: state},
			{name: "daemun_upstream_attempts_total", help: "Attempts at endpoints by whether a usable response came.", kind: counter, labels: result},
			{name: "daemun_upstream_dials_total", help: "New connections to endpoints by whether they could be opened.", kind: counter, labels: result},
			{name: "daemun_upstream_retries_total", help: "Attempts after the first one of a request.", kind: counter},
			{name: "daemun_mirror_dropped_total", help: "Requests whose copy for a mirror was not sent.", kind: counter},
		},
		collect: func(emit emitter) {
			u := read()
			emit(0, float64(u.Serving), "serving")
			emit(0, float64(u.Empty), "empty")
			emit(1, float64(u.Endpoints))
			emit(2, float64(u.Active), "active")
			emit(2, float64(u.Idle), "idle")
			emit(3, float64(u.Attempts-min(u.Failures, u.Attempts)), "ok")
			emit(3, float64(u.Failures), "failed")
			emit(4, float64(u.Dials), "ok")
			emit(4, float64(u.DialFailures), "failed")
			emit(5, float64(u.Retries))
			emit(6, float64(u.Unmirrored))
		},
	}
}

func orphansGroup(read func() []Orphan) group {
	return group{
		metrics: []metric{{
			name: namespace + "_orphan_ingress", help: "Whether an Ingress has a route without a Service (no-service) or endpoint (no-endpoint).",
			kind: gauge, labels: []string{"namespace", "ingress", "type"},
		}},
		collect: func(emit emitter) {
			for _, o := range read() {
				emit(0, truth(o.NoService), o.Namespace, o.Ingress, "no-service")
				emit(0, truth(o.NoEndpoint), o.Namespace, o.Ingress, "no-endpoint")
			}
		},
	}
}

func routesGroup(read func() (hosts, routes int)) group {
	return group{
		metrics: []metric{
			{name: "daemun_hosts", help: "Host blocks of the routing table.", kind: gauge},
			{name: "daemun_routes", help: "Routes of the routing table.", kind: gauge},
		},
		collect: func(emit emitter) {
			hosts, routes := read()
			emit(0, float64(hosts))
			emit(1, float64(routes))
		},
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
