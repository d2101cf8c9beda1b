package console

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/admin"
)

var services = view[*corev1.Service]{id: metaID[*corev1.Service], columns: func(now time.Time) []column[*corev1.Service] {
	return []column[*corev1.Service]{
		nameColumn[*corev1.Service](),
		{header: "TYPE", cell: func(s *corev1.Service) string { return string(s.Spec.Type) }},
		{header: "CLUSTER-IP", cell: func(s *corev1.Service) string { return s.Spec.ClusterIP }},
		{header: "EXTERNAL-IP", cell: externalIP},
		{header: "PORT(S)", cell: servicePorts},
		ageColumn[*corev1.Service](now),
		{header: "SELECTOR", wide: true, cell: func(s *corev1.Service) string {
			return metav1.FormatLabelSelector(metav1.SetAsLabelSelector(s.Spec.Selector))
		}},
	}
}}

// externalIP is what kubectl shows: where a Service is reached from outside.
func externalIP(s *corev1.Service) string {
	if s.Spec.Type == corev1.ServiceTypeExternalName {
		return s.Spec.ExternalName
	}
	var list []string
	if s.Spec.Type == corev1.ServiceTypeLoadBalancer {
		for _, i := range s.Status.LoadBalancer.Ingress {
			list = append(list, i.IP+i.Hostname)
		}
		if len(list)+len(s.Spec.ExternalIPs) == 0 {
			return "<pending>"
		}
	}
	return strings.Join(append(list, s.Spec.ExternalIPs...), ",")
}

func servicePorts(s *corev1.Service) string {
	var list []string
	for _, p := range s.Spec.Ports {
		text := strconv.Itoa(int(p.Port))
		if p.NodePort != 0 {
			text += ":" + strconv.Itoa(int(p.NodePort))
		}
		list = append(list, text+"/"+string(p.Protocol))
	}
	return strings.Join(list, ",")
}

// shownEndpoints is how many endpoints a narrow table shows, as kubectl does.
const shownEndpoints = 3

var endpoints = view[admin.Endpoints]{
	id: func(e admin.Endpoints) (string, string) { return e.Namespace, e.Name },
	columns: func(time.Time) []column[admin.Endpoints] {
		return []column[admin.Endpoints]{
			{header: "NAME", cell: func(e admin.Endpoints) string { return e.Name }},
			{header: "ENDPOINTS", narrow: true, cell: func(e admin.Endpoints) string {
				list := endpointAddresses(e, true)
				if more := len(list) - shownEndpoints; more > 0 {
					return fmt.Sprintf("%s + %d more...", strings.Join(list[:shownEndpoints], ","), more)
				}
				return strings.Join(list, ",")
			}},
			{header: "ENDPOINTS", wide: true, cell: func(e admin.Endpoints) string { return strings.Join(endpointAddresses(e, true), ",") }},
			{header: "NOT READY", wide: true, cell: func(e admin.Endpoints) string { return strings.Join(endpointAddresses(e, false), ",") }},
		}
	},
}

// endpointAddresses are those that are ready, or those that are not, sorted.
func endpointAddresses(e admin.Endpoints, ready bool) []string {
	var list []string
	for _, a := range e.Addresses {
		if a.Ready == ready {
			list = append(list, a.Address)
		}
	}
	slices.SortFunc(list, compareAddresses)
	return slices.Compact(list)
}

// compareAddresses orders "ip:port" as numbers.
func compareAddresses(a, b string) int {
	x, errX := netip.ParseAddrPort(a)
	y, errY := netip.ParseAddrPort(b)
	if errX != nil || errY != nil {
		return strings.Compare(a, b)
	}
	return x.Compare(y)
}

var nodes = view[*corev1.Node]{id: metaID[*corev1.Node], clusterWide: true, columns: func(now time.Time) []column[*corev1.Node] {
	return []column[*corev1.Node]{
		nameColumn[*corev1.Node](),
		{header: "INTERNAL-IP", cell: func(n *corev1.Node) string { return nodeAddress(n, corev1.NodeInternalIP) }},
		ageColumn[*corev1.Node](now),
		{header: "EXTERNAL-IP", wide: true, cell: func(n *corev1.Node) string { return nodeAddress(n, corev1.NodeExternalIP) }},
		{header: "POD-NETWORK", wide: true, cell: func(n *corev1.Node) string { return strings.Join(n.Spec.PodCIDRs, ",") }},
		{header: "ZONE", wide: true, cell: func(n *corev1.Node) string { return n.Labels[corev1.LabelTopologyZone] }},
	}
}}

func nodeAddress(n *corev1.Node, kind corev1.NodeAddressType) string {
	var list []string
	for _, a := range n.Status.Addresses {
		if a.Type == kind {
			list = append(list, a.Address)
		}
	}
	return strings.Join(list, ",")
}
