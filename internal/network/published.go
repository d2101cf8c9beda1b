package network

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"daemun/internal/ir"
	"daemun/internal/store"
)

// The problem codes of published ports.
const (
	// CodePublished: an entry of tcp-services or udp-services cannot be read.
	CodePublished = "DMN0241"
	// CodePublishedService: an entry names a Service or port that there is not.
	CodePublishedService = "DMN0242"
	// CodePublishedProxy: an entry asks for the PROXY protocol where it cannot
	// be had.
	CodePublishedProxy = "DMN0243"
	// CodePublishedTrust: everybody is believed about the client.
	CodePublishedTrust = "DMN0246"
)

// PublishedConfig says which ports of this machine lead to Services: the
// ConfigMaps of ingress-nginx's --tcp-services-configmap and
// --udp-services-configmap.
type PublishedConfig struct {
	// TCP and UDP are "namespace/name", or empty.
	TCP, UDP string
	// Addresses are where the ports are.
	Addresses []netip.Addr
	// Reserved are TCP ports that Daemun itself listens on.
	Reserved []uint16
	// Headers says whose PROXY headers are believed; nil is everybody, within
	// the usual time.
	Headers func(*store.View) Headers
	// Names is asked once for each translation. What it returns has the
	// addresses of an external name; known is false as long as nobody knows.
	// With nil no Service with an external name is published.
	Names func() func(host string) (addresses []netip.Addr, known bool)
}

// Headers is what the settings for all hosts say of the PROXY protocol.
type Headers struct {
	// Trusted are the peers that are believed; empty is everybody.
	Trusted []netip.Prefix
	Timeout time.Duration
	// Unreadable: it cannot be told who is trusted.
	Unreadable bool
}

// headerTimeout is ingress-nginx's default.
const headerTimeout = 5 * time.Second

// Published translates such ConfigMaps into a network: one Service per Service
// they name, on the published ports. What did not change keeps its pointer. It
// is used by one goroutine.
type Published struct {
	PublishedConfig
	services map[store.Name]*ir.Service
}

// NewPublished returns a translator with an empty memory.
func NewPublished(c PublishedConfig) *Published { return &Published{PublishedConfig: c} }

// publication is one run of Translate.
type publication struct {
	*Published
	v        *store.View
	headers  Headers
	names    func(host string) (addresses []netip.Addr, known bool)
	services map[store.Name]*service
	problems []ir.Problem
}

// Translate returns the network of a view and what is wrong with the
// ConfigMaps, sorted.
func (t *Published) Translate(v *store.View) (*ir.Network, []ir.Problem) {
	p := publication{Published: t, v: v, services: map[store.Name]*service{}, headers: Headers{Timeout: headerTimeout}}
	if t.Headers != nil {
		p.headers = t.Headers(v)
	}
	if t.Names != nil {
		p.names = t.Names()
	}
	p.read(t.TCP, ir.TCP, "--tcp-services-configmap")
	p.read(t.UDP, ir.UDP, "--udp-services-configmap")
	n := &ir.Network{Revision: v.Revision}
	kept := make(map[store.Name]*ir.Service, len(p.services))
	for _, name := range slices.SortedFunc(maps.Keys(p.services), compareNames) {
		s := p.services[name]
		s.endpoints()
		for _, addr := range s.outside {
			s.ir.Endpoints = append(s.ir.Endpoints, ir.ServiceEndpoint{Addr: addr, Ports: s.targets, Ready: true, Serving: true})
		}
		if before := t.services[name]; before != nil && reflect.DeepEqual(before, s.ir) {
			s.ir = before
		}
		kept[name] = s.ir
		n.Services = append(n.Services, s.ir)
	}
	t.services = kept
	slices.SortFunc(p.problems, ir.Problem.Compare)
	return n, p.problems
}

// read takes the entries of one ConfigMap.
func (p *publication) read(full string, transport ir.Transport, flag string) {
	if full == "" {
		return
	}
	namespace, name, _ := strings.Cut(full, "/")
	object := p.v.ConfigMaps[store.Name{Namespace: namespace, Name: name}]
	if object == nil {
		p.problems = append(p.problems, ir.Problem{
			Code: CodePublished, Severity: ir.SeverityWarning, Field: flag,
			Message: fmt.Sprintf("there is no ConfigMap %q in namespace %q; no port is published", name, namespace),
		})
		return
	}
	ref := ir.Ref{Kind: "ConfigMap", Namespace: namespace, Name: name}
	for _, key := range slices.Sorted(maps.Keys(object.Data)) {
		code, wrong := p.entry(key, strings.TrimSpace(object.Data[key]), transport)
		severity := ir.SeverityError
		if code == CodePublishedTrust {
			severity = ir.SeverityNotice
		}
		if wrong != "" {
			p.problems = append(p.problems, ir.Problem{Code: code, Severity: severity, Object: ref, Field: "data[" + key + "]", Message: wrong})
		}
	}
}

// entry publishes one port; wrong says what keeps it from being served, or with
// CodePublishedTrust what it should not be served with.
func (p *publication) entry(key, value string, transport ir.Transport) (code, wrong string) {
	port, err := strconv.ParseUint(key, 10, 16)
	if err != nil || port == 0 {
		return CodePublished, fmt.Sprintf("%.20q is not a port; write a number from 1 to 65535", key)
	}
	if transport == ir.TCP && slices.Contains(p.Reserved, uint16(port)) {
		return CodePublished, fmt.Sprintf("port %d is one of Daemun's own; choose another", port)
	}
	parts := strings.Split(value, ":")
	namespace, name, ok := strings.Cut(parts[0], "/")
	if !ok || namespace == "" || name == "" || len(parts) < 2 || len(parts) > 4 || parts[1] == "" {
		return CodePublished, fmt.Sprintf("%.80q names no Service port; write NAMESPACE/NAME:PORT", value)
	}
	published := ir.ServicePort{Transport: transport, Port: uint16(port)}
	if code, wrong = p.options(parts[2:], &published); wrong != "" {
		return code, wrong
	}
	return p.publish(store.Name{Namespace: namespace, Name: name}, parts[1], published)
}

// options reads what follows the port: PROXY in the first place takes headers
// of the PROXY protocol, in the second it gives them.
func (p *publication) options(words []string, published *ir.ServicePort) (code, wrong string) {
	for i, word := range words {
		switch {
		case word == "":
			continue
		case !strings.EqualFold(word, "PROXY"):
			return CodePublished, fmt.Sprintf("%.20q is not known; write NAMESPACE/NAME:PORT, and :PROXY behind it to take PROXY headers, ::PROXY to give them, :PROXY:PROXY for both", word)
		case published.Transport == ir.UDP:
			return CodePublishedProxy, "the PROXY protocol is for TCP; the port is left out, because clients or the Service would misunderstand each other: remove PROXY"
		case i == 0:
			published.TakesHeader = true
		default:
			published.GivesHeader = true
		}
	}
	if published.TakesHeader && p.headers.Unreadable {
		return CodePublishedProxy, "it is not known whose PROXY headers to believe, as a key of the ConfigMap for all hosts cannot be read; the port is left out until that is mended"
	}
	return "", ""
}

func (p *publication) publish(name store.Name, target string, published ir.ServicePort) (code, wrong string) {
	object := p.v.Services[name]
	if object == nil {
		return CodePublishedService, fmt.Sprintf("there is no Service %q in namespace %q; the port is closed until it exists", name.Name, name.Namespace)
	}
	outside, wrong := p.outside(object)
	if wrong != "" {
		return CodePublishedService, wrong
	}
	i := slices.IndexFunc(object.Spec.Ports, func(sp corev1.ServicePort) bool {
		transport := ir.Transport(sp.Protocol)
		if transport == "" {
			transport = ir.TCP
		}
		return transport == published.Transport && (strconv.Itoa(int(sp.Port)) == target || sp.Name == target || sp.TargetPort != (intstr.IntOrString{}) && sp.TargetPort.String() == target)
	})
	if i < 0 {
		return CodePublishedService, fmt.Sprintf("Service %q has no %s port %q; the port is closed", name.Name, published.Transport, target)
	}
	published.Name = object.Spec.Ports[i].Name
	s := p.services[name]
	if s == nil {
		s = &service{object: object, slices: p.v.SlicesOf(name), ir: &ir.Service{Namespace: name.Namespace, Name: name.Name, ExternalIPs: p.Addresses}}
		p.services[name] = s
	}
	s.ir.Ports = append(s.ir.Ports, published)
	s.outside, s.targets = outside, append(s.targets, targetOf(&object.Spec.Ports[i]))
	if published.TakesHeader {
		s.ir.HeaderTrusted, s.ir.HeaderTimeout = p.headers.Trusted, ir.Duration(p.headers.Timeout)
		if len(p.headers.Trusted) == 0 {
			return CodePublishedTrust, "everybody who can connect is believed about the client's address; write the networks of your proxies into proxy-real-ip-cidr"
		}
	}
	return "", ""
}

// outside are the addresses of the external name of a Service that has one.
func (p *publication) outside(object *corev1.Service) (addresses []netip.Addr, wrong string) {
	if object.Spec.Type != corev1.ServiceTypeExternalName {
		return nil, ""
	}
	if p.names == nil {
		return nil, fmt.Sprintf("Service %q has an external name, and those are not served (--disable-svc-external-name); name one with endpoints", object.Name)
	}
	addresses, known := p.names(strings.ToLower(strings.TrimSuffix(object.Spec.ExternalName, ".")))
	if known && len(addresses) == 0 {
		return nil, fmt.Sprintf("the external name %q of Service %q has no address that may be connected to; the port is closed until it has one", object.Spec.ExternalName, object.Name)
	}
	return addresses, ""
}

// targetOf is the port of an external name: a number, or that of the Service.
func targetOf(sp *corev1.ServicePort) uint16 {
	if n := sp.TargetPort.IntVal; sp.TargetPort.Type == intstr.Int && n > 0 && n <= 65535 {
		return uint16(n)
	}
	return uint16(sp.Port)
}
