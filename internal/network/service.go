package network

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"daemun/internal/ir"
)

// codeSourceRanges: a range of load-balancer-source-ranges cannot be read.
const codeSourceRanges = "DMN0221"

// labelProxyName gives a Service to another proxy (services §1.2).
const labelProxyName = "service.kubernetes.io/service-proxy-name"

// defaultAffinity is how long ClientIP affinity lasts without a setting.
const defaultAffinity = 10800 * time.Second

// translate fills in s.ir and s.problems.
func (s *service) translate() {
	spec := &s.object.Spec
	s.ir = &ir.Service{Namespace: s.object.Namespace, Name: s.object.Name}
	if spec.Type == corev1.ServiceTypeExternalName {
		s.ir.ExternalName = strings.ToLower(strings.TrimSuffix(spec.ExternalName, "."))
		return
	}
	_, s.ir.Unproxied = s.object.Labels[labelProxyName]
	if _, headless := s.object.Labels[corev1.IsHeadlessService]; headless {
		s.ir.Unproxied = true
	}
	s.ir.Headless = spec.ClusterIP == corev1.ClusterIPNone
	s.addresses()
	s.policies()
	for i := range spec.Ports {
		if p, ok := servicePort(&spec.Ports[i]); ok {
			if s.ir.Headless || spec.Type == corev1.ServiceTypeClusterIP || spec.Type == "" {
				p.NodePort = 0
			}
			s.ir.Ports = append(s.ir.Ports, p)
		}
	}
	s.endpoints()
}

// servicePort leaves out what is not served (SCTP) and what cannot be.
func servicePort(p *corev1.ServicePort) (ir.ServicePort, bool) {
	transport := ir.Transport(cmp.Or(p.Protocol, corev1.ProtocolTCP))
	if transport != ir.TCP && transport != ir.UDP || p.Port < 1 || p.Port > 65535 {
		return ir.ServicePort{}, false
	}
	out := ir.ServicePort{Name: p.Name, Transport: transport, Port: uint16(p.Port)}
	if p.NodePort > 0 && p.NodePort <= 65535 {
		out.NodePort = uint16(p.NodePort)
	}
	return out, true
}

func (s *service) addresses() {
	spec := &s.object.Spec
	if s.ir.Headless {
		return
	}
	clusterIPs := spec.ClusterIPs
	if len(clusterIPs) == 0 {
		clusterIPs = []string{spec.ClusterIP}
	}
	s.ir.ClusterIPs = parseAddrs(clusterIPs)
	s.ir.ExternalIPs = parseAddrs(spec.ExternalIPs)
	if spec.Type != corev1.ServiceTypeLoadBalancer {
		return
	}
	for _, in := range s.object.Status.LoadBalancer.Ingress {
		if in.IPMode == nil || *in.IPMode == corev1.LoadBalancerIPModeVIP {
			s.ir.LoadBalancerIPs = append(s.ir.LoadBalancerIPs, parseAddrs([]string{in.IP})...)
		}
	}
	s.sourceRanges()
}

func parseAddrs(texts []string) (out []netip.Addr) {
	for _, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil && !slices.Contains(out, a.Unmap()) {
			out = append(out, a.Unmap())
		}
	}
	return out
}

// nobody is a range that no client is in.
var nobody = netip.PrefixFrom(netip.IPv4Unspecified(), 32)

// sourceRanges reads the field, or the annotation where the field is empty. It
// guards access: where nothing of it can be read nobody gets in.
func (s *service) sourceRanges() {
	texts, field := s.object.Spec.LoadBalancerSourceRanges, "spec.loadBalancerSourceRanges"
	if len(texts) == 0 {
		if a := s.object.Annotations[corev1.AnnotationLoadBalancerSourceRangesKey]; strings.TrimSpace(a) != "" {
			texts, field = strings.Split(a, ","), "metadata.annotations["+corev1.AnnotationLoadBalancerSourceRangesKey+"]"
		}
	}
	for _, text := range texts {
		p, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			s.problems = append(s.problems, ir.Problem{
				Code: codeSourceRanges, Severity: ir.SeverityError, Object: s.ir.Ref(), Field: field,
				Message: fmt.Sprintf("%q is no network such as 10.0.0.0/8; clients of it are not let in", strings.TrimSpace(text)),
			})
			p = nobody
		}
		s.ir.SourceRanges = append(s.ir.SourceRanges, p.Masked())
	}
}

func (s *service) policies() {
	spec := &s.object.Spec
	external := spec.Type == corev1.ServiceTypeNodePort || spec.Type == corev1.ServiceTypeLoadBalancer || len(spec.ExternalIPs) > 0
	s.ir.ExternalLocal = external && spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
	s.ir.InternalLocal = spec.InternalTrafficPolicy != nil && *spec.InternalTrafficPolicy == corev1.ServiceInternalTrafficPolicyLocal
	if spec.Type == corev1.ServiceTypeLoadBalancer && s.ir.ExternalLocal && spec.HealthCheckNodePort > 0 {
		s.ir.HealthCheckPort = uint16(spec.HealthCheckNodePort)
	}
	if spec.SessionAffinity == corev1.ServiceAffinityClientIP {
		s.ir.Affinity = ir.Duration(defaultAffinity)
		if c := spec.SessionAffinityConfig; c != nil && c.ClientIP != nil && c.ClientIP.TimeoutSeconds != nil {
			s.ir.Affinity = ir.Duration(time.Duration(*c.ClientIP.TimeoutSeconds) * time.Second)
		}
	}
}

// endpoints merges all slices of the Service, whoever manages them (services
// §3.3).
func (s *service) endpoints() {
	for _, slice := range s.slices {
		if slice.AddressType == discoveryv1.AddressTypeFQDN {
			continue // carries no proxy semantics
		}
		if _, headless := slice.Labels[corev1.IsHeadlessService]; headless && !s.ir.Headless {
			continue // not for proxies (services §1.2); names of a headless Service need it
		}
		ports := s.slicePorts(slice)
		for i := range slice.Endpoints {
			if e, ok := endpointOf(slice, &slice.Endpoints[i]); ok {
				e.Ports = ports
				s.ir.Endpoints = append(s.ir.Endpoints, e)
			}
		}
	}
	slices.SortFunc(s.ir.Endpoints, func(a, b ir.ServiceEndpoint) int {
		// Of equal ones the better first: it survives the next step.
		return cmp.Or(a.Addr.Compare(b.Addr), slices.Compare(a.Ports, b.Ports),
			compareBool(a.Terminating, b.Terminating), compareBool(b.Ready, a.Ready), cmp.Compare(b.Pod, a.Pod))
	})
	s.ir.Endpoints = slices.CompactFunc(s.ir.Endpoints, func(a, b ir.ServiceEndpoint) bool {
		return a.Addr == b.Addr && slices.Equal(a.Ports, b.Ports)
	})
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// slicePorts are the numbers that a slice has for the ports of the Service: by
// name and protocol. A port without a number is skipped.
func (s *service) slicePorts(slice *discoveryv1.EndpointSlice) []uint16 {
	out := make([]uint16, len(s.ir.Ports))
	for i, want := range s.ir.Ports {
		for _, p := range slice.Ports {
			name, protocol := "", corev1.ProtocolTCP
			if p.Name != nil {
				name = *p.Name
			}
			if p.Protocol != nil {
				protocol = *p.Protocol
			}
			if name == want.Name && ir.Transport(protocol) == want.Transport && p.Port != nil && *p.Port > 0 && *p.Port <= 65535 {
				out[i] = uint16(*p.Port)
				break
			}
		}
	}
	return out
}

func endpointOf(slice *discoveryv1.EndpointSlice, e *discoveryv1.Endpoint) (ir.ServiceEndpoint, bool) {
	if len(e.Addresses) == 0 {
		return ir.ServiceEndpoint{}, false
	}
	addr, err := netip.ParseAddr(e.Addresses[0]) // consumers use only the first (services §3.2)
	if err != nil {
		return ir.ServiceEndpoint{}, false
	}
	c := &e.Conditions
	out := ir.ServiceEndpoint{
		Addr: addr.Unmap(),
		// What a nil condition means: services §3.4.
		Ready: c.Ready == nil || *c.Ready, Serving: c.Serving == nil || *c.Serving,
		Terminating: c.Terminating != nil && *c.Terminating,
	}
	if e.Hostname != nil {
		out.Hostname = *e.Hostname
	}
	if e.NodeName != nil {
		out.Node = *e.NodeName
	}
	if e.TargetRef != nil && e.TargetRef.Kind == "Pod" {
		out.Pod = cmp.Or(e.TargetRef.Namespace, slice.Namespace) + "/" + e.TargetRef.Name
	}
	if e.Hints != nil {
		for _, z := range e.Hints.ForZones {
			out.ForZones = append(out.ForZones, z.Name)
		}
		for _, n := range e.Hints.ForNodes {
			out.ForNodes = append(out.ForNodes, n.Name)
		}
	}
	return out, true
}
