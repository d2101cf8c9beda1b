package ir

import (
	"net/netip"
)

// Network is the Service network at one moment: what virtual addresses lead
// to, and what names mean. Layer 4 and DNS read the same value, so that a name
// never says what is not served. Like a Config it is never written after
// translation returned it; a Service, Node or Pod that did not change is the
// same pointer as in the Network before.
type Network struct {
	// Revision is the store revision it was made of.
	Revision uint64 `json:"revision"`
	// Nodes are sorted by name. Clients that are neither a Pod nor a node are
	// outside; what reaches the machine's own addresses arrives at the first.
	Nodes []*Node `json:"nodes"`
	// Namespaces are sorted; every namespace that an object is in is there.
	Namespaces []string `json:"namespaces"`
	// Pods are those with an address, sorted by namespace and address.
	Pods []*Pod `json:"pods,omitempty"`
	// Services are sorted by namespace and name.
	Services []*Service `json:"services"`
}

// Node is one machine, real or simulated.
type Node struct {
	Name string `json:"name"`
	// Zone is empty when unknown.
	Zone string `json:"zone,omitempty"`
	// Addresses are the node's own, the primary one first.
	Addresses []netip.Addr `json:"addresses"`
	// PodNetworks hold the addresses of the node's Pods.
	PodNetworks []netip.Prefix `json:"podNetworks,omitempty"`
	// Unbalanced nodes receive nothing from load balancers
	// (node.kubernetes.io/exclude-from-external-load-balancers).
	Unbalanced bool `json:"unbalanced,omitempty"`
}

// Pod is a Pod as DNS knows it.
type Pod struct {
	Namespace string     `json:"namespace"`
	Name      string     `json:"name"`
	Addr      netip.Addr `json:"addr"`
}

// Service is one Service: its addresses, its rules, and everything that may
// receive its traffic.
type Service struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// ExternalName is the canonical name (lower case, no trailing dot) that
	// the Service is an alias of; such a Service has nothing else.
	ExternalName string `json:"externalName,omitempty"`
	// Headless Services have no virtual address: DNS gives their endpoints.
	Headless bool `json:"headless,omitempty"`
	// Unproxied Services are those of another proxy (label
	// service.kubernetes.io/service-proxy-name): in DNS, not served here.
	Unproxied bool `json:"unproxied,omitempty"`

	// ClusterIPs, ExternalIPs and LoadBalancerIPs answer on Ports[].Port.
	// LoadBalancerIPs are those of ipMode VIP only.
	ClusterIPs      []netip.Addr `json:"clusterIPs,omitempty"`
	ExternalIPs     []netip.Addr `json:"externalIPs,omitempty"`
	LoadBalancerIPs []netip.Addr `json:"loadBalancerIPs,omitempty"`
	// SourceRanges limits who may use LoadBalancerIPs; empty is everybody.
	SourceRanges []netip.Prefix `json:"sourceRanges,omitempty"`

	// InternalLocal restricts traffic to ClusterIPs to endpoints on the
	// client's node, ExternalLocal traffic from outside to endpoints on the
	// receiving node.
	InternalLocal bool `json:"internalLocal,omitempty"`
	ExternalLocal bool `json:"externalLocal,omitempty"`
	// Affinity is how long a client keeps its endpoint after its last new
	// connection; 0 is no affinity.
	Affinity Duration `json:"affinity,omitempty"`
	// HealthCheckPort answers on every node whether it has ready endpoints;
	// 0 is none.
	HealthCheckPort uint16 `json:"healthCheckPort,omitempty"`

	Ports []ServicePort `json:"ports,omitempty"`
	// HeaderTrusted are the peers whose PROXY headers are believed; empty is
	// everybody. A header has HeaderTimeout to arrive.
	HeaderTrusted []netip.Prefix `json:"headerTrusted,omitempty"`
	HeaderTimeout Duration       `json:"headerTimeout,omitempty"`
	// Endpoints are all known ones whatever their condition, sorted by address
	// and without duplicates.
	Endpoints []ServiceEndpoint `json:"endpoints,omitempty"`
}

// Transport is the protocol of a Service port.
type Transport string

// The transports that are served. SCTP ports are left out and reported.
const (
	TCP Transport = "TCP"
	UDP Transport = "UDP"
)

// ServicePort is one port of a Service.
type ServicePort struct {
	Name      string    `json:"name,omitempty"`
	Transport Transport `json:"transport"`
	Port      uint16    `json:"port"`
	// NodePort answers on all nodes; 0 is none.
	NodePort uint16 `json:"nodePort,omitempty"`
	// TakesHeader: each connection begins with a header of the PROXY protocol,
	// or is closed. GivesHeader: endpoints get one of version 1. Both are for
	// TCP.
	TakesHeader bool `json:"takesHeader,omitempty"`
	GivesHeader bool `json:"givesHeader,omitempty"`
}

// ServiceEndpoint is one address behind a Service. One address with several
// numbers for one port (slices of different port maps) is several entries.
type ServiceEndpoint struct {
	Addr netip.Addr `json:"addr"`
	// Ports are the numbers for Service.Ports, by index; 0 is none.
	Ports []uint16 `json:"ports,omitempty"`
	// Hostname is the first label of the endpoint's own DNS name; empty means
	// one made from the address.
	Hostname string `json:"hostname,omitempty"`
	Node     string `json:"node,omitempty"`
	// Pod is "namespace/name", for people.
	Pod string `json:"pod,omitempty"`
	// Conditions as in an EndpointSlice, with their defaults filled in.
	Ready       bool `json:"ready"`
	Serving     bool `json:"serving"`
	Terminating bool `json:"terminating,omitempty"`
	// ForNodes and ForZones are the topology hints.
	ForNodes []string `json:"forNodes,omitempty"`
	ForZones []string `json:"forZones,omitempty"`
}

// Ref names the Service.
func (s *Service) Ref() Ref { return Ref{Kind: "Service", Namespace: s.Namespace, Name: s.Name} }
