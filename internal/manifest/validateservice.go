package manifest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// The node ports there are.
const (
	firstNodePort = 30000
	lastNodePort  = 32767
)

// finishService checks what the API server checks when a Service is created.
// What can only be told from all Services together (is the address free?) is
// not judged here.
func finishService(c *checker, o *corev1.Service) {
	defaultService(o)
	s := &o.Spec
	known := len(c.faults)
	oneOf(c, "spec.type", s.Type, corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeExternalName)
	c.labels("spec.selector", s.Selector)
	c.servicePorts(s)
	c.servicePolicies(s)
	c.serviceAddresses(s)
	if len(c.faults) > known && c.faults[known].field == "spec.type" {
		return // what belongs to which type is for later
	}
	c.serviceOfType(s)
	c.sourceRangesAnnotation(o)
	c.topologyAnnotations(o)
}

func (c *checker) servicePorts(s *corev1.ServiceSpec) {
	names, numbers, nodePorts := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i := range s.Ports {
		p, f := &s.Ports[i], at("spec", "ports", i)
		c.port(sub(f, "port"), p.Port)
		oneOf(c, sub(f, "protocol"), p.Protocol, corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP)
		if p.Port != 0 || child(find(c.root, f), "targetPort") != nil {
			c.portRef(sub(f, "targetPort"), p.TargetPort)
		}
		if p.NodePort != 0 {
			c.between(sub(f, "nodePort"), "a node port", p.NodePort, firstNodePort, lastNodePort)
			c.unique(nodePorts, sub(f, "nodePort"), fmt.Sprintf("%d/%s", p.NodePort, p.Protocol))
		}
		if p.Name == "" && len(s.Ports) > 1 {
			c.missing(sub(f, "name"), "is missing: every port wants a name when there are several")
		} else if p.Name != "" {
			c.valid(sub(f, "name"), p.Name, validation.IsDNS1123Label)
		}
		if p.AppProtocol != nil {
			c.valid(sub(f, "appProtocol"), *p.AppProtocol, validation.IsQualifiedName)
		}
		c.unique(names, sub(f, "name"), p.Name)
		c.unique(numbers, sub(f, "port"), fmt.Sprintf("%d/%s", p.Port, p.Protocol))
	}
}

func (c *checker) servicePolicies(s *corev1.ServiceSpec) {
	oneOf(c, "spec.sessionAffinity", s.SessionAffinity, corev1.ServiceAffinityNone, corev1.ServiceAffinityClientIP)
	const timeout = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
	switch a := s.SessionAffinityConfig; {
	case a != nil && s.SessionAffinity == corev1.ServiceAffinityNone:
		c.invalid("spec.sessionAffinityConfig", "is only for sessionAffinity: ClientIP: write that, or remove it")
	case a != nil && a.ClientIP != nil && a.ClientIP.TimeoutSeconds != nil:
		c.between(timeout, "a time in seconds", *a.ClientIP.TimeoutSeconds, 1, 86400)
	}
	if s.ExternalTrafficPolicy != "" {
		oneOf(c, "spec.externalTrafficPolicy", s.ExternalTrafficPolicy, corev1.ServiceExternalTrafficPolicyCluster, corev1.ServiceExternalTrafficPolicyLocal)
	}
	if s.InternalTrafficPolicy != nil {
		oneOf(c, "spec.internalTrafficPolicy", *s.InternalTrafficPolicy, corev1.ServiceInternalTrafficPolicyCluster, corev1.ServiceInternalTrafficPolicyLocal)
	}
	if s.TrafficDistribution != nil {
		oneOf(c, "spec.trafficDistribution", *s.TrafficDistribution,
			corev1.ServiceTrafficDistributionPreferSameZone, corev1.ServiceTrafficDistributionPreferSameNode, corev1.ServiceTrafficDistributionPreferClose)
	}
	if s.IPFamilyPolicy != nil {
		oneOf(c, "spec.ipFamilyPolicy", *s.IPFamilyPolicy, corev1.IPFamilyPolicySingleStack, corev1.IPFamilyPolicyPreferDualStack, corev1.IPFamilyPolicyRequireDualStack)
	}
	if s.LoadBalancerClass != nil {
		c.valid("spec.loadBalancerClass", *s.LoadBalancerClass, validation.IsQualifiedName)
	}
	if s.HealthCheckNodePort != 0 {
		c.between("spec.healthCheckNodePort", "a node port", s.HealthCheckNodePort, firstNodePort, lastNodePort)
		if slices.ContainsFunc(s.Ports, func(p corev1.ServicePort) bool { return p.NodePort == s.HealthCheckNodePort }) {
			c.invalid("spec.healthCheckNodePort", "%d is the nodePort of a port too: give each its own", s.HealthCheckNodePort)
		}
	}
}

func (c *checker) serviceAddresses(s *corev1.ServiceSpec) {
	if s.ClusterIP != "" && s.ClusterIP != corev1.ClusterIPNone {
		c.address("spec.clusterIP", s.ClusterIP)
	}
	c.families(s)
	if len(s.ClusterIPs) > 0 {
		c.clusterIPs(s)
	}
	for i, text := range s.ExternalIPs {
		f := at("spec", "externalIPs", i)
		if ip := c.address(f, text); ip.IsValid() && (!isDestination(ip) || ip.Is6() && ip.IsLoopback()) {
			c.invalid(f, "%s is not an address that others can send to: write for example 192.0.2.10, or an address of 127.0.0.0/8 on one machine", text)
		}
	}
	for i, block := range s.LoadBalancerSourceRanges {
		c.prefix(at("spec", "loadBalancerSourceRanges", i), block)
	}
}

// isDestination says whether an address can be that of an endpoint or of a
// Service; loopback is one here, unlike in a cluster.
func isDestination(ip netip.Addr) bool {
	return !ip.IsUnspecified() && !ip.IsMulticast() && !ip.IsLinkLocalUnicast()
}

func (c *checker) families(s *corev1.ServiceSpec) {
	seen := map[string]bool{}
	for i, family := range s.IPFamilies {
		f := at("spec", "ipFamilies", i)
		oneOf(c, f, family, corev1.IPv4Protocol, corev1.IPv6Protocol)
		c.unique(seen, f, string(family))
	}
	single := s.IPFamilyPolicy != nil && *s.IPFamilyPolicy == corev1.IPFamilyPolicySingleStack
	if single && len(s.IPFamilies) > 1 {
		c.invalid("spec.ipFamilies", "has two families: with ipFamilyPolicy SingleStack write one, or write PreferDualStack")
	}
	if single && len(s.ClusterIPs) > 1 {
		c.invalid("spec.clusterIPs", "has two addresses: with ipFamilyPolicy SingleStack write one, or write PreferDualStack")
	}
}

func (c *checker) clusterIPs(s *corev1.ServiceSpec) {
	const field = "spec.clusterIPs"
	switch {
	case s.ClusterIP == "":
		c.invalid(field, "is set without clusterIP: write clusterIP: %s too, or remove both", s.ClusterIPs[0])
		return
	case s.ClusterIPs[0] != s.ClusterIP:
		c.invalid(field+"[0]", "%s is not clusterIP (%s): write the same, or leave clusterIPs out", s.ClusterIPs[0], s.ClusterIP)
	case len(s.ClusterIPs) > 2:
		c.invalid(field, "has %d addresses: write at most two, one of each family", len(s.ClusterIPs))
	case slices.Contains(s.ClusterIPs, corev1.ClusterIPNone):
		if len(s.ClusterIPs) > 1 {
			c.invalid(field, "None stands alone: remove the other address")
		}
		return
	}
	families := map[string]bool{}
	for i, text := range s.ClusterIPs {
		f := at("spec", "clusterIPs", i)
		ip := c.address(f, text)
		if !ip.IsValid() {
			continue
		}
		family := corev1.IPv4Protocol
		if ip.Is6() {
			family = corev1.IPv6Protocol
		}
		if families[string(family)] {
			c.invalid(f, "is a second address of %s: write one of each family", family)
		}
		families[string(family)] = true
		if i < len(s.IPFamilies) && s.IPFamilies[i] != family {
			c.invalid(f, "%s is not of %s, as ipFamilies[%d] says: make them agree", text, s.IPFamilies[i], i)
		}
	}
}

// serviceOfType checks what may stand beside the type of a Service (services
// §1.1, §1.2).
func (c *checker) serviceOfType(s *corev1.ServiceSpec) {
	const (
		clusterIP    = corev1.ServiceTypeClusterIP
		nodePort     = corev1.ServiceTypeNodePort
		balancer     = corev1.ServiceTypeLoadBalancer
		externalName = corev1.ServiceTypeExternalName
	)
	only := func(set bool, field string, types ...corev1.ServiceType) {
		if !set || slices.Contains(types, s.Type) {
			return
		}
		names := make([]string, len(types))
		for i, t := range types {
			names[i] = string(t)
		}
		c.invalid(field, "is not for type %s, only for %s: remove it, or change the type", s.Type, strings.Join(names, ", "))
	}
	headless := s.ClusterIP == corev1.ClusterIPNone
	only(headless, "spec.clusterIP", clusterIP)
	only(s.ClusterIP != "" && !headless, "spec.clusterIP", clusterIP, nodePort, balancer)
	only(len(s.ClusterIPs) > 0 && !headless, "spec.clusterIPs", clusterIP, nodePort, balancer)
	only(len(s.IPFamilies) > 0, "spec.ipFamilies", clusterIP, nodePort, balancer)
	only(s.IPFamilyPolicy != nil, "spec.ipFamilyPolicy", clusterIP, nodePort, balancer)
	only(len(s.ExternalIPs) > 0, "spec.externalIPs", clusterIP, nodePort, balancer)
	for i := range s.Ports {
		only(s.Ports[i].NodePort != 0, sub(at("spec", "ports", i), "nodePort"), nodePort, balancer)
	}
	only(s.LoadBalancerClass != nil, "spec.loadBalancerClass", balancer)
	only(s.AllocateLoadBalancerNodePorts != nil, "spec.allocateLoadBalancerNodePorts", balancer)
	only(len(s.LoadBalancerSourceRanges) > 0, "spec.loadBalancerSourceRanges", balancer)
	local := s.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
	if s.HealthCheckNodePort != 0 && (s.Type != balancer || !local) {
		c.invalid("spec.healthCheckNodePort", "is only for type LoadBalancer with externalTrafficPolicy: Local: write both, or remove it")
	}
	if s.ExternalTrafficPolicy != "" && !isExternal(s) {
		c.invalid("spec.externalTrafficPolicy", "is only for Services that can be reached from outside (NodePort, LoadBalancer, or with externalIPs): remove it")
	}
	switch {
	case s.Type == externalName && s.ExternalName == "":
		c.missing("spec.externalName", "is missing: a Service of type ExternalName wants a DNS name")
	case s.Type == externalName:
		c.valid("spec.externalName", trimDot(s.ExternalName), validation.IsDNS1123Subdomain)
	case len(s.Ports) == 0 && !headless:
		c.missing("spec.ports", "is missing: write at least one port")
	}
}

// isExternal says whether a Service can be reached from outside of the cluster.
func isExternal(s *corev1.ServiceSpec) bool {
	return s.Type == corev1.ServiceTypeNodePort || s.Type == corev1.ServiceTypeLoadBalancer ||
		s.Type == corev1.ServiceTypeClusterIP && len(s.ExternalIPs) > 0
}

// sourceRangesAnnotation checks the form that the field had before it was one.
func (c *checker) sourceRangesAnnotation(o *corev1.Service) {
	text, set := o.Annotations[corev1.AnnotationLoadBalancerSourceRangesKey]
	if !set || len(o.Spec.LoadBalancerSourceRanges) > 0 {
		return // the field wins
	}
	field := "metadata.annotations[" + corev1.AnnotationLoadBalancerSourceRangesKey + "]"
	if o.Spec.Type != corev1.ServiceTypeLoadBalancer {
		c.invalid(field, "is only for type LoadBalancer: remove it, or change the type")
		return
	}
	if text = strings.TrimSpace(text); text == "" {
		return
	}
	for block := range strings.SplitSeq(text, ",") {
		c.prefix(field, block)
	}
}

func (c *checker) topologyAnnotations(o *corev1.Service) {
	mode, old := o.Annotations[corev1.AnnotationTopologyMode], o.Annotations[corev1.DeprecatedAnnotationTopologyAwareHints]
	if mode != "" && old != "" && !strings.EqualFold(mode, old) {
		c.invalid("metadata.annotations["+corev1.AnnotationTopologyMode+"]", "%q disagrees with annotation %s (%q): keep one", mode, corev1.DeprecatedAnnotationTopologyAwareHints, old)
	}
}

func trimDot(name string) string {
	if n := len(name); n > 1 && name[n-1] == '.' {
		return name[:n-1]
	}
	return name
}
