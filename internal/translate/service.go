package translate

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"daemun/internal/ir"
	"daemun/internal/store"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// noPort is the port of a backend that must have no endpoint: no Service can
// have it.
const noPort = "-"

func backendOf(service store.Name, port string) ir.Backend {
	return ir.Backend{
		ID:        ir.BackendID(service.Namespace + "/" + service.Name + "/" + port),
		Namespace: service.Namespace, Service: service.Name, Port: port,
	}
}

func isTCP(p corev1.Protocol) bool { return p == corev1.ProtocolTCP || p == "" }

// servicePort finds the port that an Ingress means: by the number or name of
// the Service port, else (an old habit) by its targetPort. A Service with an
// external name that lists no port has every port.
func servicePort(service *corev1.Service, want string) (corev1.ServicePort, bool) {
	if service == nil {
		return corev1.ServicePort{}, false
	}
	ports := service.Spec.Ports
	for i := range ports {
		if p := &ports[i]; isTCP(p.Protocol) && (strconv.Itoa(int(p.Port)) == want || p.Name == want && want != "") {
			return *p, true
		}
	}
	for i := range ports {
		if p := &ports[i]; isTCP(p.Protocol) && p.TargetPort != (intstr.IntOrString{}) && p.TargetPort.String() == want {
			return *p, true
		}
	}
	if service.Spec.Type == corev1.ServiceTypeExternalName && len(ports) == 0 {
		if n, err := strconv.ParseUint(want, 10, 16); err == nil && n > 0 {
			return corev1.ServicePort{Port: int32(n), TargetPort: intstr.FromInt32(int32(n))}, true
		}
	}
	return corev1.ServicePort{}, false
}

// firstPort returns the backend of the first TCP port of a Service, or a
// problem.
func firstPort(service *corev1.Service, name store.Name) (b ir.Backend, problem string) {
	if service == nil {
		return ir.Backend{}, fmt.Sprintf("there is no Service %q in namespace %q", name.Name, name.Namespace)
	}
	for _, p := range service.Spec.Ports {
		if isTCP(p.Protocol) {
			return backendOf(name, strconv.Itoa(int(p.Port))), ""
		}
	}
	return ir.Backend{}, fmt.Sprintf("Service %q in namespace %q has no TCP port", name.Name, name.Namespace)
}

// portList prints the TCP ports of a Service for a message.
func portList(service *corev1.Service) string {
	var list []string
	for _, p := range service.Spec.Ports {
		if !isTCP(p.Protocol) {
			continue
		}
		s := strconv.Itoa(int(p.Port))
		if p.Name != "" {
			s += " (" + p.Name + ")"
		}
		list = append(list, s)
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// checkExternalName says what is wrong with an external name, "" if nothing
// is. Names that mean this machine are refused; what others resolve to is
// checked when they are dialled (H10.2).
func checkExternalName(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if addr, err := netip.ParseAddr(name); err == nil {
		if addr.Unmap().IsLoopback() || addr.IsUnspecified() {
			return "is an address of this machine, which is refused"
		}
		return ""
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") || name == "localhost.localdomain" {
		return "is a name of this machine, which is refused"
	}
	for label := range strings.SplitSeq(strings.ReplaceAll(name, "_", "-"), ".") {
		if len(label) > 63 || label == "" {
			return "is not a DNS name"
		}
	}
	if len(name) > 253 || !externalName(name) {
		return "is not a DNS name"
	}
	return ""
}

func externalName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// Endpoints returns what a backend has now: ready endpoints from the
// EndpointSlices of its Service, or the external name (ingress-nginx §2.5).
// The endpoints are sorted by address and without duplicates. It keeps nothing
// and is safe for concurrent use.
func Endpoints(v *store.View, b *ir.Backend) ir.EndpointSet { return EndpointsFor(v, b, "") }

// EndpointsFor is Endpoints as seen from a zone: where the hints of the slices
// say which endpoints are for it, it returns these (hinted). An empty zone
// ignores hints.
func EndpointsFor(v *store.View, b *ir.Backend, zone string) ir.EndpointSet {
	set := ir.EndpointSet{Backend: b.ID}
	if b.External != nil {
		set.Endpoints = outside(b.External.Host, b.External.Port)
		return set
	}
	name := store.Name{Namespace: b.Namespace, Name: b.Service}
	service := v.Services[name]
	port, ok := servicePort(service, b.Port)
	if !ok {
		return set
	}
	if service.Spec.Type == corev1.ServiceTypeExternalName {
		set.Endpoints = externalEndpoint(service.Spec.ExternalName, &port)
		return set
	}
	if b.Balance != nil && b.Balance.ServiceUpstream {
		if addr, err := netip.ParseAddr(service.Spec.ClusterIP); err == nil { // not "None"
			set.Endpoints = []ir.Endpoint{{Addr: netip.AddrPortFrom(addr, uint16(port.Port))}}
			return set
		}
	}
	list := v.SlicesOf(name)
	if zone != "" && !hinted(list, &port, zone) {
		zone = ""
	}
	for _, slice := range list {
		set.Endpoints = appendReady(set.Endpoints, slice, &port, zone)
	}
	slices.SortFunc(set.Endpoints, func(a, b ir.Endpoint) int {
		// A known Pod first, so that it survives the next step.
		return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(b.Pod, a.Pod))
	})
	set.Endpoints = slices.CompactFunc(set.Endpoints, func(a, b ir.Endpoint) bool { return a.Addr == b.Addr })
	return set
}

func externalEndpoint(name string, port *corev1.ServicePort) []ir.Endpoint {
	number := port.TargetPort.IntVal
	if port.TargetPort.Type != intstr.Int || number == 0 {
		number = port.Port
	}
	if checkExternalName(name) != "" || number < 1 || number > 65535 {
		return nil
	}
	return outside(name, uint16(number))
}

// outside is the endpoint of a name or an address that is no Service.
func outside(name string, port uint16) []ir.Endpoint {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if addr, err := netip.ParseAddr(name); err == nil {
		return []ir.Endpoint{{Addr: netip.AddrPortFrom(addr.Unmap(), port)}}
	}
	return []ir.Endpoint{{Host: name, Port: port}}
}

// appendReady appends the ready endpoints of a slice, with a zone only those
// for it.
func appendReady(list []ir.Endpoint, slice *discoveryv1.EndpointSlice, port *corev1.ServicePort, zone string) []ir.Endpoint {
	numbers := slicePorts(slice, port)
	for i := range slice.Endpoints {
		e := &slice.Endpoints[i]
		if !isReady(e) || zone != "" && !isFor(e, zone) {
			continue
		}
		pod := ""
		if e.TargetRef != nil && e.TargetRef.Kind == "Pod" {
			pod = cmp.Or(e.TargetRef.Namespace, slice.Namespace) + "/" + e.TargetRef.Name
		}
		for _, address := range e.Addresses {
			addr, err := netip.ParseAddr(address)
			if err != nil {
				continue // a name: slices of type FQDN are not served
			}
			for _, number := range numbers {
				list = append(list, ir.Endpoint{Addr: netip.AddrPortFrom(addr.Unmap(), number), Pod: pod})
			}
		}
	}
	return list
}

// slicePorts returns the port numbers of a slice that a Service port means: by
// name; an unnamed port is any; without a match the number of targetPort.
func slicePorts(slice *discoveryv1.EndpointSlice, port *corev1.ServicePort) []uint16 {
	var numbers []uint16
	tcp := false
	for i := range slice.Ports {
		p := &slice.Ports[i]
		if p.Protocol != nil && !isTCP(*p.Protocol) {
			continue
		}
		tcp = true
		named := p.Name != nil && *p.Name == port.Name
		if p.Port != nil && *p.Port > 0 && *p.Port <= 65535 && (port.Name == "" || named) {
			numbers = append(numbers, uint16(*p.Port))
		}
	}
	target := port.TargetPort
	if len(numbers) == 0 && (tcp || len(slice.Ports) == 0) && target.Type == intstr.Int && target.IntVal > 0 && target.IntVal <= 65535 {
		numbers = append(numbers, uint16(target.IntVal))
	}
	return numbers
}

// settleDefaultBackend resolves --default-backend-service and reports whether
// it is another one than before.
func (t *Translator) settleDefaultBackend(v *store.View, problems *[]ir.Problem) (changed bool) {
	var b ir.Backend
	if o := t.options.DefaultBackendService; o != "" {
		var problem string
		namespace, name, ok := strings.Cut(o, "/")
		if ok {
			full := store.Name{Namespace: namespace, Name: name}
			b, problem = firstPort(v.Services[full], full)
		} else {
			problem = fmt.Sprintf("%q is not of the form namespace/name", o)
		}
		if problem != "" {
			*problems = append(*problems, ir.Problem{
				Code: CodeDefaultBackend, Severity: ir.SeverityError, Field: "--default-backend-service",
				Message: problem + "; the built-in 404 answers instead",
			})
		}
	}
	changed = b != t.defaultBackend
	t.defaultBackend = b
	return changed
}
