package translate

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// hinted says whether hints choose the endpoints of a port for a zone: every
// ready endpoint has a hint, and one at least is for this zone. The rule is
// that of kube-proxy (services §4.3): hints that are incomplete are about to
// change, and a zone that nobody is meant for must not be cut off.
func hinted(list []*discoveryv1.EndpointSlice, port *corev1.ServicePort, zone string) bool {
	found := false
	for _, slice := range list {
		if len(slicePorts(slice, port)) == 0 {
			continue // of another port
		}
		for i := range slice.Endpoints {
			e := &slice.Endpoints[i]
			if !isReady(e) {
				continue
			}
			if e.Hints == nil || len(e.Hints.ForZones) == 0 {
				return false
			}
			found = found || isFor(e, zone)
		}
	}
	return found
}

// isFor says whether an endpoint is hinted to a zone.
func isFor(e *discoveryv1.Endpoint, zone string) bool {
	return e.Hints != nil && slices.ContainsFunc(e.Hints.ForZones, func(z discoveryv1.ForZone) bool { return z.Name == zone })
}

// isReady says whether an endpoint gets new requests; unset means yes.
func isReady(e *discoveryv1.Endpoint) bool { return e.Conditions.Ready == nil || *e.Conditions.Ready }
