package metrics

import (
	"maps"
	"slices"
	"time"
)

// stateGroups lists every metric that is not about routes, in one place. Those
// of ingress-nginx keep its names and labels (spec §10.2); ours begin with
// daemun_.
func stateGroups(c Config) []group {
	groups := []group{buildGroup(c.Build)}
	if c.Connections != nil {
		groups = append(groups, connectionsGroup(c.Connections))
	}
	if c.Table != nil {
		groups = append(groups, tableGroup(c.Table))
	}
	if c.Certificates != nil {
		groups = append(groups, certificatesGroup(c.Class, c.Certificates))
	}
	if c.Handshakes != nil {
		groups = append(groups, handshakesGroup(c.Handshakes))
	}
	if c.Rejected != nil {
		groups = append(groups, rejectedGroup(c.Rejected))
	}
	if c.Admission != nil {
		groups = append(groups, admissionGroup(c.Admission))
	}
	if c.Layer4 != nil {
		groups = append(groups, layer4Group(c.Layer4))
	}
	if c.DNS != nil {
		groups = append(groups, dnsGroup(c.DNS))
	}
	if c.AccessLogDropped != nil {
		groups = append(groups, single("daemun_accesslog_dropped_lines_total", "Access log lines lost to a full queue or a failing destination.", c.AccessLogDropped))
	}
	if c.AccessLogWritten != nil {
		groups = append(groups, single("daemun_accesslog_written_lines_total", "Access log lines written.", c.AccessLogWritten))
	}
	if c.Buffers != nil {
		groups = append(groups, buffersGroup(c.Buffers))
	}
	if c.Memory != nil {
		groups = append(groups, memoryGroup(c.Memory))
	}
	if c.SpansExported != nil {
		groups = append(groups, single("daemun_trace_exported_spans_total", "Spans that the collector has taken.", c.SpansExported))
	}
	if c.SpansDropped != nil {
		groups = append(groups, single("daemun_trace_dropped_spans_total", "Spans lost to a full queue or a collector that did not take them.", c.SpansDropped))
	}
	if c.FirewallBusy != nil {
		groups = append(groups, single("daemun_firewall_busy_total", "Requests and bodies of responses that the firewall did not judge because too many others were being judged; each was answered 503.", c.FirewallBusy))
	}
	groups = append(groups, ownGroups(c.Own)...)
	if c.Leader != nil {
		groups = append(groups, leaderGroup(c.Leader))
	}
	if c.Process != nil {
		groups = append(groups, processGroup(c.Process))
	}
	return groups
}

func single(name, help string, read func() uint64) group {
	return group{
		metrics: []metric{{name: name, help: help, kind: counter}},
		collect: func(emit emitter) { emit(0, float64(read())) },
	}
}

func buildGroup(b Build) group {
	return group{
		metrics: []metric{{
			name: namespace + "_build_info", help: "Always 1; the labels tell what is running.",
			kind: gauge, labels: []string{"release", "build", "repository"},
		}},
		collect: func(emit emitter) { emit(0, 1, b.Release, b.Build, b.Repository) },
	}
}

func connectionsGroup(read func() Connections) group {
	state := []string{"state"}
	return group{
		metrics: []metric{
			{name: namespace + "_nginx_process_connections", help: "Client connections now, by state.", kind: gauge, labels: state},
			{name: namespace + "_nginx_process_connections_total", help: "Client connections accepted, and those of them that were served.", kind: counter, labels: state},
			{name: namespace + "_nginx_process_requests_total", help: "Client requests, with or without a route.", kind: counter},
			{name: "daemun_connections_refused_total", help: "Client connections closed at once, at the connection limit or for want of descriptors.", kind: counter},
		},
		collect: func(emit emitter) {
			n := read()
			emit(0, float64(n.Active), "active")
			emit(0, float64(n.Reading), "reading")
			emit(0, float64(n.Writing), "writing")
			emit(0, float64(n.Waiting), "waiting")
			emit(1, float64(n.Accepted), "accepted")
			emit(1, float64(n.Handled), "handled")
			emit(2, float64(n.Requests))
			emit(3, float64(n.Refused))
		},
	}
}

func tableGroup(read func() Table) group {
	return group{
		metrics: []metric{
			{name: namespace + "_config_hash", help: "Hash of the configuration being served.", kind: gauge},
			{name: namespace + "_config_last_reload_successful", help: "Whether the last attempt to build a configuration succeeded.", kind: gauge},
			{name: namespace + "_config_last_reload_successful_timestamp_seconds", help: "When the configuration being served went live.", kind: gauge},
			{name: namespace + "_success", help: "Configurations that went live.", kind: counter},
			{name: namespace + "_errors", help: "Attempts to build a configuration that failed.", kind: counter},
			{name: "daemun_table_revision", help: "Revision of the objects behind the routing table being served.", kind: gauge},
			{name: "daemun_table_build_seconds", help: "Time the last routing table took, from objects to live.", kind: gauge},
		},
		collect: func(emit emitter) {
			t := read()
			// A float holds 53 bits exactly; more would change while printed.
			emit(0, float64(t.Hash&(1<<53-1)))
			ok := 0.0
			if t.OK {
				ok = 1
			}
			emit(1, ok)
			if !t.Built.IsZero() {
				emit(2, float64(t.Built.Unix()))
			}
			emit(3, float64(t.Builds-min(t.Failures, t.Builds)))
			emit(4, float64(t.Failures))
			emit(5, float64(t.Revision))
			emit(6, t.Took.Seconds())
		},
	}
}

func certificatesGroup(class string, read func() []Certificate) group {
	return group{
		metrics: []metric{{
			name: namespace + "_ssl_expire_time_seconds", help: "When the certificate of a host expires, in seconds since 1970.",
			kind: gauge, labels: []string{"namespace", "class", "host", "secret_name", "identifier"}, bare: true,
		}, {
			name: namespace + "_ssl_certificate_info", help: "Always 1; the labels tell what the certificate of a host says of itself.",
			kind: gauge, bare: true,
			labels: []string{"namespace", "class", "host", "secret_name", "identifier", "issuer_organization", "issuer_common_name", "serial_number", "public_key_algorithm"},
		}},
		collect: func(emit emitter) {
			seen := map[Certificate]bool{}
			for _, c := range read() {
				expires := c.NotAfter
				c.NotAfter = time.Time{}
				if seen[c] {
					continue // the same series twice would spoil the scrape
				}
				seen[c] = true
				emit(0, float64(expires.Unix()), c.Namespace, class, c.Host, c.SecretName, c.Identifier)
				emit(1, 1, c.Namespace, class, c.Host, c.SecretName, c.Identifier, c.IssuerOrganization, c.IssuerCommonName, c.SerialNumber, c.PublicKeyAlgorithm)
			}
		},
	}
}

func leaderGroup(read func() (string, bool)) group {
	return group{
		metrics: []metric{{
			name: namespace + "_leader_election_status", help: "Whether this replica is the leader.", kind: gauge, labels: []string{"name"},
		}},
		collect: func(emit emitter) {
			name, leading := read()
			value := 0.0
			if leading {
				value = 1
			}
			emit(0, value, name)
		},
	}
}

func handshakesGroup(read func() Handshakes) group {
	return group{
		metrics: []metric{
			{name: "daemun_tls_handshakes_total", help: "TLS handshakes by result.", kind: counter, labels: []string{"result"}},
		},
		collect: func(emit emitter) {
			h := read()
			emit(0, float64(h.OK-min(h.Resumed, h.OK)), "full")
			emit(0, float64(h.Resumed), "resumed")
			emit(0, float64(h.Failed), "failed")
		},
	}
}

func rejectedGroup(read func() map[string]uint64) group {
	return group{
		metrics: []metric{
			{name: "daemun_rejected_requests_total", help: "Requests refused before routing, by reason.", kind: counter, labels: []string{"reason"}},
		},
		collect: func(emit emitter) {
			byReason := read()
			for _, reason := range slices.Sorted(maps.Keys(byReason)) {
				emit(0, float64(byReason[reason]), reason)
			}
		},
	}
}
