package daemon

import (
	"errors"
	"net/netip"
	"slices"
	"sync/atomic"

	"daemun/internal/ir"
	"daemun/internal/standalone"
)

var errLeadsBack = errors.New("the address is one of a Service, never an endpoint")

// serviceAddresses finds endpoints that are Services themselves: two of them,
// or one alone, would send a connection round until there is no descriptor
// left, and a single datagram for ever.
type serviceAddresses struct {
	ranges standalone.Networks
	// hosts are this machine's addresses that answer on node ports.
	hosts []netip.Addr
	// chosen are the addresses that manifests choose, in the ranges or not.
	chosen atomic.Pointer[chosenAddresses]
}

// chosenAddresses are never written after they were stored.
type chosenAddresses struct {
	external map[netip.AddrPort]bool
	nodes    map[netip.Addr]bool
}

// update takes over what a network has. It comes before the network is served.
func (s *serviceAddresses) update(n *ir.Network) {
	c := &chosenAddresses{external: map[netip.AddrPort]bool{}, nodes: map[netip.Addr]bool{}}
	for _, svc := range n.Services {
		for _, a := range svc.ExternalIPs {
			for i := range svc.Ports {
				c.external[netip.AddrPortFrom(a, svc.Ports[i].Port)] = true
			}
		}
	}
	for _, node := range n.Nodes {
		for _, a := range node.Addresses {
			c.nodes[a] = true
		}
	}
	s.chosen.Store(c)
}

// refuse is a dial filter.
func (s *serviceAddresses) refuse(to netip.AddrPort) error {
	a, port, c := to.Addr(), to.Port(), s.chosen.Load()
	if c == nil {
		c = &chosenAddresses{}
	}
	nodePort := port >= standalone.FirstNodePort && port <= standalone.LastNodePort
	switch {
	case s.ranges.Services.Contains(a), s.ranges.LoadBalancers.Contains(a), c.external[to],
		nodePort && (s.ranges.Nodes.Contains(a) || c.nodes[a] || slices.Contains(s.hosts, a)):
		return errLeadsBack
	}
	return nil
}
