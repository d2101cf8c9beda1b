package l4

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"daemun/internal/ir"
)

type name struct{ namespace, name string }

// service is what Update remembers of a Service.
type service struct {
	ir     *ir.Service
	ports  map[portKey]*portState
	claims []claim
	owns   []*frontend
	// lost are the claims that others had first.
	lost   []conflict
	checks []*healthCheck
}

type portKey struct {
	transport ir.Transport
	port      uint16
}

// claim is one address that a Service wants to answer on.
type claim struct {
	key   key
	plan  *plan
	field string
}

// conflict is a claim that another Service holds.
type conflict struct {
	claim claim
	owner ir.Ref
}

// Update serves n from now on. When it returns, new frontends listen and those
// that are gone are closed; open connections go on in any case. What did not
// change, by the identity of its pointer, is not looked at; what could not be
// opened is tried again, so calling it with the same network is a retry. n must
// not be written to afterwards.
func (s *Server) Update(n *ir.Network) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	moved := s.network == nil || !slices.Equal(s.network.Nodes, n.Nodes)
	if moved {
		s.places = placesOf(n.Nodes)
	}
	changed := s.match(n, moved)
	// First all that is given up, then what is taken: an address may go from
	// one Service to another.
	gone := s.releaseGone(n)
	for _, st := range changed {
		s.release(st)
	}
	s.claim(changed)
	s.updateChecks(changed, gone)
	s.inherited.discard()
	s.report()
}

// match finds the Services that changed and prepares them. Those that are the
// same as last time, usually all but one, are recognised by walking along the
// list of last time; nothing of them is read.
func (s *Server) match(n *ir.Network, moved bool) (changed []*service) {
	var last []*ir.Service
	if s.network != nil {
		last = s.network.Services
	}
	order := make([]*service, len(n.Services))
	j := 0
	for i, sv := range n.Services {
		if j < len(last) && last[j] == sv && !moved {
			order[i] = s.order[j]
			j++
			continue
		}
		id := name{sv.Namespace, sv.Name}
		st := s.services[id]
		if st == nil {
			st = &service{}
			s.services[id] = st
		}
		for j < len(last) && compareNames(last[j], sv) <= 0 {
			j++ // gone, or this one as it was
		}
		order[i] = st
		if moved || st.ir != sv {
			s.prepare(st, sv)
			changed = append(changed, st)
		}
	}
	s.network, s.order = n, order
	return changed
}

func compareNames(a, b *ir.Service) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// prepare computes what a Service wants.
func (s *Server) prepare(st *service, sv *ir.Service) {
	affine := st.ir != nil && st.ir.Affinity > 0
	old := st.ports
	st.ir, st.claims = sv, nil
	st.ports = make(map[portKey]*portState, len(sv.Ports))
	if !proxied(sv) {
		return
	}
	for i := range sv.Ports {
		p := &sv.Ports[i]
		k := portKey{p.Transport, p.Port}
		state := old[k]
		if state == nil || sv.Affinity > 0 && !affine {
			// Turning affinity off forgets all clients.
			s.serial++
			state = &portState{affinity: s.serial}
		}
		st.ports[k] = state
		for _, f := range frontendsOf(sv, i, s.places, s.config.HostAddresses) {
			st.claims = append(st.claims, claim{key: f.key, field: f.field, plan: &plan{kind: f.kind, at: f.node, address: f.key.at.Addr(), port: state}})
		}
	}
	s.plan(st)
}

// plan gives the claims of a Service their rules: one for each port, shared by
// its frontends. Of two claims to one address the first stands.
func (s *Server) plan(st *service) {
	byPort := make(map[*portState]*rules, len(st.ports))
	for i := range st.ir.Ports {
		p := &st.ir.Ports[i]
		state := st.ports[portKey{p.Transport, p.Port}]
		if byPort[state] == nil {
			byPort[state] = rulesOf(st.ir, i, s.places)
		}
	}
	clear(s.scratch)
	st.claims = slices.DeleteFunc(st.claims, func(c claim) bool {
		twice := s.scratch[c.key]
		s.scratch[c.key] = true
		c.plan.rules = byPort[c.plan.port]
		return twice
	})
}

// releaseGone closes the frontends of Services that are gone, and returns
// those.
func (s *Server) releaseGone(n *ir.Network) (gone []*service) {
	if len(s.services) == len(n.Services) {
		return nil
	}
	kept := make(map[*service]bool, len(s.order))
	for _, st := range s.order {
		kept[st] = true
	}
	for id, st := range s.services {
		if !kept[st] {
			st.claims = nil
			s.release(st)
			s.setLost(st, nil)
			delete(s.services, id)
			gone = append(gone, st)
		}
	}
	return gone
}

// release closes the frontends that a Service no longer wants.
func (s *Server) release(st *service) {
	clear(s.scratch)
	for i := range st.claims {
		s.scratch[st.claims[i].key] = true
	}
	st.owns = slices.DeleteFunc(st.owns, func(f *frontend) bool {
		if s.scratch[f.key] {
			return false
		}
		f.loop.mu.Lock()
		f.close()
		f.loop.mu.Unlock()
		s.settle(f, false, nil)
		delete(s.frontends, f.key)
		return true
	})
}

// claim opens and changes the frontends of changed Services, and tries again
// what could not be had before.
func (s *Server) claim(changed []*service) {
	if len(s.contended) > 0 {
		known := make(map[*service]bool, len(changed))
		for _, st := range changed {
			known[st] = true
		}
		for st := range s.contended {
			if !known[st] {
				changed = append(changed, st)
			}
		}
	}
	// The first by namespace and name gets what two new ones want.
	slices.SortFunc(changed, func(a, b *service) int { return compareNames(a.ir, b.ir) })
	retry := make([]*frontend, 0, len(s.unopened))
	for f := range s.unopened {
		retry = append(retry, f)
	}
	// denied is the highest port that was refused for want of permission: those
	// below it need not be tried.
	var denied uint16
	for _, st := range changed {
		var lost []conflict
		for i := range st.claims {
			c := &st.claims[i]
			f := s.frontends[c.key]
			if f == nil {
				f = s.newFrontend(c.key, st)
			} else if f.owner != st {
				lost = append(lost, conflict{*c, f.owner.ir.Ref()})
				continue
			}
			s.apply(f, c.plan, &denied)
		}
		s.setLost(st, lost)
	}
	for _, f := range retry {
		if _, still := s.unopened[f]; still {
			s.apply(f, f.plan, &denied)
		}
	}
}

// retry tries again what could not be opened.
func (s *Server) retry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.network != nil && !s.closed && (len(s.unopened) > 0 || len(s.problems) > 0) {
		s.claim(nil)
		s.updateChecks(nil, nil)
		s.report()
	}
}

func (s *Server) newFrontend(k key, owner *service) *frontend {
	f := &frontend{loop: s.loops[s.placed%len(s.loops)], key: k, owner: owner}
	f.reg.fd = -1
	s.placed++
	s.frontends[k] = f
	owner.owns = append(owner.owns, f)
	return f
}

func (s *Server) apply(f *frontend, p *plan, denied *uint16) {
	if f.err != nil && len(p.rules.all) > 0 && f.key.at.Port() <= *denied && errors.Is(f.err, unix.EACCES) {
		f.plan = p // not open, so that no loop reads it
		return
	}
	if !f.listening && len(p.rules.all) > 0 && s.listening >= s.config.MaxFrontends {
		f.plan = p
		s.settle(f, false, errTooMany)
		return
	}
	open, err := f.apply(p)
	if errors.Is(err, unix.EACCES) {
		*denied = max(*denied, f.key.at.Port())
	}
	s.settle(f, open, err)
}

// settle keeps account of what is open and what should be.
func (s *Server) settle(f *frontend, open bool, err error) {
	switch {
	case open && !f.listening:
		s.listening++
	case !open && f.listening:
		s.listening--
	}
	f.listening, f.err = open, err
	if err != nil {
		s.unopened[f] = struct{}{}
		return
	}
	delete(s.unopened, f)
}

func (s *Server) setLost(st *service, lost []conflict) {
	st.lost = lost
	if len(lost) > 0 {
		s.contended[st] = struct{}{}
		return
	}
	delete(s.contended, st)
}

// proxied says whether a Service has frontends here.
func proxied(s *ir.Service) bool { return !s.Headless && !s.Unproxied && s.ExternalName == "" }

// address is one that a Service port answers on.
type address struct {
	key   key
	kind  Kind
	node  int // of a NodePort
	field string
}

// frontendsOf returns where a port of a Service answers.
func frontendsOf(s *ir.Service, port int, p *places, hosts []netip.Addr) []address {
	sp := &s.Ports[port]
	if !proxied(s) || sp.Transport != ir.TCP && sp.Transport != ir.UDP {
		return nil
	}
	var all []address
	add := func(kind Kind, node int, a netip.Addr, number uint16, field string) {
		if a.IsValid() && number != 0 {
			all = append(all, address{key{sp.Transport, netip.AddrPortFrom(a, number)}, kind, node, field})
		}
	}
	for _, a := range s.ClusterIPs {
		add(ClusterIP, outside, a, sp.Port, "spec.clusterIPs")
	}
	for _, a := range s.ExternalIPs {
		add(ExternalIP, outside, a, sp.Port, "spec.externalIPs")
	}
	for _, a := range s.LoadBalancerIPs {
		add(LoadBalancer, outside, a, sp.Port, "status.loadBalancer")
	}
	for i, n := range p.nodes {
		for _, a := range n.Addresses {
			add(NodePort, i, a, sp.NodePort, nodePortField(port))
		}
	}
	for _, a := range hosts {
		add(NodePort, p.first(), a, sp.NodePort, nodePortField(port))
	}
	return all
}
