package l4

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"daemun/internal/ir"
)

// Decision is what becomes of a new connection or flow, and why.
type Decision struct {
	Transport ir.Transport   `json:"transport"`
	To        netip.AddrPort `json:"to"`
	Client    netip.Addr     `json:"client"`
	// ClientNode is where the client is; empty is outside of all nodes.
	ClientNode string `json:"clientNode,omitempty"`
	// ClientPod says that the client is in the Pod network of that node.
	ClientPod bool `json:"clientPod,omitempty"`

	// Service has the address; zero when none has.
	Service ir.Ref         `json:"service,omitzero"`
	Port    ir.ServicePort `json:"port,omitzero"`
	Kind    Kind           `json:"kind,omitempty"`
	// Others claim the same address and do not get it.
	Others []ir.Ref `json:"others,omitempty"`

	Verdict Verdict `json:"verdict"`
	// Reason is a sentence without its full stop.
	Reason string `json:"reason"`
	// Ways are what happens on each node where the traffic may arrive: one,
	// except behind a balancer.
	Ways []Way `json:"ways,omitempty"`
	// Affinity is how long the client keeps its endpoint; 0 is not at all.
	Affinity ir.Duration `json:"affinity,omitempty"`
	// Endpoints are all of the port.
	Endpoints []Candidate `json:"endpoints,omitempty"`
}

// Way is what happens to traffic that arrived at a node.
type Way struct {
	Node    string  `json:"node,omitempty"`
	Verdict Verdict `json:"verdict"`
	// Set is "cluster" or "local".
	Set string `json:"set,omitempty"`
	// Source is the address that the endpoint sees. The client's own is kept
	// only where it is an address of this machine; SourceElse is seen where it
	// is not.
	Source     netip.Addr `json:"source,omitzero"`
	SourceElse netip.Addr `json:"sourceElse,omitzero"`
	// Endpoints get the connection with equal chance.
	Endpoints []netip.AddrPort `json:"endpoints,omitempty"`
}

// Candidate is one endpoint and whether it can be chosen.
type Candidate struct {
	Addr netip.AddrPort `json:"addr"`
	Pod  string         `json:"pod,omitempty"`
	Node string         `json:"node,omitempty"`
	// Ready is that of the endpoint, whoever may reach it.
	Ready bool `json:"ready"`
	// Chosen says that at least one of the ways leads to it.
	Chosen bool `json:"chosen"`
	// Refused is set when the dial filter lets nobody through to it: a client
	// for whom it is chosen is reset.
	Refused bool `json:"refused,omitempty"`
	// Reason is why it is not chosen, or refused.
	Reason string `json:"reason,omitempty"`
}

// Question is what Decide is asked.
type Question struct {
	Transport ir.Transport
	To        netip.AddrPort
	Client    netip.Addr
	// HostAddresses is as in Config.
	HostAddresses []netip.Addr
	// DialFilter is as in Config.
	DialFilter func(netip.AddrPort) error
	// Holder has the address where several Services claim it; zero is the
	// first by namespace and name, as at a start.
	Holder ir.Ref
	// Unopened is why nobody listens on the address, though a Service has it.
	Unopened error
}

// Decide says what the server would do, by the rules that it goes by.
func Decide(n *ir.Network, q Question) Decision {
	p := placesOf(n.Nodes)
	d := Decision{Transport: q.Transport, To: q.To, Client: q.Client}
	from := p.of(q.Client)
	if from.node != outside {
		d.ClientNode, d.ClientPod = p.nodes[from.node].Name, from.pod
	}
	found := d.find(n, p, q)
	if found == nil {
		d.Verdict, d.Reason = Reject, missing(n, p, q)
		return d
	}
	d.decide(found, from)
	passed := "not for this client: policy, hints or source ranges"
	if q.Unopened != nil && d.Verdict != Reject {
		d.Verdict, d.Reason, d.Ways = Reject, "Daemun cannot listen there: "+unopened(q.Unopened), nil
		passed = "not reached: nobody listens on the address"
	}
	d.Endpoints = found.candidates(d.Ways, passed, q.DialFilter)
	return d
}

// Decide is the function of that name for what the server serves now.
func (s *Server) Decide(t ir.Transport, to netip.AddrPort, client netip.Addr) Decision {
	s.mu.Lock()
	n := s.network
	q := Question{Transport: t, To: to, Client: client, HostAddresses: s.config.HostAddresses, DialFilter: s.config.DialFilter}
	if f := s.frontends[key{t, to}]; f != nil {
		q.Holder, q.Unopened = f.owner.ir.Ref(), f.err
	}
	s.mu.Unlock()
	if n == nil {
		n = &ir.Network{}
	}
	return Decide(n, q)
}

// find looks for the Service port that has the address.
func (d *Decision) find(n *ir.Network, p *places, q Question) *plan {
	var found *plan
	k := key{q.Transport, q.To}
	for _, s := range n.Services {
		for i := range s.Ports {
			at := slices.IndexFunc(frontendsOf(s, i, p, q.HostAddresses), func(a address) bool { return a.key == k })
			if at < 0 {
				continue
			}
			if found != nil && (s.Ref() != q.Holder || s == found.rules.service) {
				if s != found.rules.service {
					d.Others = append(d.Others, s.Ref())
				}
				continue
			}
			if found != nil {
				d.Others = append(d.Others, found.rules.service.Ref())
			}
			a := frontendsOf(s, i, p, q.HostAddresses)[at]
			found = &plan{rules: rulesOf(s, i, p), kind: a.kind, at: a.node, address: q.To.Addr()}
		}
	}
	return found
}

// missing says why no Service has an address.
func missing(n *ir.Network, p *places, q Question) string {
	a := q.To.Addr()
	for _, s := range n.Services {
		if !slices.Contains(s.ClusterIPs, a) && !slices.Contains(s.ExternalIPs, a) && !slices.Contains(s.LoadBalancerIPs, a) {
			continue
		}
		if s.Unproxied {
			return fmt.Sprintf("%s has the address, and another proxy serves it (label service.kubernetes.io/service-proxy-name)", s.Ref())
		}
		if proxied(s) {
			return fmt.Sprintf("%s has the address, but no port %d/%s; its ports are %s", s.Ref(), q.To.Port(), q.Transport, portsOf(s))
		}
	}
	for _, s := range n.Services {
		for i := range s.Endpoints {
			if e := &s.Endpoints[i]; e.Addr == a {
				return fmt.Sprintf("it is the address of an endpoint of %s, which is reached without a Service", s.Ref())
			}
		}
	}
	if _, ok := p.byAddr[a]; ok || slices.Contains(q.HostAddresses, a) {
		return fmt.Sprintf("no Service has the node port %d/%s", q.To.Port(), q.Transport)
	}
	return "no Service has the address"
}

// portsOf lists the first ports of a Service.
func portsOf(s *ir.Service) string {
	var all []string
	for _, p := range s.Ports {
		if len(all) == mostNamed {
			return strings.Join(all, ", ") + fmt.Sprintf(" and %d more", len(s.Ports)-mostNamed)
		}
		all = append(all, fmt.Sprintf("%d/%s", p.Port, p.Transport))
	}
	return strings.Join(all, ", ")
}

func (d *Decision) decide(p *plan, from place) {
	r := p.rules
	d.Service, d.Port, d.Kind = r.service.Ref(), r.service.Ports[r.port], p.kind
	d.Affinity = r.service.Affinity
	nodes := r.arrivals(p.kind, p.at, from)
	for _, node := range nodes {
		d.Ways = append(d.Ways, p.describe(node, from, d.Client))
	}
	last := way{verdict: Drop, reason: noReceiver}
	for _, node := range nodes {
		if last = r.way(p.kind, node, from); last.verdict == Forward {
			break
		}
	}
	switch {
	case len(r.all) == 0:
		last = way{verdict: Reject, reason: noEndpoint}
	case p.kind == LoadBalancer && !allowed(r.service, r.places, p.address, d.Client):
		last = way{verdict: Drop, reason: sourceRange}
		d.Ways = nil
	}
	d.Verdict, d.Reason = last.verdict, p.words(last, from)
}

// describe says what happens at one node.
func (p *plan) describe(node int, from place, client netip.Addr) Way {
	w := p.rules.way(p.kind, node, from)
	out := Way{Verdict: w.verdict}
	if node >= 0 && node < len(p.rules.places.nodes) {
		out.Node = p.rules.places.nodes[node].Name
	}
	if w.verdict == Reject {
		return out
	}
	out.Set = "cluster"
	if w.local {
		out.Set = "local"
	}
	if w.verdict != Forward {
		return out
	}
	for _, e := range w.set {
		out.Endpoints = append(out.Endpoints, e.to)
	}
	out.Source = p.rules.places.addressOf(node, out.Endpoints[0].Addr())
	if w.keep {
		out.Source, out.SourceElse = client, out.Source
	}
	return out
}

// words is the reason as a sentence.
func (p *plan) words(w way, from place) string {
	s := p.rules.service
	policy := "externalTrafficPolicy"
	if p.kind == ClusterIP {
		policy = "internalTrafficPolicy"
	}
	switch w.reason {
	case noEndpoint:
		switch port := s.Ports[p.rules.port]; {
		case len(s.Endpoints) == 0:
			return "the Service has no endpoints"
		case slices.ContainsFunc(s.Endpoints, func(e ir.ServiceEndpoint) bool { return e.Ready }):
			return fmt.Sprintf("the ready endpoints have no %s port named %q: containers and EndpointSlices must have it as the Service says", port.Transport, port.Name)
		}
		return "none of the endpoints is ready"
	case noLocalEndpoint:
		return policy + " is Local and the node where the traffic arrives has no endpoint of its own"
	case noReceiver:
		return "no node may receive traffic from the balancer: " + p.unbalanced()
	case sourceRange:
		return "the client is not in loadBalancerSourceRanges (" + joined(s.SourceRanges) + ")"
	case shortCircuit:
		return "externalTrafficPolicy is Local, but traffic from inside the cluster is not limited to local endpoints"
	}
	if w.local {
		return policy + " is Local: endpoints of the node where the traffic arrives"
	}
	node := p.rules.places.first()
	if from.node != outside {
		node = from.node
	}
	if p.kind == NodePort {
		node = p.at
	}
	if node >= 0 && node < len(p.rules.hinted) && p.rules.hinted[node] != nil {
		return "topology hints choose the endpoints near node " + p.rules.places.nodes[node].Name
	}
	return "endpoints of all nodes"
}

func (p *plan) unbalanced() string {
	if p.rules.service.ExternalLocal {
		return "externalTrafficPolicy is Local, and no node that takes balanced traffic has endpoints of its own"
	}
	return "all are excluded (label node.kubernetes.io/exclude-from-external-load-balancers)"
}

func joined(ranges []netip.Prefix) string {
	all := make([]string, 0, len(ranges))
	for _, r := range ranges {
		all = append(all, r.String())
	}
	return strings.Join(all, ", ")
}

// candidates lists all endpoints of the port. passed is why ready ones are not
// chosen.
func (p *plan) candidates(ways []Way, passed string, filter func(netip.AddrPort) error) []Candidate {
	var all []Candidate
	for i := range p.rules.service.Endpoints {
		e := &p.rules.service.Endpoints[i]
		to, _, ok := p.rules.target(e)
		if !ok {
			continue
		}
		c := Candidate{Addr: to, Pod: e.Pod, Node: e.Node, Ready: e.Ready}
		c.Chosen = slices.ContainsFunc(ways, func(w Way) bool { return slices.Contains(w.Endpoints, to) })
		switch {
		case c.Chosen:
			if filter != nil {
				if err := filter(to); err != nil {
					c.Refused, c.Reason = true, err.Error()
				}
			}
		case e.Ready:
			c.Reason = passed
		case e.Serving && e.Terminating:
			c.Reason = "terminating: used only while no endpoint is ready"
		case e.Terminating:
			c.Reason = "terminating and not serving"
		default:
			c.Reason = "not ready"
		}
		all = append(all, c)
	}
	return all
}

var kindNames = [...]string{"", "ClusterIP", "ExternalIP", "LoadBalancer", "NodePort"}

// String returns the name of the kind; empty for the zero value.
func (k Kind) String() string { return kindNames[min(int(k), len(kindNames)-1)] }

// MarshalText is String for JSON.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (k *Kind) UnmarshalText(b []byte) error {
	i := slices.Index(kindNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("no kind of frontend: %q", b)
	}
	*k = Kind(i)
	return nil
}

var verdictNames = [...]string{"", "forward", "reject", "drop"}

// String returns "forward", "reject" or "drop"; empty for the zero value.
func (v Verdict) String() string { return verdictNames[min(int(v), len(verdictNames)-1)] }

// MarshalText is String for JSON.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (v *Verdict) UnmarshalText(b []byte) error {
	i := slices.Index(verdictNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("no verdict: %q", b)
	}
	*v = Verdict(i)
	return nil
}
