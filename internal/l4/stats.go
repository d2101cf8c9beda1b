package l4

import "sync/atomic"

// refusal is why a client got nothing.
type refusal uint8

const (
	admitted refusal = iota
	refusedNoEndpoint
	refusedByPolicy
	refusedBySource
	refusedByFilter
	refusedByLimit
	refusedByHeader
	refusedForMemory
	refusals
)

// counters are those of one loop: it alone writes most of them, so that they
// cost no traffic between processors.
type counters struct {
	accepted, acceptErrors, dialFailed       atomic.Uint64
	toEndpoints, toClients                   atomic.Uint64
	flows, flowsRefused, flowsEvicted        atomic.Uint64
	datagramsIn, datagramsOut, datagramsLost atomic.Uint64
	checks, panics, idled                    atomic.Uint64
	refused                                  [refusals]atomic.Uint64

	_ [64]byte // the next loop's are not in the same cache line
}

// Stats are counts since the start, except for those named otherwise.
type Stats struct {
	// Frontends is how many addresses and ports are claimed now, Listening how
	// many of them are open (the others have no endpoint, or could not be
	// opened), Failed how many could not be opened.
	Frontends, Listening, Failed int

	// Connections were accepted; OpenConnections are so now.
	Connections     uint64
	OpenConnections int64
	// Idled are connections that were ended because nothing was passed on: for
	// too long, or for the longest when others wanted in.
	Idled uint64
	// DialFailures are connections and flows that could not begin because the
	// endpoint refused or did not answer, or no socket could be had.
	DialFailures uint64
	// AcceptErrors are pauses of a frontend for want of descriptors or memory.
	AcceptErrors uint64
	// BytesToEndpoints and BytesToClients passed through connections.
	BytesToEndpoints, BytesToClients uint64

	// Flows were begun; OpenFlows are so now. FlowsRefused were ended by the
	// endpoint, FlowsEvicted to make room.
	Flows, FlowsRefused, FlowsEvicted uint64
	OpenFlows                         int64
	// DatagramsIn came from clients, DatagramsOut from endpoints; DatagramsLost
	// of both could not be passed on.
	DatagramsIn, DatagramsOut, DatagramsLost uint64

	// Refused are connections, and datagrams that would have begun a flow, that
	// were accepted and then turned away. What the kernel refuses or drops for
	// us is not counted.
	Refused Refused

	// HealthChecks were answered.
	HealthChecks uint64
	// Panics are our mistakes; each cost one connection.
	Panics uint64
}

// Refused counts by reason.
type Refused struct {
	NoEndpoint, Policy, SourceRange, DialFilter, Limit, Header, Memory uint64
}

// Stats returns the counts. It may be called at any time.
func (s *Server) Stats() Stats {
	st := Stats{OpenConnections: s.tcp.Load(), OpenFlows: s.udp.Load()}
	s.mu.Lock()
	st.Frontends, st.Listening, st.Failed = len(s.frontends), s.listening, len(s.unopened)
	s.mu.Unlock()
	for _, l := range s.loops {
		c := &l.count
		st.Connections += c.accepted.Load()
		st.DialFailures += c.dialFailed.Load()
		st.AcceptErrors += c.acceptErrors.Load()
		st.BytesToEndpoints += c.toEndpoints.Load()
		st.BytesToClients += c.toClients.Load()
		st.Flows += c.flows.Load()
		st.FlowsRefused += c.flowsRefused.Load()
		st.FlowsEvicted += c.flowsEvicted.Load()
		st.DatagramsIn += c.datagramsIn.Load()
		st.DatagramsOut += c.datagramsOut.Load()
		st.DatagramsLost += c.datagramsLost.Load()
		st.HealthChecks += c.checks.Load()
		st.Idled += c.idled.Load()
		st.Panics += c.panics.Load()
		st.Refused.NoEndpoint += c.refused[refusedNoEndpoint].Load()
		st.Refused.Policy += c.refused[refusedByPolicy].Load()
		st.Refused.SourceRange += c.refused[refusedBySource].Load()
		st.Refused.DialFilter += c.refused[refusedByFilter].Load()
		st.Refused.Limit += c.refused[refusedByLimit].Load()
		st.Refused.Header += c.refused[refusedByHeader].Load()
		st.Refused.Memory += c.refused[refusedForMemory].Load()
	}
	return st
}
