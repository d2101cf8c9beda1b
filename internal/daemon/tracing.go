package daemon

import (
	"net/netip"
	"strings"

	"daemun/internal/store"
)

// clusterAddress is the address of a Service by a name of the form
// service.namespace.svc, with or without more behind it, so that a collector
// is found where the machine does not ask the DNS of the cluster; empty for
// other names.
func (g *gateway) clusterAddress(host string) string {
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	if len(labels) < 3 || labels[2] != "svc" {
		return ""
	}
	s := g.store.View().Services[store.Name{Namespace: labels[1], Name: labels[0]}]
	if s == nil {
		return ""
	}
	if _, err := netip.ParseAddr(s.Spec.ClusterIP); err != nil { // headless, or an external name
		return ""
	}
	return s.Spec.ClusterIP
}
