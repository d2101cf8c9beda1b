package dns

import "time"

// maxChain bounds how many aliases of the zone are followed; a loop ends there.
const maxChain = 8

// outcome is what became of a query.
type outcome int

const (
	answered outcome = iota
	// dropped queries deserve no answer.
	dropped
	// forwarded queries are answered when an upstream has answered.
	forwarded
)

// respond answers one query into out, which has room for limit octets. A
// panic costs the query its answer and nothing else.
func (s *Server) respond(c *counters, q *query, msg, out []byte, limit int) (answer []byte, what outcome) {
	defer func() {
		if r := recover(); r != nil {
			s.panicked(r)
			c.panics.Add(1)
			answer, what = nil, dropped
		}
	}()
	q.limit = limit
	rcode, drop := q.parse(msg, &s.token)
	if drop {
		c.dropped.Add(1)
		return nil, dropped
	}
	var m message
	m.begin(q.ask, out)
	if rcode == rcodeOK {
		rcode, what = s.resolve(c, q, &m)
		if what == forwarded {
			c.query(q.kind)
			return nil, forwarded
		}
	}
	c.query(q.kind)
	return s.finish(c, &m, rcode), answered
}

func (s *Server) finish(c *counters, m *message, rcode int) []byte {
	if s.forward.able {
		m.flags |= flagRA
	}
	if m.flags&flagTC != 0 {
		c.truncated.Add(1)
	}
	c.rcode(rcode)
	return m.finish(rcode)
}

func (s *Server) panicked(reason any) {
	now := s.now().Unix()
	if last := s.panicTold.Load(); now != last && s.panicTold.CompareAndSwap(last, now) {
		s.config.Logger.Error("dns: a query made the server panic; this is a bug, please report it", "reason", reason)
	}
}

// resolve decides where the answer comes from.
func (s *Server) resolve(c *counters, q *query, m *message) (int, outcome) {
	if q.class != classIN {
		return rcodeRefused, answered
	}
	switch q.kind {
	case typeOPT, 0:
		return rcodeFormat, answered
	case typeTKEY, typeTSIG, typeMAILA, typeMAILB:
		return rcodeNotImpl, answered
	}
	if q.own {
		return s.loop(c, m), answered
	}
	z := s.zone.Load()
	name, labels := q.name[:q.length], q.labels[:q.count]
	if inZone(name, labels, s.builder.origin, len(s.builder.originLabels)) {
		if z == nil {
			m.reason = reasonNotReady
			return rcodeServFail, answered
		}
		return s.fromZone(c, z, q, m)
	}
	if addr, ok := reverseAddr(name, labels); ok {
		if z == nil {
			m.reason = reasonNotReady
			return rcodeServFail, answered
		}
		if n := z.lookupReverse(addr); n != nil {
			return s.fromReverse(z, n, q, m), answered
		}
	}
	return s.fromUpstream(c, q, m)
}

// loop answers a question that this server asked: some upstream leads back.
func (s *Server) loop(c *counters, m *message) int {
	c.loops.Add(1)
	if !s.loopTold.Swap(true) {
		s.config.Logger.Warn("dns: an upstream resolver asks this server what it was asked by it; " +
			"remove this server's own address from the upstreams (or from resolv.conf)")
	}
	m.reason = reasonOther
	return rcodeServFail
}

// fromZone answers for a name of the zone.
func (s *Server) fromZone(c *counters, z *zone, q *query, m *message) (int, outcome) {
	m.flags |= flagAA
	name, labels := q.name[:q.length], q.labels[:q.count]
	depth := q.count - len(s.builder.originLabels)
	at := headerSize + q.length - len(s.builder.origin)
	f := z.lookup(name, labels, depth)
	if !f.exists() {
		s.negative(z, m, at)
		return rcodeNXDomain, answered
	}
	if f.node != nil && f.node.alias != nil {
		return s.fromAlias(c, z, q, m, f.node.alias)
	}
	if !s.addNode(z, m, f, q.kind, headerSize) && m.flags&flagTC == 0 {
		s.negative(z, m, at)
	}
	return rcodeOK, answered
}

// addNode writes the records of one type and reports whether there are any.
func (s *Server) addNode(z *zone, m *message, f found, kind uint16, owner int) bool {
	before := m.answers
	switch {
	case kind == typeANY:
		m.addMinimalANY(s.builder.ttl)
	case f.addr.IsValid():
		if kind == typeA && f.addr.Is4() || kind == typeAAAA && f.addr.Is6() {
			m.addAddress(f.addr, owner, s.builder.ttl)
		}
	case f.node == z.apex && kind == typeSOA:
		if m.addSOA(s.builder.soa, owner, z.serial) {
			m.answers++
		}
	default:
		if set := f.node.get(kind); set != nil {
			m.addSet(set, owner)
		}
	}
	return m.answers > before
}

// negative writes the SOA record that lets clients keep a negative answer.
func (s *Server) negative(z *zone, m *message, at int) {
	if m.addSOA(s.builder.soa, at, z.serial) {
		m.authority++
	}
}

// fromAlias follows aliases, in the zone and out of it. An alias that leads
// nowhere is a CNAME alone, never a made-up answer.
func (s *Server) fromAlias(c *counters, z *zone, q *query, m *message, a *alias) (int, outcome) {
	owner := headerSize
	for q.hops < maxChain {
		q.chain[q.hops] = a
		q.hops++
		if owner = m.addAlias(a, owner); owner == 0 {
			return rcodeOK, answered
		}
		if q.kind == typeCNAME || q.kind == typeANY {
			return rcodeOK, answered
		}
		if !a.inZone {
			return s.fromUpstream(c, q, m)
		}
		f := z.lookup(a.name, a.labels, len(a.labels)-len(s.builder.originLabels))
		if !f.exists() {
			return rcodeOK, answered
		}
		if f.node != nil && f.node.alias != nil {
			a = f.node.alias
			continue
		}
		s.addNode(z, m, f, q.kind, owner)
		return rcodeOK, answered
	}
	return rcodeOK, answered
}

// fromReverse answers for the address of a Service or an endpoint. A name
// without records of the type has an SOA record of its own, as the zone above
// is somebody else's.
func (s *Server) fromReverse(z *zone, n *node, q *query, m *message) int {
	m.flags |= flagAA
	if !s.addNode(z, m, found{node: n}, q.kind, headerSize) && m.flags&flagTC == 0 {
		m.addReverseSOA(s.builder.soaReverse, z.serial)
	}
	return rcodeOK
}

// fromUpstream answers from what upstreams said before, or leaves the answer
// to the forwarder. With aliases in front, failure leaves these.
func (s *Server) fromUpstream(c *counters, q *query, m *message) (int, outcome) {
	failed := rcodeRefused
	if q.hops > 0 {
		failed = rcodeOK
	}
	if q.kind == typeANY {
		m.addMinimalANY(s.builder.ttl)
		return rcodeOK, answered
	}
	if q.flags&flagRD == 0 || !s.forward.serves(q) {
		if q.hops == 0 {
			m.reason = reasonNotAuthoritative
		}
		return failed, answered
	}
	r := s.forward.cached(q)
	if r == nil {
		c.cacheMisses.Add(1)
		return 0, forwarded
	}
	c.cacheHits.Add(1)
	return m.addReply(r, q.chain[:q.hops], s.age(r)), answered
}

// age is how many seconds ago an answer came.
func (s *Server) age(r *reply) uint32 {
	return uint32(max(0, s.now().Sub(r.born)/time.Second))
}
