package dns

import (
	"strconv"
	"sync/atomic"
)

// Stats counts since the start.
type Stats struct {
	// Queries of each transport; ByType and ByRcode are those of both, by the
	// name of type and response code. Types without a name here are "other".
	UDP, TCP        uint64
	ByType, ByRcode map[string]uint64
	// Truncated answers told the client to come back over TCP. Dropped queries
	// got no answer: no DNS message, or too many at once.
	Truncated, Dropped uint64
	// Forwarded questions were asked of upstreams, Coalesced ones waited for
	// the answer to the same question. ForwardFailed got none; Overloaded were
	// refused by MaxForwards.
	Forwarded, Coalesced, ForwardFailed, Overloaded uint64
	CacheHits, CacheMisses                          uint64
	// Loops are questions of this server that came back to it; Panics are bugs.
	Loops, Panics uint64
	// What there is now.
	CacheEntries, InFlight, Connections, DownUpstreams int
}

// counters are written by one transport's goroutines. Each UDP socket has its
// own, so that cores do not fight for them.
type counters struct {
	udp         bool
	types       [len(typeNames)]atomic.Uint64
	rcodes      [rcodeBadVers + 1]atomic.Uint64
	truncated   atomic.Uint64
	dropped     atomic.Uint64
	cacheHits   atomic.Uint64
	cacheMisses atomic.Uint64
	loops       atomic.Uint64
	panics      atomic.Uint64
	_           [64]byte
}

// typeNames are the types that are counted by name; the first is the rest.
var typeNames = [...]struct {
	kind uint16
	name string
}{
	{0, "other"},
	{typeA, "A"},
	{typeAAAA, "AAAA"},
	{typeSRV, "SRV"},
	{typePTR, "PTR"},
	{typeTXT, "TXT"},
	{typeCNAME, "CNAME"},
	{typeSOA, "SOA"},
	{typeNS, "NS"},
	{typeMX, "MX"},
	{64, "SVCB"},
	{65, "HTTPS"},
	{typeANY, "ANY"},
}

func (c *counters) query(kind uint16) {
	for i := 1; i < len(typeNames); i++ {
		if typeNames[i].kind == kind {
			c.types[i].Add(1)
			return
		}
	}
	c.types[0].Add(1)
}

func (c *counters) rcode(code int) { c.rcodes[code%len(c.rcodes)].Add(1) }

func rcodeName(code int) string {
	switch code {
	case rcodeOK:
		return "NOERROR"
	case rcodeFormat:
		return "FORMERR"
	case rcodeServFail:
		return "SERVFAIL"
	case rcodeNXDomain:
		return "NXDOMAIN"
	case rcodeNotImpl:
		return "NOTIMP"
	case rcodeRefused:
		return "REFUSED"
	case rcodeBadVers:
		return "BADVERS"
	}
	return "RCODE" + strconv.Itoa(code)
}

// newCounters makes counters that Stats adds up. The caller holds s.mu.
func (s *Server) newCounters(udp bool) *counters {
	c := &counters{udp: udp}
	s.counters = append(s.counters, c)
	return c
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	st := Stats{ByType: map[string]uint64{}, ByRcode: map[string]uint64{}}
	s.mu.Lock()
	all := s.counters
	s.mu.Unlock()
	for _, c := range all {
		c.addTo(&st)
	}
	s.forward.addTo(&st)
	st.Connections = s.streams.count()
	return st
}

func (c *counters) addTo(st *Stats) {
	for i := range c.types {
		n := c.types[i].Load()
		if n == 0 {
			continue
		}
		st.ByType[typeNames[i].name] += n
		if c.udp {
			st.UDP += n
		} else {
			st.TCP += n
		}
	}
	for i := range c.rcodes {
		if n := c.rcodes[i].Load(); n > 0 {
			st.ByRcode[rcodeName(i)] += n
		}
	}
	st.Truncated += c.truncated.Load()
	st.Dropped += c.dropped.Load()
	st.CacheHits += c.cacheHits.Load()
	st.CacheMisses += c.cacheMisses.Load()
	st.Loops += c.loops.Load()
	st.Panics += c.panics.Load()
}
