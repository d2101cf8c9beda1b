package standalone

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// completeService fills in what the API server fills in and takes out what
// does not belong to the Service's type or is not the manifest's to say: what
// a type before this one left behind goes with it (services §1.4).
func completeService(s *corev1.Service) {
	spec := &s.Spec
	s.Status = corev1.ServiceStatus{}
	if spec.Type == "" {
		spec.Type = corev1.ServiceTypeClusterIP
	}
	if spec.SessionAffinity == "" {
		spec.SessionAffinity = corev1.ServiceAffinityNone
	}
	completePorts(spec.Ports)
	completeAddresses(spec)
	completeExternal(s)
}

func completePorts(ports []corev1.ServicePort) {
	for i := range ports {
		p := &ports[i]
		p.NodePort = 0 // see grant
		if p.Protocol == "" {
			p.Protocol = corev1.ProtocolTCP
		}
		if p.TargetPort == (intstr.IntOrString{}) {
			p.TargetPort = intstr.FromInt32(p.Port)
		}
	}
}

// completeAddresses leaves the cluster IP to grant.
func completeAddresses(spec *corev1.ServiceSpec) {
	headless := spec.ClusterIP == corev1.ClusterIPNone
	spec.ClusterIP, spec.ClusterIPs, spec.IPFamilies = "", nil, nil
	if spec.Type == corev1.ServiceTypeExternalName {
		spec.IPFamilyPolicy = nil
		return
	}
	spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol}
	policy := corev1.IPFamilyPolicySingleStack
	if headless {
		spec.ClusterIP, spec.ClusterIPs = corev1.ClusterIPNone, []string{corev1.ClusterIPNone}
		if len(spec.Selector) == 0 {
			// Its endpoints are the user's, of any family.
			spec.IPFamilies, policy = append(spec.IPFamilies, corev1.IPv6Protocol), corev1.IPFamilyPolicyRequireDualStack
		}
	}
	if spec.IPFamilyPolicy == nil {
		spec.IPFamilyPolicy = &policy
	}
}

func completeExternal(s *corev1.Service) {
	spec := &s.Spec
	spec.HealthCheckNodePort = 0 // see grant
	switch {
	case !isExternal(s):
		spec.ExternalTrafficPolicy = ""
	case spec.ExternalTrafficPolicy == "":
		spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyCluster
	}
	if !isBalanced(s) {
		spec.LoadBalancerClass, spec.AllocateLoadBalancerNodePorts = nil, nil
		return
	}
	if spec.AllocateLoadBalancerNodePorts == nil {
		yes := true
		spec.AllocateLoadBalancerNodePorts = &yes
	}
}

// isExternal says whether a Service can be reached from outside of the cluster.
func isExternal(s *corev1.Service) bool {
	return needsNodePorts(s) || s.Spec.Type != corev1.ServiceTypeExternalName && len(s.Spec.ExternalIPs) > 0
}
