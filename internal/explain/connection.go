package explain

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"daemun/internal/ir"
	"daemun/internal/l4"
	"daemun/internal/nearest"
	"daemun/internal/store"
)

// ConnectionRequest is a connection or a flow to explain.
type ConnectionRequest struct {
	// URL is tcp://HOST:PORT or udp://HOST:PORT. HOST is an address or the
	// name of a Service, with or without its namespace and the cluster domain;
	// PORT is a number or the name of a port.
	URL string
	// Client is the address the connection comes from; empty is 127.0.0.1.
	Client string
}

// Connection is the trail of one connection to a Service.
type Connection struct {
	URL string `json:"url"`
	// Name is the full name in DNS, empty when an address was asked for.
	Name string `json:"name,omitempty"`
	// Names is what DNS answers for Name.
	Names []string `json:"names,omitempty"`
	// Place is where the Service is written.
	Place string `json:"place,omitempty"`
	l4.Decision
	// Result is what the client meets, in one sentence; Hint is what would
	// have to be different, empty when it reaches an endpoint.
	Result   string       `json:"result"`
	Hint     string       `json:"hint,omitempty"`
	Problems []ir.Problem `json:"problems,omitempty"`
}

// NetworkSource is what a connection is explained with.
type NetworkSource struct {
	Network *ir.Network
	// Decide is l4.Decide for the network.
	Decide func(ir.Transport, netip.AddrPort, netip.Addr) l4.Decision
	// Zone is the cluster domain.
	Zone string
	// NameServer is the DNS server of the network; zero is none.
	NameServer NameServer
	// View, Problems and Place are as in Source.
	View     *store.View
	Problems []ir.Problem
	Place    func(object ir.Ref, field string) string
}

// NameServer is where a DNS server answers that is no endpoint of any Service.
type NameServer struct {
	// Standard is the address that Pods ask, on port 53; Open says that the
	// server could open it.
	Standard netip.AddrPort
	Open     bool
	// Other answers in any case.
	Other netip.AddrPort
}

// IsConnection says whether a URL is one for TraceConnection.
func IsConnection(text string) bool {
	return strings.HasPrefix(text, "tcp://") || strings.HasPrefix(text, "udp://")
}

// TraceConnection tells what happens to a connection. The error says what is
// wrong with the request.
func TraceConnection(r ConnectionRequest, s NetworkSource) (*Connection, error) {
	transport, host, port, ok := parseConnection(r.URL)
	if !ok {
		return nil, fmt.Errorf("%q: want tcp://NAME.NAMESPACE:PORT, tcp://ADDRESS:PORT, or the same with udp", r.URL)
	}
	client, err := netip.ParseAddr(cmp.Or(r.Client, "127.0.0.1"))
	if err != nil {
		return nil, fmt.Errorf("client %q is no IP address", r.Client)
	}
	c := &connection{Connection: &Connection{URL: r.URL}, NetworkSource: s, transport: transport}
	if addr, err := netip.ParseAddr(host); err == nil {
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("%q: want the number of a port behind the address", r.URL)
		}
		c.decide(netip.AddrPortFrom(addr.Unmap(), uint16(number)), client)
		return c.Connection, nil
	}
	if err := c.byName(strings.ToLower(host), port, client); err != nil {
		return nil, err
	}
	return c.Connection, nil
}

// parseConnection takes a URL apart. It is not net/url's work, which wants
// ports to be numbers. A port that is left out is empty.
func parseConnection(text string) (transport ir.Transport, host, port string, ok bool) {
	scheme, rest, _ := strings.Cut(text, "://")
	rest = strings.TrimSuffix(rest, "/")
	if !IsConnection(text) || strings.ContainsAny(rest, "/?# ") {
		return "", "", "", false
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(rest, "["), "]"), ""
	}
	return ir.Transport(strings.ToUpper(scheme)), host, port, host != ""
}

// connection is one Connection in the making.
type connection struct {
	*Connection
	NetworkSource
	transport ir.Transport
}

// byName resolves the name of a Service as DNS does.
func (c *connection) byName(host, port string, client netip.Addr) error {
	name := strings.TrimSuffix(strings.TrimSuffix(host, "."), "."+c.Zone)
	if full, ok := strings.CutSuffix(name, ".svc"); ok && strings.Contains(full, ".") { // web.svc is in namespace svc
		name = full
	}
	service, namespace, both := strings.Cut(name, ".")
	if strings.Contains(namespace, ".") {
		return fmt.Errorf("%q: want NAME.NAMESPACE, NAME.NAMESPACE.svc or NAME.NAMESPACE.svc.%s", host, c.Zone)
	}
	if !both {
		namespace = "default"
	}
	s, err := c.find(namespace, service)
	if err != nil {
		return err
	}
	c.Name = fmt.Sprintf("%s.%s.svc.%s", service, namespace, c.Zone)
	c.about(s.Ref())
	switch {
	case s.ExternalName != "":
		c.Names, c.Service = []string{s.ExternalName}, s.Ref()
		if _, err := netip.ParseAddr(s.ExternalName); err == nil { // services §10.2
			c.Names, c.Hint = nil, "write a DNS name as externalName, or a Service without selector and an EndpointSlice with the address"
			c.Result = "an alias of " + s.ExternalName + ", which is an address and no name: the name does not exist (NXDOMAIN)"
			return nil
		}
		c.Result = "an alias of " + s.ExternalName + ": DNS answers with that name, and the connection does not pass here"
		return nil
	case s.Headless:
		c.headless(s, port)
		return nil
	case len(s.ClusterIPs) == 0:
		c.Service, c.Verdict = s.Ref(), l4.Reject
		c.Result, c.Hint = "the Service has no address", "see the problems of the Service"
		return nil
	}
	number, err := c.port(s, port)
	if err != nil {
		return err
	}
	c.Names = []string{s.ClusterIPs[0].String()}
	c.decide(netip.AddrPortFrom(s.ClusterIPs[0], number), client)
	return nil
}

func (c *connection) find(namespace, name string) (*ir.Service, error) {
	var known []string
	for _, s := range c.Network.Services {
		switch {
		case s.Namespace == namespace && s.Name == name:
			return s, nil
		case s.Namespace == namespace:
			known = append(known, s.Name)
		}
	}
	text := fmt.Sprintf("there is no Service %q in namespace %q", name, namespace)
	ref := ir.Ref{Kind: "Service", Namespace: namespace, Name: name}
	if i := slices.IndexFunc(c.NetworkSource.Problems, func(p ir.Problem) bool { return p.Object == ref }); i >= 0 {
		return nil, fmt.Errorf("%s; its manifest is not used: %s", text, c.NetworkSource.Problems[i])
	}
	if near := nearest.Name(name, known); near != "" {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	return nil, fmt.Errorf("%s", text)
}

// isPort says whether a port is meant by a number or a name.
func (c *connection) isPort(p ir.ServicePort, want string) bool {
	return p.Transport == c.transport && (strconv.Itoa(int(p.Port)) == want || p.Name == want && want != "")
}

// port finds the number of a port by its number or name.
func (c *connection) port(s *ir.Service, want string) (uint16, error) {
	var known []string
	for _, p := range s.Ports {
		if c.isPort(p, want) {
			return p.Port, nil
		}
		known = append(known, strings.TrimSuffix(fmt.Sprintf("%d/%s (%s)", p.Port, p.Transport, p.Name), " ()"))
	}
	if n, err := strconv.ParseUint(want, 10, 16); err == nil {
		return uint16(n), nil // the decision says that there is no such port
	}
	ports := strings.Join(known, ", ")
	if want == "" {
		return 0, fmt.Errorf("%s: say which port behind the name; its ports are %s", s.Ref(), ports)
	}
	return 0, fmt.Errorf("%s has no %s port %q; its ports are %s", s.Ref(), c.transport, want, ports)
}

// headless lists what DNS answers. Nobody translates ports there: a client must
// use those of the endpoints.
func (c *connection) headless(s *ir.Service, want string) {
	c.Service = s.Ref()
	port := slices.IndexFunc(s.Ports, func(p ir.ServicePort) bool { return c.isPort(p, want) })
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		number := uint16(0)
		if port >= 0 && port < len(e.Ports) {
			number = e.Ports[port]
		}
		if number != 0 && number != s.Ports[port].Port {
			c.Hint = fmt.Sprintf("connect to port %d: the endpoints have that one for port %d of the Service, and without a cluster IP nobody translates it", number, s.Ports[port].Port)
		}
		candidate := l4.Candidate{Addr: netip.AddrPortFrom(e.Addr, number), Pod: e.Pod, Node: e.Node, Ready: e.Ready, Chosen: e.Ready}
		if e.Ready {
			c.Names = append(c.Names, e.Addr.String())
		} else {
			candidate.Reason = cmp.Or(c.podReason(e.Pod), "not ready")
		}
		c.Endpoints = append(c.Endpoints, candidate)
	}
	c.Result = fmt.Sprintf("the Service is headless: DNS answers with the addresses of its %d ready endpoints, and the client connects to one of them directly", len(c.Names))
	switch len(c.Names) {
	case 1:
		c.Result = "the Service is headless: DNS answers with the address of its only ready endpoint, and the client connects to it directly"
	case 0:
		c.Result = "the Service is headless and has no ready endpoint: the name does not exist (NXDOMAIN)"
		c.Hint = "make one of its Pods ready"
	}
}

func (c *connection) podReason(name string) string {
	namespace, pod, _ := strings.Cut(name, "/")
	if p := c.View.Pods[store.Name{Namespace: namespace, Name: pod}]; p != nil {
		return podReason(p)
	}
	return ""
}

// decide asks the rules of layer 4.
func (c *connection) decide(to netip.AddrPort, client netip.Addr) {
	c.Decision = c.Decide(c.transport, to, client)
	c.about(c.Service)
	if to == c.NameServer.Standard {
		c.nameServer()
		return
	}
	for i := range c.Endpoints {
		if e := &c.Endpoints[i]; !e.Chosen && e.Reason == "not ready" {
			e.Reason = cmp.Or(c.podReason(e.Pod), e.Reason)
		}
	}
	switch c.Verdict {
	case l4.Forward:
		c.forwarded()
	case l4.Drop:
		c.Result = "dropped, so that the client times out: " + c.Reason
	default:
		c.Result = "refused: " + c.Reason
		unready := slices.DeleteFunc(slices.Clone(c.Endpoints), func(e l4.Candidate) bool { return e.Ready })
		if len(unready) > 0 && len(unready) == len(c.Endpoints) {
			c.Hint = fmt.Sprintf("make one of its %d endpoints ready", len(unready))
			if len(unready) == 1 {
				c.Hint = "make its only endpoint ready"
			}
		}
	}
}

// nameServer tells of the address that Pods ask for names.
func (c *connection) nameServer() {
	if c.NameServer.Open {
		c.Verdict, c.Reason = l4.Forward, "Daemun's DNS server listens there itself"
		c.Result = "answered by Daemun's DNS server"
		return
	}
	c.Verdict, c.Reason = l4.Reject, "Daemun's DNS server could not open port 53"
	c.Result = "refused: " + c.Reason + " (daemun get problems says why)"
	c.Hint = "ask " + c.NameServer.Other.String() + " instead"
}

// forwarded tells where a connection goes that is let in.
func (c *connection) forwarded() {
	chosen, refused, why := 0, 0, ""
	for _, e := range c.Endpoints {
		if e.Chosen {
			chosen++
		}
		if e.Refused {
			refused, why = refused+1, e.Reason
		}
	}
	c.Result = fmt.Sprintf("forwarded to one of %d endpoints (%s)", chosen, c.Reason)
	if chosen == 1 {
		c.Result = "forwarded to the only endpoint (" + c.Reason + ")"
	}
	if refused == 0 {
		return
	}
	c.Hint = "write the address of the program that is to answer"
	if refused == chosen {
		c.Result = "reset: no endpoint may be reached through a Service: " + why
		return
	}
	c.Result += fmt.Sprintf(", but reset at %d of them: %s", refused, why)
}

// about adds where a Service is written, and its problems.
func (c *connection) about(service ir.Ref) {
	if service.Name == "" {
		return
	}
	if c.NetworkSource.Place != nil {
		c.Connection.Place = c.NetworkSource.Place(service, "")
	}
	c.Connection.Problems = slices.DeleteFunc(slices.Clone(c.NetworkSource.Problems), func(p ir.Problem) bool { return p.Object != service })
}
