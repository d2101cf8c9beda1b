package explain

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
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
	// View, Problems and Place are as in Source.
	View     *store.View
	Problems []ir.Problem
	Place    func(object ir.Ref, field string) string
}

// IsConnection says whether a URL is one for ExplainConnection.
func IsConnection(text string) bool {
	return strings.HasPrefix(text, "tcp://") || strings.HasPrefix(text, "udp://")
}

// ExplainConnection tells what happens to a connection. The error says what is
// wrong with the request.
func ExplainConnection(r ConnectionRequest, s NetworkSource) (*Connection, error) {
	u, err := url.Parse(r.URL)
	if err != nil || !IsConnection(r.URL) || u.Host == "" {
		return nil, fmt.Errorf("%q: want tcp://NAME.NAMESPACE:PORT, tcp://ADDRESS:PORT, or the same with udp", r.URL)
	}
	client, err := netip.ParseAddr(cmp.Or(r.Client, "127.0.0.1"))
	if err != nil {
		return nil, fmt.Errorf("client %q is no IP address", r.Client)
	}
	c := &connection{Connection: &Connection{URL: r.URL}, NetworkSource: s, transport: ir.Transport(strings.ToUpper(u.Scheme))}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		port, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil {
			return nil, fmt.Errorf("%q: want the number of a port behind the address", r.URL)
		}
		c.decide(netip.AddrPortFrom(addr.Unmap(), uint16(port)), client)
		return c.Connection, nil
	}
	if err := c.byName(strings.ToLower(u.Hostname()), u.Port(), client); err != nil {
		return nil, err
	}
	return c.Connection, nil
}

// connection is one Connection in the making.
type connection struct {
	*Connection
	NetworkSource
	transport ir.Transport
}

// byName resolves the name of a Service as DNS does.
func (c *connection) byName(host, port string, client netip.Addr) error {
	name := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(host, "."), "."+c.Zone), ".svc")
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
		c.Result = "an alias of " + s.ExternalName + ": DNS answers with that name, and the connection does not pass here"
		return nil
	case s.Headless:
		c.headless(s)
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
	if near := nearest.Name(name, known); near != "" {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	return nil, fmt.Errorf("%s", text)
}

// port finds the number of a port by its number or name.
func (c *connection) port(s *ir.Service, want string) (uint16, error) {
	var known []string
	for _, p := range s.Ports {
		if p.Transport == c.transport && (strconv.Itoa(int(p.Port)) == want || p.Name == want && want != "") {
			return p.Port, nil
		}
		known = append(known, strings.TrimSuffix(fmt.Sprintf("%d/%s (%s)", p.Port, p.Transport, p.Name), " ()"))
	}
	if n, err := strconv.ParseUint(want, 10, 16); err == nil {
		return uint16(n), nil // the decision says that there is no such port
	}
	return 0, fmt.Errorf("%s has no %s port %q; its ports are %s", s.Ref(), c.transport, want, strings.Join(known, ", "))
}

// headless lists what DNS answers.
func (c *connection) headless(s *ir.Service) {
	c.Service = s.Ref()
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		candidate := l4.Candidate{Addr: netip.AddrPortFrom(e.Addr, 0), Pod: e.Pod, Node: e.Node, Chosen: e.Ready}
		if e.Ready {
			c.Names = append(c.Names, e.Addr.String())
		} else {
			candidate.Reason = cmp.Or(c.podReason(e.Pod), "not ready")
		}
		c.Endpoints = append(c.Endpoints, candidate)
	}
	c.Result = fmt.Sprintf("the Service is headless: DNS answers with the addresses of its %d ready endpoints, and the client connects to one of them directly", len(c.Names))
	if len(c.Names) == 0 {
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
	for i := range c.Endpoints {
		if e := &c.Endpoints[i]; !e.Chosen && e.Reason == "not ready" {
			e.Reason = cmp.Or(c.podReason(e.Pod), e.Reason)
		}
	}
	chosen := 0
	for _, e := range c.Endpoints {
		if e.Chosen {
			chosen++
		}
	}
	switch c.Verdict {
	case l4.Forward:
		c.Result = fmt.Sprintf("forwarded to one of %d endpoints (%s)", chosen, c.Reason)
		if chosen == 1 {
			c.Result = "forwarded to the only endpoint (" + c.Reason + ")"
		}
	case l4.Drop:
		c.Result = "dropped, so that the client times out: " + c.Reason
	default:
		c.Result = "refused: " + c.Reason
		if unready := len(c.Endpoints); unready > 0 {
			c.Hint = fmt.Sprintf("make one of its %d endpoints ready", unready)
		}
	}
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
