package standalone

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// topology is what EndpointSlices say about nodes. It is never written once it
// is made.
type topology struct {
	// zones has every node; the zone of some is empty.
	zones map[string]string
	// shares are the zones' parts of all processors, which add up to 1. It is
	// nil when a node has no zone, or when there is one zone only.
	shares map[string]float64
}

const labelControlPlane = "node-role.kubernetes.io/control-plane"

func topologyOf(list []*corev1.Node) topology {
	t := topology{zones: map[string]string{}}
	weights, sum, unknown := map[string]float64{}, 0.0, false
	for _, n := range list {
		zone := n.Labels[corev1.LabelTopologyZone]
		t.zones[n.Name] = zone
		if _, control := n.Labels[labelControlPlane]; control {
			continue
		}
		// A node that says nothing is this machine like all others.
		cpu := cmp.Or(n.Status.Allocatable.Cpu().AsApproximateFloat64(), n.Status.Capacity.Cpu().AsApproximateFloat64())
		if cpu <= 0 {
			cpu = 1
		}
		weights[zone] += cpu
		sum += cpu
		unknown = unknown || zone == ""
	}
	if unknown || len(weights) < 2 {
		return t
	}
	t.shares = map[string]float64{}
	for zone, w := range weights {
		t.shares[zone] = w / sum
	}
	return t
}

func (t topology) equal(o topology) bool {
	return maps.Equal(t.zones, o.zones) && maps.Equal(t.shares, o.shares)
}

// hint gives the endpoints of a Service their hints (services §4.3). Only
// ready ones have any.
func (t topology) hint(svc *corev1.Service, endpoints []*discoveryv1.Endpoint) {
	ready := slices.DeleteFunc(slices.Clone(endpoints), func(e *discoveryv1.Endpoint) bool { return !*e.Conditions.Ready })
	if spreads(svc) {
		t.spread(ready)
		return
	}
	if svc.Spec.TrafficDistribution == nil {
		return
	}
	for _, e := range ready {
		switch *svc.Spec.TrafficDistribution {
		case corev1.ServiceTrafficDistributionPreferClose, corev1.ServiceTrafficDistributionPreferSameZone:
			e.Hints = hintsFor("", zoneOf(e))
		case corev1.ServiceTrafficDistributionPreferSameNode:
			e.Hints = hintsFor(nodeOf(e), zoneOf(e))
		}
	}
}

// spreads says whether the annotation asks for hints in proportion to
// processors. The older one wins where there are both.
func spreads(svc *corev1.Service) bool {
	mode := cmp.Or(svc.Annotations[corev1.DeprecatedAnnotationTopologyAwareHints], svc.Annotations[corev1.AnnotationTopologyMode])
	return mode == "Auto" || mode == "auto"
}

// overload is how much more than its share an endpoint may get; with more
// there are no hints at all.
const overload = 0.2

// spread gives each zone endpoints in proportion to its processors, its own as
// far as they go. Without a share for every zone there are no hints.
func (t topology) spread(ready []*discoveryv1.Endpoint) {
	quotas := t.quotas(len(ready))
	if quotas == nil {
		return
	}
	slices.SortStableFunc(ready, func(a, b *discoveryv1.Endpoint) int { return cmp.Compare(a.Addresses[0], b.Addresses[0]) })
	var over []*discoveryv1.Endpoint
	for _, e := range ready {
		zone := zoneOf(e)
		if quotas[zone] == 0 {
			over = append(over, e)
			continue
		}
		quotas[zone]--
		e.Hints = hintsFor("", zone)
	}
	for _, zone := range slices.Sorted(maps.Keys(quotas)) {
		for range quotas[zone] {
			over[0].Hints = hintsFor("", zone)
			over = over[1:]
		}
	}
}

// quotas divides n endpoints among the zones by largest remainder, at least
// one for each. It is nil when an endpoint would be overloaded.
func (t topology) quotas(n int) map[string]int {
	if len(t.shares) == 0 || n < len(t.shares) {
		return nil
	}
	zones := slices.Sorted(maps.Keys(t.shares))
	out, left := map[string]int{}, n
	for _, z := range zones {
		out[z] = max(1, int(t.shares[z]*float64(n)))
		left -= out[z]
	}
	slices.SortStableFunc(zones, func(a, b string) int {
		rest := func(z string) float64 { return t.shares[z]*float64(n) - float64(out[z]) }
		return cmp.Compare(rest(b), rest(a))
	})
	for i := 0; left > 0; i++ {
		out[zones[i%len(zones)]]++
		left--
	}
	for i := len(zones) - 1; left < 0 && i >= 0; i-- { // ones that were rounded up
		if out[zones[i]] > 1 {
			out[zones[i]]--
			left++
		}
	}
	for _, z := range zones {
		if t.shares[z]*float64(n)/float64(out[z])-1 > overload {
			return nil
		}
	}
	return out
}

func hintsFor(node, zone string) *discoveryv1.EndpointHints {
	var h discoveryv1.EndpointHints
	if zone != "" {
		h.ForZones = []discoveryv1.ForZone{{Name: zone}}
	}
	if node != "" {
		h.ForNodes = []discoveryv1.ForNode{{Name: node}}
	}
	if h.ForZones == nil && h.ForNodes == nil {
		return nil
	}
	return &h
}

func zoneOf(e *discoveryv1.Endpoint) string {
	if e.Zone == nil {
		return ""
	}
	return *e.Zone
}

func nodeOf(e *discoveryv1.Endpoint) string {
	if e.NodeName == nil {
		return ""
	}
	return *e.NodeName
}
