package daemon

import (
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/store"
)

// maxAliases is how many Services in a row may be aliases of one another.
const maxAliases = 8

// namedService has the addresses of a Service by its name in the zone, for
// Services that are aliases of it; none of other names. The DNS server of the
// Service network would say the same, but this machine does not ask it.
func (g *gateway) namedService(host string) []netip.Addr {
	if g.zone == "" {
		return nil
	}
	view := g.store.View()
	for range maxAliases {
		name, ok := serviceOfName(host, g.zone)
		s := view.Services[name]
		if !ok || s == nil {
			return nil
		}
		if s.Spec.Type != corev1.ServiceTypeExternalName {
			return addressesOfService(view, name, s)
		}
		host = s.Spec.ExternalName
	}
	return nil
}

// serviceOfName reads service.namespace.svc.zone, and what a Pod of the
// namespace default may leave out of it.
func serviceOfName(host, zone string) (store.Name, bool) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	inside, whole := strings.CutSuffix(host, "."+zone)
	inside, kind := strings.CutSuffix(inside, ".svc")
	service, namespace, two := strings.Cut(inside, ".")
	switch {
	case strings.Contains(namespace, "."), whole && !kind, kind && !two:
		return store.Name{}, false
	case !two:
		namespace = metav1.NamespaceDefault
	}
	return store.Name{Namespace: namespace, Name: service}, true
}

// addressesOfService is the virtual address, or those of the ready endpoints of
// a headless Service.
func addressesOfService(view *store.View, name store.Name, s *corev1.Service) (list []netip.Addr) {
	if s.Spec.ClusterIP != corev1.ClusterIPNone {
		if a, err := netip.ParseAddr(s.Spec.ClusterIP); err == nil {
			return []netip.Addr{a.Unmap()}
		}
		return nil
	}
	for _, slice := range view.SlicesOf(name) {
		for i := range slice.Endpoints {
			e := &slice.Endpoints[i]
			if len(e.Addresses) == 0 || e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			if a, err := netip.ParseAddr(e.Addresses[0]); err == nil {
				list = append(list, a.Unmap())
			}
		}
	}
	return list
}
