package l4

import (
	"net/netip"
	"slices"

	"daemun/internal/ir"
)

// Kind is what an address that clients connect to is to its Service.
type Kind uint8

// The kinds of frontends.
const (
	ClusterIP Kind = iota + 1
	ExternalIP
	LoadBalancer
	NodePort
)

// Verdict is what becomes of a new connection.
type Verdict uint8

// The verdicts. A rejected client is told at once, a dropped one hears nothing.
const (
	Forward Verdict = iota + 1
	Reject
	Drop
)

// outside is the node of a client that is neither a Pod nor a node.
const outside = -1

// nowhere is where traffic arrives when there is no node. It is read only.
var nowhere = []int{outside}

// place is where a client is.
type place struct {
	node int // index in Network.Nodes, or outside
	pod  bool
}

// places tells where a client is by its address. It is never written after
// placesOf returned it.
type places struct {
	nodes  []*ir.Node
	byName map[string]int
	byAddr map[netip.Addr]int
	pods   map[netip.Prefix]int
	bits   []int   // the lengths of the keys of pods, longest first
	single [][]int // of each node, the list of it alone
}

func placesOf(nodes []*ir.Node) *places {
	p := &places{nodes: nodes, byName: map[string]int{}, byAddr: map[netip.Addr]int{}, pods: map[netip.Prefix]int{}}
	for i, n := range nodes {
		p.byName[n.Name] = i
		p.single = append(p.single, []int{i})
		for _, a := range n.Addresses {
			if _, taken := p.byAddr[a]; !taken {
				p.byAddr[a] = i
			}
		}
		for _, network := range n.PodNetworks {
			p.pods[network.Masked()] = i
			if !slices.Contains(p.bits, network.Bits()) {
				p.bits = append(p.bits, network.Bits())
			}
		}
	}
	slices.Sort(p.bits)
	slices.Reverse(p.bits)
	return p
}

// of finds a client. A node's own address wins over a Pod network around it.
func (p *places) of(client netip.Addr) place {
	if i, ok := p.byAddr[client]; ok {
		return place{node: i}
	}
	for _, bits := range p.bits {
		network, err := client.Prefix(bits)
		if err != nil {
			continue // longer than an address of this family
		}
		if i, ok := p.pods[network]; ok {
			return place{node: i, pod: true}
		}
	}
	return place{node: outside}
}

// first is where traffic from outside arrives.
func (p *places) first() int {
	if len(p.nodes) == 0 {
		return outside
	}
	return 0
}

// addressOf is the first address of a node in the family of like.
func (p *places) addressOf(node int, like netip.Addr) netip.Addr {
	if node < 0 || node >= len(p.nodes) {
		return netip.Addr{}
	}
	for _, a := range p.nodes[node].Addresses {
		if a.Is4() == like.Is4() {
			return a
		}
	}
	return netip.Addr{}
}

// endpoint is one that takes new connections.
type endpoint struct {
	to   netip.AddrPort
	node int
}

// rules are the endpoints of one Service port that take new connections, and
// which clients get which. They are never written after rulesOf returned them.
type rules struct {
	service *ir.Service
	port    int // index in service.Ports
	places  *places
	// all is the cluster set where no hints apply.
	all []endpoint
	// hinted are the cluster sets of the nodes that hints narrow; nil where
	// they do not. It is nil when they narrow none.
	hinted [][]endpoint
	// local are the local sets of the nodes, when a policy asks for them.
	local [][]endpoint
	// receivers are the nodes that a balancer in front sends traffic to.
	receivers []int
}

// rulesOf applies the selection rules to one port of a Service.
func rulesOf(s *ir.Service, port int, p *places) *rules {
	r := &rules{service: s, port: port, places: p}
	r.all = r.choose(everywhere)
	r.hinted = r.hints()
	var ready []bool
	if s.InternalLocal || s.ExternalLocal {
		r.local = make([][]endpoint, len(p.nodes))
		ready = make([]bool, len(p.nodes))
		for i := range p.nodes {
			r.local[i] = r.choose(i)
			ready[i] = r.anyReady(i)
		}
	}
	r.receivers = r.balanced(ready)
	return r
}

// everywhere as a node selects the endpoints of all nodes.
const everywhere = -2

// choose returns the ready endpoints on a node; if there is none, those that
// still serve while they terminate. The two are never mixed.
func (r *rules) choose(node int) []endpoint {
	var ready, fallback []endpoint
	for i := range r.service.Endpoints {
		e := &r.service.Endpoints[i]
		to, at, ok := r.target(e)
		if !ok || node != everywhere && at != node {
			continue
		}
		switch {
		case e.Ready:
			ready = join(ready, endpoint{to, at})
		case e.Serving && e.Terminating:
			fallback = join(fallback, endpoint{to, at})
		}
	}
	if len(ready) > 0 {
		return ready
	}
	return fallback
}

// join adds an endpoint unless it is there: two slices may have it, with other
// ports beside this one (services §3.3). Endpoints come sorted by address.
func join(set []endpoint, e endpoint) []endpoint {
	for i := len(set) - 1; i >= 0 && set[i].to.Addr() == e.to.Addr(); i-- {
		if set[i].to == e.to {
			return set
		}
	}
	return append(set, e)
}

// target is where an endpoint serves the port, and on which node it is.
func (r *rules) target(e *ir.ServiceEndpoint) (to netip.AddrPort, node int, ok bool) {
	if r.port >= len(e.Ports) || e.Ports[r.port] == 0 || !e.Addr.IsValid() {
		return to, outside, false
	}
	node, known := r.places.byName[e.Node]
	if !known {
		node = outside
	}
	return netip.AddrPortFrom(e.Addr, e.Ports[r.port]), node, true
}

func (r *rules) anyReady(node int) bool {
	for i := range r.service.Endpoints {
		e := &r.service.Endpoints[i]
		if _, at, ok := r.target(e); ok && e.Ready && at == node {
			return true
		}
	}
	return false
}

// hints returns the cluster sets that topology hints narrow. They count only
// when every ready endpoint of the port has one: a half-hinted Service would
// leave the others without traffic.
func (r *rules) hints() [][]endpoint {
	byNode, byZone := true, true
	ready := 0
	for i := range r.service.Endpoints {
		e := &r.service.Endpoints[i]
		if _, _, ok := r.target(e); ok && e.Ready {
			ready++
			byNode = byNode && len(e.ForNodes) > 0
			byZone = byZone && len(e.ForZones) > 0
		}
	}
	if ready == 0 || !byNode && !byZone {
		return nil
	}
	sets := make([][]endpoint, len(r.places.nodes))
	for i, n := range r.places.nodes {
		if byNode {
			sets[i] = r.hintedTo(func(e *ir.ServiceEndpoint) bool { return slices.Contains(e.ForNodes, n.Name) })
		}
		if sets[i] == nil && byZone && n.Zone != "" {
			sets[i] = r.hintedTo(func(e *ir.ServiceEndpoint) bool { return slices.Contains(e.ForZones, n.Zone) })
		}
	}
	return sets
}

func (r *rules) hintedTo(names func(*ir.ServiceEndpoint) bool) []endpoint {
	var set []endpoint
	for i := range r.service.Endpoints {
		e := &r.service.Endpoints[i]
		if to, at, ok := r.target(e); ok && e.Ready && names(e) {
			set = join(set, endpoint{to, at})
		}
	}
	return set
}

// balanced returns the nodes that a balancer in front may choose: with the
// policy Local those with endpoints of their own, ready ones if any node has.
func (r *rules) balanced(ready []bool) []int {
	if len(r.places.nodes) == 0 {
		return nowhere
	}
	var nodes, terminating []int
	for i, n := range r.places.nodes {
		switch {
		case n.Unbalanced:
		case !r.service.ExternalLocal, ready[i]:
			nodes = append(nodes, i)
		case len(r.local[i]) > 0:
			terminating = append(terminating, i)
		}
	}
	if len(nodes) == 0 {
		return terminating
	}
	return nodes
}

// cluster is the cluster set as a node sees it.
func (r *rules) cluster(node int) []endpoint {
	if node >= 0 && node < len(r.hinted) && r.hinted[node] != nil {
		return r.hinted[node]
	}
	return r.all
}

// own is the local set of a node.
func (r *rules) own(node int) []endpoint {
	if node >= 0 && node < len(r.local) {
		return r.local[node]
	}
	return nil
}

// only is the list of one node; it takes no memory.
func (p *places) only(node int) []int {
	if node < 0 || node >= len(p.single) {
		return nowhere
	}
	return p.single[node]
}

// arrivals are the nodes where traffic may arrive. at is the node of a
// NodePort frontend. It is empty when the balancer in front has no node to
// choose.
func (r *rules) arrivals(kind Kind, at int, from place) []int {
	switch {
	case kind == NodePort:
		return r.places.only(at)
	case from.node != outside:
		return r.places.only(from.node) // captured where the client is
	case kind == LoadBalancer:
		return r.receivers
	}
	return r.places.only(r.places.first())
}

// reason is why a way is as it is.
type reason uint8

const (
	byPolicy reason = iota // nothing special
	noEndpoint
	noLocalEndpoint
	noReceiver
	sourceRange
	shortCircuit
)

// way is what becomes of a new connection that arrived at a node.
type way struct {
	verdict Verdict
	reason  reason
	set     []endpoint
	local   bool // set is the local set
	// keep says that the endpoint sees the client's own address, and not the
	// receiving node's.
	keep bool
}

// way decides for a client from a place whose traffic arrived at a node.
func (r *rules) way(kind Kind, node int, from place) way {
	w := way{verdict: Forward}
	switch {
	case len(r.all) == 0:
		return way{verdict: Reject, reason: noEndpoint}
	case kind == ClusterIP:
		w.keep, w.local = true, r.service.InternalLocal
	case !r.service.ExternalLocal:
		// Masqueraded, so that the answer comes back through this node.
	case from.node != outside && from.node == node:
		// As if the client had left, met the balancer and come back: it is not
		// limited to local endpoints.
		w.keep, w.reason = from.pod, shortCircuit
	default:
		w.keep, w.local = true, true
	}
	if !w.local {
		w.set = r.cluster(node)
		return w
	}
	w.set = r.own(node)
	if len(w.set) == 0 {
		w.verdict, w.reason = Drop, noLocalEndpoint
	}
	return w
}

// serving are the endpoints that still may carry flows; they need not be
// chosen for new ones.
func (r *rules) serving() map[netip.AddrPort]bool {
	all := map[netip.AddrPort]bool{}
	for i := range r.service.Endpoints {
		e := &r.service.Endpoints[i]
		if to, _, ok := r.target(e); ok && (e.Ready || e.Serving) {
			all[to] = true
		}
	}
	return all
}

// localReady counts the addresses of ready endpoints on a node, over all ports.
func localReady(s *ir.Service, node string) int {
	seen := map[netip.Addr]bool{}
	for i := range s.Endpoints {
		if e := &s.Endpoints[i]; e.Ready && e.Node == node && e.Addr.IsValid() {
			seen[e.Addr] = true
		}
	}
	return len(seen)
}

// allowed applies the source ranges of a load balancer address. A list without
// a prefix of the client's family does not restrict that family.
func allowed(s *ir.Service, p *places, vip, client netip.Addr) bool {
	restricted := false
	for _, r := range s.SourceRanges {
		if r.Addr().Is4() != client.Is4() {
			continue
		}
		if r.Contains(client) || client == vip && p.anyNodeIn(r) {
			return true
		}
		restricted = true
	}
	return !restricted
}

// anyNodeIn says whether a node's own address is in a range: a process there
// that uses the balancer may show the balancer's address as its own.
func (p *places) anyNodeIn(r netip.Prefix) bool {
	for a := range p.byAddr {
		if r.Contains(a) {
			return true
		}
	}
	return false
}
