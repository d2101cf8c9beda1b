package metrics

import (
	"maps"
	"slices"
)

// Layer4 is the traffic of the Service network.
type Layer4 struct {
	Frontends, Listening, Failed int

	Connections      uint64
	OpenConnections  int64
	DialFailures     uint64
	BytesToEndpoints uint64
	BytesToClients   uint64

	Flows                     uint64
	OpenFlows                 int64
	DatagramsIn, DatagramsOut uint64
	DatagramsLost             uint64

	// Refused counts by reason, which must be a fixed set.
	Refused map[string]uint64
}

// DNS is what the DNS server did.
type DNS struct {
	UDP, TCP uint64
	// ByType and ByRcode must have fixed sets of keys.
	ByType, ByRcode                                  map[string]uint64
	Truncated, Dropped                               uint64
	Forwarded, ForwardFailed, CacheHits, CacheMisses uint64
	CacheEntries                                     int
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
			{name: "daemun_dns_forwarded_total", help: "Questions asked of other resolvers, by result.", kind: counter, labels: []string{"result"}},
			{name: "daemun_dns_cache_total", help: "Lookups in the cache of other resolvers' answers.", kind: counter, labels: []string{"result"}},
			{name: "daemun_dns_cache_entries", help: "Answers in the cache.", kind: gauge},
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
			emit(6, float64(s.CacheHits), "hit")
			emit(6, float64(s.CacheMisses), "miss")
			emit(7, float64(s.CacheEntries))
		},
	}
}
