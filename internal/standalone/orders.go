package standalone

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/store"
)

// The node ports, 30000 to 32767 (services §2.2).
const (
	FirstNodePort = 30000
	LastNodePort  = 32767
	nodePorts     = LastNodePort - FirstNodePort + 1
)

// ownClass is the loadBalancerClass that names Daemun.
const ownClass = "daemun.dev/load-balancer"

// What MetalLB calls its requests, now and formerly: manifests have them.
const (
	annotationBalancerIPs    = "metallb.io/loadBalancerIPs"
	annotationBalancerIPsOld = "metallb.universe.tf/loadBalancerIPs"
	annotationSharedIP       = "metallb.io/allow-shared-ip"
	annotationSharedIPOld    = "metallb.universe.tf/allow-shared-ip"
)

// orders turns Services into demands on the pools of one update.
type orders struct {
	*services
	ips, ports, balancers *pool
}

// of lists what a Service wants.
func (o *orders) of(name store.Name, s *corev1.Service) []*demand {
	var out []*demand
	if needsClusterIP(s) {
		out = append(out, o.clusterIP(name, s))
	}
	if needsNodePorts(s) {
		out = append(out, o.nodePorts(s)...)
	}
	if needsHealthCheckPort(s) {
		d := o.demand(o.ports, wantHealthCheckPort, s, "healthCheckNodePort")
		o.askPort(d, s.Spec.HealthCheckNodePort)
		out = append(out, d)
	}
	if isBalanced(s) && isOwnClass(s) {
		out = append(out, o.balancer(s))
	}
	for _, d := range out {
		d.owner, d.edited = name, o.derived[name].from != s
		d.held, d.remembered = o.held[name].number(d.slot), o.memory.of(name).number(d.slot)
	}
	return out
}

func (g grants) number(slot string) int {
	if n, ok := g[slot]; ok {
		return n
	}
	return none
}

func needsHealthCheckPort(s *corev1.Service) bool {
	return isBalanced(s) && s.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
}

func isOwnClass(s *corev1.Service) bool {
	return s.Spec.LoadBalancerClass == nil || *s.Spec.LoadBalancerClass == ownClass
}

// demand returns one that asks for no particular number.
func (o *orders) demand(p *pool, what want, s *corev1.Service, slot string) *demand {
	return &demand{
		what: what, pool: p, svc: s, slot: slot, key: s.Namespace + "/" + s.Name,
		asked: none, held: none, remembered: none, got: none,
	}
}

func (o *orders) clusterIP(name store.Name, s *corev1.Service) *demand {
	d := o.demand(o.ips, wantClusterIP, s, "clusterIP")
	address, err := netip.ParseAddr(s.Spec.ClusterIP)
	switch {
	case s.Spec.ClusterIP == "":
	case err != nil:
		d.refusal = fmt.Sprintf("%q is no IP address; leave the field out or write an address of %s", s.Spec.ClusterIP, o.network.prefix)
	case !o.network.prefix.Contains(address): // that of another cluster: see moved
	default:
		if d.asked = o.network.index(address); d.asked == none {
			d.refusal = fmt.Sprintf("%s is not a usable address of the service network %s; leave the field out or choose one of that network", address, o.network.prefix)
		}
	}
	if n := builtinIndex(name); d.asked == none && n < int(o.network.size) {
		d.asked = n
	}
	return d
}

// nodePorts: ports of one number and several protocols share a node port
// unless the manifest says otherwise.
func (o *orders) nodePorts(s *corev1.Service) []*demand {
	var out []*demand
	manual := isBalanced(s) && s.Spec.AllocateLoadBalancerNodePorts != nil && !*s.Spec.AllocateLoadBalancerNodePorts
	for i := range s.Spec.Ports {
		p := &s.Spec.Ports[i]
		id := p.Name
		if id == "" && len(s.Spec.Ports) > 1 { // only without validation
			id = fmt.Sprintf("%d/%s", p.Port, protocolOf(p))
		}
		d := o.demand(o.ports, wantNodePort, s, "nodePort "+id)
		d.index, d.content, d.key = i, manual, d.key+" "+id
		o.askPort(d, p.NodePort)
		out = append(out, d)
	}
	for i, d := range out {
		if d.asked == none {
			d.leader = leaderOf(out, i)
		}
	}
	return out
}

// leaderOf is the demand for the same port number in another protocol that
// asks for a node port, or that comes first.
func leaderOf(all []*demand, i int) *demand {
	var first *demand
	for j, d := range all {
		switch {
		case j == i || d.port().Port != all[i].port().Port:
		case d.asked != none:
			return d
		case j < i && first == nil:
			first = d
		}
	}
	return first
}

// port is the Service port of a demand for a node port.
func (d *demand) port() *corev1.ServicePort { return &d.svc.Spec.Ports[d.index] }

func protocolOf(p *corev1.ServicePort) corev1.Protocol { return cmp.Or(p.Protocol, corev1.ProtocolTCP) }

func (o *orders) askPort(d *demand, port int32) {
	switch {
	case port == 0:
	case port < FirstNodePort || port > LastNodePort:
		d.refusal = fmt.Sprintf("%d is no node port; leave the field out or choose a number from %d to %d", port, FirstNodePort, LastNodePort)
	default:
		d.asked = int(port - FirstNodePort)
	}
}

func (o *orders) balancer(s *corev1.Service) *demand {
	d := o.demand(o.balancers, wantBalancerIP, s, "loadBalancerIP")
	if key := sharingKey(s); key != "" {
		// Services that may share begin to search at one place.
		d.key = "shared " + key
	}
	_, text := balancerRequest(s)
	if text == "" {
		return d
	}
	address, err := netip.ParseAddr(text)
	network := o.services.balancers
	switch {
	case strings.Contains(text, ","):
		d.refusal = fmt.Sprintf("%s are several addresses; a Service gets one, of the load-balancer network %s", text, network.prefix)
	case err != nil:
		d.refusal = fmt.Sprintf("%q is no IP address; leave it out or write an address of %s", text, network.prefix)
	default:
		if d.asked = network.index(address); d.asked == none {
			d.refusal = fmt.Sprintf("%s is not a usable address of the load-balancer network %s; leave it out or choose one of that network (or another network with --load-balancer-network)", address, network.prefix)
		}
	}
	return d
}

// balancerRequest is the address that a Service wants of the load balancer,
// and the field that says so.
func balancerRequest(s *corev1.Service) (field, text string) {
	for _, name := range []string{annotationBalancerIPs, annotationBalancerIPsOld} {
		if text := strings.TrimSpace(s.Annotations[name]); text != "" {
			return "metadata.annotations[" + name + "]", text
		}
	}
	return "spec.loadBalancerIP", s.Spec.LoadBalancerIP
}

func sharingKey(s *corev1.Service) string {
	return cmp.Or(s.Annotations[annotationSharedIP], s.Annotations[annotationSharedIPOld])
}

// oneNumberTwoProtocols: a Service may use a node port once in each protocol;
// two Services may not share one at all.
func oneNumberTwoProtocols(a, b *demand) bool {
	return a.owner == b.owner && a.what == wantNodePort && b.what == wantNodePort && protocolOf(a.port()) != protocolOf(b.port())
}

func oneAddressTwoServices(a, b *demand) bool { return unshared(a.svc, b.svc) == "" }

// unshared says why two Services cannot have one load-balancer address
// (services §12.3), and nothing if they can.
func unshared(a, b *corev1.Service) string {
	if key := sharingKey(a); key == "" || key != sharingKey(b) {
		return "to share it, give both the same annotation " + annotationSharedIP
	}
	for i := range a.Spec.Ports {
		for j := range b.Spec.Ports {
			p, q := &a.Spec.Ports[i], &b.Spec.Ports[j]
			if p.Port == q.Port && protocolOf(p) == protocolOf(q) {
				return fmt.Sprintf("it cannot be shared, because both have port %d/%s", p.Port, protocolOf(p))
			}
		}
	}
	local := func(s *corev1.Service) bool {
		return s.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
	}
	if (local(a) || local(b)) && !maps.Equal(a.Spec.Selector, b.Spec.Selector) {
		return "it cannot be shared with externalTrafficPolicy Local, because the selectors differ"
	}
	return ""
}
