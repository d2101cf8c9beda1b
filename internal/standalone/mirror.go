package standalone

import (
	"maps"
	"net/netip"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	mirrorController = "endpointslicemirroring-controller.k8s.io"
	// mirrorLimit is how many addresses of one subset are mirrored (services §3.5).
	mirrorLimit = 1000

	leaderAnnotation = "control-plane.alpha.kubernetes.io/leader"
)

// mirrors says whether a legacy Endpoints object is to be shown as slices: its
// Service exists, has no selector, and nothing opts out.
func mirrors(e *corev1.Endpoints, svc *corev1.Service) bool {
	if svc == nil || len(svc.Spec.Selector) > 0 || e.Labels[discoveryv1.LabelSkipMirror] == "true" {
		return false
	}
	_, leader := e.Annotations[leaderAnnotation]
	return !leader
}

// mirrorSlices turns an Endpoints object into slices: at least one for each
// subset and address family, so that subsets with equal addresses and other
// ports all stay reachable.
func mirrorSlices(e *corev1.Endpoints) []*discoveryv1.EndpointSlice {
	var out []*discoveryv1.EndpointSlice
	taken := map[string]bool{}
	for i, subset := range e.Subsets {
		families := map[discoveryv1.AddressType][]discoveryv1.Endpoint{}
		ready := subset.Addresses[:min(len(subset.Addresses), mirrorLimit)]
		mirrorAddresses(families, ready, true)
		mirrorAddresses(families, subset.NotReadyAddresses[:min(len(subset.NotReadyAddresses), mirrorLimit-len(ready))], false)
		for _, family := range []discoveryv1.AddressType{discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6} {
			for rest := families[family]; len(rest) > 0; {
				n := min(len(rest), maxEndpoints)
				s := mirrorSlice(e, family, mirrorPorts(subset.Ports), rest[:n:n])
				s.Name = sliceName(e.Name, "mirror"+strconv.Itoa(i)+string(family), taken)
				out = append(out, s)
				rest = rest[n:]
			}
		}
	}
	return out
}

func mirrorAddresses(families map[discoveryv1.AddressType][]discoveryv1.Endpoint, addresses []corev1.EndpointAddress, ready bool) {
	for i := range addresses {
		a := &addresses[i]
		ip, err := netip.ParseAddr(a.IP)
		if err != nil {
			continue // the manifest's validation reports it
		}
		family := discoveryv1.AddressTypeIPv4
		if ip.Is6() {
			family = discoveryv1.AddressTypeIPv6
		}
		e := discoveryv1.Endpoint{
			Addresses: []string{a.IP}, Conditions: discoveryv1.EndpointConditions{Ready: &ready},
			NodeName: a.NodeName, TargetRef: a.TargetRef,
		}
		if a.Hostname != "" {
			e.Hostname = &a.Hostname
		}
		families[family] = append(families[family], e)
	}
}

func mirrorPorts(ports []corev1.EndpointPort) []discoveryv1.EndpointPort {
	var out []discoveryv1.EndpointPort
	for i := range ports {
		p := &ports[i]
		protocol := p.Protocol
		if protocol == "" {
			protocol = corev1.ProtocolTCP
		}
		out = append(out, discoveryv1.EndpointPort{Name: &p.Name, Port: &p.Port, Protocol: &protocol, AppProtocol: p.AppProtocol})
	}
	return out
}

func mirrorSlice(e *corev1.Endpoints, family discoveryv1.AddressType, ports []discoveryv1.EndpointPort, endpoints []discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	yes := true
	labels := maps.Clone(e.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[discoveryv1.LabelServiceName] = e.Name
	labels[discoveryv1.LabelManagedBy] = mirrorController
	annotations := maps.Clone(e.Annotations)
	delete(annotations, corev1.EndpointsLastChangeTriggerTime)
	delete(annotations, corev1.LastAppliedConfigAnnotation)
	return &discoveryv1.EndpointSlice{
		TypeMeta: metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: e.Namespace, Labels: labels, Annotations: annotations,
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "v1", Kind: "Endpoints", Name: e.Name, UID: e.UID, Controller: &yes, BlockOwnerDeletion: &yes,
			}},
		},
		AddressType: family, Endpoints: endpoints, Ports: ports,
	}
}
