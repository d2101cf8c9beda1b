package metrics

import (
	"maps"
	"slices"
)

// Layer4 is the traffic of the Service network.
type Layer4 struct {
	Frontends, Listening, Failed int

	Connections     uint64
	OpenConnections int64
	// Idled connections were ended because nothing was passed on.
	Idled            uint64
	DialFailures     uint64
	BytesToEndpoints uint64
	BytesToClients   uint64

	// AcceptErrors are pauses for want of descriptors or memory.
	AcceptErrors uint64

	Flows, FlowsEvicted       uint64
	OpenFlows                 int64
	DatagramsIn, DatagramsOut uint64
	DatagramsLost             uint64

	// Panics are bugs; they are shown among those of all places.
	Panics uint64

	// Refused counts by reason, which must be a fixed set.
	Refused map[string]uint64
}

// DNS is what the DNS server did.
type DNS struct {
	UDP, TCP uint64
	// ByType and ByRcode must have fixed sets of keys.
	ByType, ByRcode    map[string]uint64
	Truncated, Dropped uint64
	// Forwarded questions were asked of other resolvers, ForwardFailed of them
	// got no answer, Coalesced ones waited for the same one, Overloaded ones
	// were too many.
	Forwarded, ForwardFailed, Coalesced, Overloaded uint64
	CacheHits, CacheMisses                          uint64
	// Loops are our own questions that came back, Panics are bugs.
	Loops, Panics uint64
	// What there is now.
	CacheEntries, InFlight, Connections, DownUpstreams int
}

func layer4Group(read func() Layer4) group {
	to, way := []string{"to"}, []string{"transport"}
	return group{
		metrics: []metric{
			{name: "daemun_l4_frontends", help: "Addresses and ports of Services by state.", kind: gauge, labels: []string{"state"}},
			{name: "daemun_l4_connections_total", help: "TCP connections and UDP flows to Services.", kind: counter, labels: way},
			{name: "daemun_l4_open", help: "Open TCP connections and UDP flows.", kind: gauge, labels: way},
			{name: "daemun_l4_dial_failures_total", help: "Connections and flows whose endpoint refused or did not answer.", kind: counter},
			{name: "daemun_l4_bytes_total", help: "Octets of TCP connections by direction.", kind: counter, labels: to},
			{name: "daemun_l4_datagrams_total", help: "Datagrams passed on by direction.", kind: counter, labels: to},
			{name: "daemun_l4_datagrams_lost_total", help: "Datagrams that could not be passed on.", kind: counter},
			{name: "daemun_l4_refused_total", help: "Connections and flows that were turned away, by reason.", kind: counter, labels: []string{"reason"}},
			{name: "daemun_l4_accept_pauses_total", help: "Pauses of a frontend for want of descriptors or memory.", kind: counter},
			{name: "daemun_l4_flows_evicted_total", help: "UDP flows that ended to make room for others.", kind: counter},
			{name: "daemun_l4_idle_connections_ended_total", help: "TCP connections that were ended because nothing was passed on.", kind: counter},
		},
		collect: func(emit emitter) {
			s := read()
			emit(0, float64(s.Listening), "listening")
			emit(0, float64(s.Frontends-s.Listening-s.Failed), "closed")
			emit(0, float64(s.Failed), "failed")
			emit(1, float64(s.Connections), "tcp")
			emit(1, float64(s.Flows), "udp")
			emit(2, float64(s.OpenConnections), "tcp")
			emit(2, float64(s.OpenFlows), "udp")
			emit(3, float64(s.DialFailures))
			emit(4, float64(s.BytesToEndpoints), "endpoints")
			emit(4, float64(s.BytesToClients), "clients")
			emit(5, float64(s.DatagramsIn), "endpoints")
			emit(5, float64(s.DatagramsOut), "clients")
			emit(6, float64(s.DatagramsLost))
			for _, reason := range slices.Sorted(maps.Keys(s.Refused)) {
				emit(7, float64(s.Refused[reason]), reason)
			}
			emit(8, float64(s.AcceptErrors))
			emit(9, float64(s.FlowsEvicted))
			emit(10, float64(s.Idled))
		},
	}
}

func dnsGroup(read func() DNS) group {
	return group{
		metrics: []metric{
			{name: "daemun_dns_queries_total", help: "DNS queries by transport.", kind: counter, labels: []string{"transport"}},
			{name: "daemun_dns_queries_by_type_total", help: "DNS queries by type.", kind: counter, labels: []string{"type"}},
			{name: "daemun_dns_responses_total", help: "DNS responses by code.", kind: counter, labels: []string{"rcode"}},
			{name: "daemun_dns_truncated_total", help: "Responses that told the client to come back over TCP.", kind: counter},
			{name: "daemun_dns_dropped_total", help: "Queries without an answer: no DNS message, or too many at once.", kind: counter},
			{name: "daemun_dns_forwarded_total", help: "Questions for other resolvers: answered (ok), not answered (failed), answered along with the same one (shared), refused (too many).", kind: counter, labels: []string{"result"}},
			{name: "daemun_dns_cache_total", help: "Lookups in the cache of other resolvers' answers.", kind: counter, labels: []string{"result"}},
			{name: "daemun_dns_cache_entries", help: "Answers in the cache.", kind: gauge},
			{name: "daemun_dns_in_flight", help: "Questions that are with other resolvers now.", kind: gauge},
			{name: "daemun_dns_tcp_connections", help: "Open TCP connections of DNS clients.", kind: gauge},
			{name: "daemun_dns_upstreams_down", help: "Other resolvers that do not answer and are left out.", kind: gauge},
			{name: "daemun_dns_loops_total", help: "Questions to other resolvers that came back here.", kind: counter},
			{name: "daemun_dns_panics_total", help: "Queries that met a bug.", kind: counter},
		},
		collect: func(emit emitter) {
			s := read()
			emit(0, float64(s.UDP), "udp")
			emit(0, float64(s.TCP), "tcp")
			for _, kind := range slices.Sorted(maps.Keys(s.ByType)) {
				emit(1, float64(s.ByType[kind]), kind)
			}
			for _, code := range slices.Sorted(maps.Keys(s.ByRcode)) {
				emit(2, float64(s.ByRcode[code]), code)
			}
			emit(3, float64(s.Truncated))
			emit(4, float64(s.Dropped))
			emit(5, float64(s.Forwarded-min(s.ForwardFailed, s.Forwarded)), "ok")
			emit(5, float64(s.ForwardFailed), "failed")
			emit(5, float64(s.Coalesced), "shared")
			emit(5, float64(s.Overloaded), "too many")
			emit(6, float64(s.CacheHits), "hit")
			emit(6, float64(s.CacheMisses), "miss")
			emit(7, float64(s.CacheEntries))
			emit(8, float64(s.InFlight))
			emit(9, float64(s.Connections))
			emit(10, float64(s.DownUpstreams))
			emit(11, float64(s.Loops))
			emit(12, float64(s.Panics))
		},
	}
}
