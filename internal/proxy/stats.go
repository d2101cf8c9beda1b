package proxy

import (
	"sync/atomic"

	"daemun/internal/http1"
	"daemun/internal/spool"
)

// counters are what happens seldom enough to be counted in one place.
type counters struct {
	accepted, requests atomic.Uint64
	panics             atomic.Uint64
	retries            atomic.Uint64      // attempts after the first of a request
	unmirrored         atomic.Uint64      // requests whose copy was not sent
	uncompressed       atomic.Uint64      // responses for which no compressor was left
	refusals           [256]atomic.Uint64 // by http1.Reason
	other              [otherCount]atomic.Uint64
}

// refusal is a reason to refuse a request that package http1 does not know.
type refusal uint8

// The refusals beside those of http1.
const (
	refusedBadPath refusal = iota
	refusedAmbiguousPath
	refusedAsterisk
	refusedHost
	refusedBodySize
	refusedHeaderTime
	refusedBodyTime
	refusedNoLength
	refusedMisdirected
	refusedBlocked
	refusedInFlight
	refusedOverload
	otherCount
)

var refusalNames = [otherCount]string{
	refusedBadPath: "bad-path", refusedAmbiguousPath: "ambiguous-path", refusedAsterisk: "asterisk", refusedHost: "bad-host",
	refusedBodySize: "body-size", refusedHeaderTime: "header-time", refusedBodyTime: "body-time", refusedNoLength: "no-length",
	refusedMisdirected: "misdirected", refusedBlocked: "blocked",
	refusedInFlight: "requests-in-flight", refusedOverload: "overload",
}

// Stats is the state of a Server at one moment.
type Stats struct {
	Idle, Active, Tunnels int    // open connections by state
	Accepted              uint64 // connections since start
	Requests              uint64 // requests since start
	Panics                uint64 // requests that ended in a panic
	Retries               uint64 // attempts after the first of a request
	HTTP2                 int    // of the open connections
	Unmirrored            uint64 // requests whose copy was dropped
	Uncompressed          uint64 // responses for which no compressor was left
	// Spool is what bodies that are buffered take.
	Spool spool.Stats
	// Refusals counts refused requests by the stable name of the reason.
	Refusals map[string]uint64
}

// Stats counts; it is made for a scrape, not for each request.
func (s *Server) Stats() Stats {
	st := Stats{Accepted: s.counters.accepted.Load(), Panics: s.counters.panics.Load(), Retries: s.counters.retries.Load(), Unmirrored: s.counters.unmirrored.Load(), Refusals: make(map[string]uint64)}
	st.Spool = s.spool.Stats()
	st.Uncompressed = s.counters.uncompressed.Load()
	for _, r := range http1.Reasons() {
		if n := s.counters.refusals[r].Load(); n > 0 {
			st.Refusals[r.String()] = n
		}
	}
	for i, name := range refusalNames {
		if n := s.counters.other[i].Load(); n > 0 {
			st.Refusals[name] = n
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Requests = s.counters.requests.Load()
	for c := range s.open {
		st.Requests += c.requests.Load()
		if c.http2.Load() != nil {
			st.HTTP2++
		}
		switch c.state.Load() {
		case stateActive:
			st.Active++
		case stateTunnel:
			st.Tunnels++
		default:
			st.Idle++
		}
	}
	return st
}
