package translate

import (
	"cmp"
	"net/netip"
	"slices"

	"daemun/internal/ir"
	"daemun/internal/store"

	corev1 "k8s.io/api/core/v1"
)

// UnreadyEndpoint is an address of a backend that gets no new requests.
type UnreadyEndpoint struct {
	Addr netip.AddrPort
	// Pod is "namespace/name", empty when the slice names none.
	Pod         string
	Terminating bool
}

// Unready returns what Endpoints leaves out: the addresses that EndpointSlices
// list as not ready, sorted. It is for people who ask why.
func Unready(v *store.View, b *ir.Backend) []UnreadyEndpoint {
	name := store.Name{Namespace: b.Namespace, Name: b.Service}
	port, ok := servicePort(v.Services[name], b.Port)
	if !ok || v.Services[name].Spec.Type == corev1.ServiceTypeExternalName {
		return nil
	}
	var list []UnreadyEndpoint
	for _, slice := range v.SlicesOf(name) {
		numbers := slicePorts(slice, &port)
		for i := range slice.Endpoints {
			e := &slice.Endpoints[i]
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				continue
			}
			u := UnreadyEndpoint{Terminating: e.Conditions.Terminating != nil && *e.Conditions.Terminating}
			if e.TargetRef != nil && e.TargetRef.Kind == "Pod" {
				u.Pod = cmp.Or(e.TargetRef.Namespace, slice.Namespace) + "/" + e.TargetRef.Name
			}
			for _, address := range e.Addresses {
				addr, err := netip.ParseAddr(address)
				if err != nil {
					continue
				}
				for _, number := range numbers {
					u.Addr = netip.AddrPortFrom(addr.Unmap(), number)
					list = append(list, u)
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b UnreadyEndpoint) int { return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Pod, b.Pod)) })
	return slices.Compact(list)
}
