package l4

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"daemun/internal/ir"
)

// world is a small cluster for the rules alone: nodes a, b, c in zones x, x,
// y; Pods of a are 10.1.0.0/16, and so on.
func world() *places {
	node := func(name, zone string, n byte) *ir.Node {
		return &ir.Node{
			Name: name, Zone: zone, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, n})},
			PodNetworks: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, n, 0, 0}), 16)},
		}
	}
	return placesOf([]*ir.Node{node("a", "x", 1), node("b", "x", 2), node("c", "y", 3)})
}

// endpointsFrom reads "a1 b2t b3s c4n/z=y": node, number, condition (ready,
// terminating but serving, terminating, not ready), hints.
func endpointsFrom(text string) []ir.ServiceEndpoint {
	var all []ir.ServiceEndpoint
	for word := range strings.FieldsSeq(text) {
		spec, hint, _ := strings.Cut(word, "/")
		e := ir.ServiceEndpoint{Addr: netip.AddrFrom4([4]byte{10, spec[0] - 'a' + 1, 0, spec[1] - '0'}), Ports: []uint16{80}, Node: spec[:1]}
		switch spec[2:] {
		case "":
			e.Ready, e.Serving = true, true
		case "s":
			e.Serving, e.Terminating = true, true
		case "t":
			e.Terminating = true
		}
		for h := range strings.SplitSeq(hint, ",") {
			if key, value, ok := strings.Cut(h, "="); ok && key == "n" {
				e.ForNodes = append(e.ForNodes, value)
			} else if ok {
				e.ForZones = append(e.ForZones, value)
			}
		}
		all = append(all, e)
	}
	return all
}

// names is a set in the form that endpointsFrom reads.
func names(set []endpoint) string {
	var all []string
	for _, e := range set {
		a := e.to.Addr().As4()
		all = append(all, fmt.Sprintf("%c%d", 'a'+a[1]-1, a[3]))
	}
	return strings.Join(all, " ")
}

func web(endpoints string) *ir.Service {
	return &ir.Service{
		Namespace: "shop", Name: "web", ClusterIPs: []netip.Addr{netip.MustParseAddr("10.96.0.1")},
		LoadBalancerIPs: []netip.Addr{netip.MustParseAddr("203.0.113.1")},
		Ports:           []ir.ServicePort{{Transport: ir.TCP, Port: 80, NodePort: 30080}},
		Endpoints:       endpointsFrom(endpoints),
	}
}

// TestReadyThenTerminating is the table of the rule, seen from node a: what
// external traffic with the policy Local and what Cluster traffic gets.
func TestReadyThenTerminating(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ endpoints, local, cluster string }{
		{"a1 b2", "a1", "a1 b2"},
		{"a1 a2s b3s", "a1", "a1"},
		{"a1s b2", "a1", "b2"},
		{"a1s b2s", "a1", "a1 b2"},
		{"a1s", "a1", "a1"},
		{"a1t b2", "drop", "b2"},
		{"b2", "drop", "b2"},
		{"b2s", "drop", "b2"},
		{"a1t b2t", "reject", "reject"},
		{"a1n", "reject", "reject"},
		{"", "reject", "reject"},
	} {
		for _, external := range []bool{true, false} {
			s := web(row.endpoints)
			s.ExternalLocal = external
			w := rulesOf(s, 0, world()).way(NodePort, 0, place{node: outside})
			want := row.cluster
			if external {
				want = row.local
			}
			if got := outcomeOf(w); got != want {
				t.Errorf("%q local %v: %s, want %s", row.endpoints, external, got, want)
			}
		}
	}
}

func outcomeOf(w way) string {
	if w.verdict != Forward {
		return w.verdict.String()
	}
	return names(w.set)
}

func TestHints(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, endpoints, a, b, c string }{
		{"none", "a1 b2 c3", "a1 b2 c3", "a1 b2 c3", "a1 b2 c3"},
		{"zones", "a1/z=x b2/z=x c3/z=y", "a1 b2", "a1 b2", "c3"},
		{"one without zone", "a1/z=x b2 c3/z=y", "a1 b2 c3", "a1 b2 c3", "a1 b2 c3"},
		{"zone without endpoints", "a1/z=x b2/z=x", "a1 b2", "a1 b2", "a1 b2"},
		{"nodes and zones", "a1/n=a,z=x b2/n=b,z=x c3/n=c,z=y", "a1", "b2", "c3"},
		{"node falls back to zone", "a1/n=a,z=x a2/n=a,z=x", "a1 a2", "a1 a2", "a1 a2"},
		{"one without node", "a1/n=a,z=x b2/z=x c3/n=c,z=y", "a1 b2", "a1 b2", "c3"},
		{"unready ones need none", "a1/z=x b2/z=x c3/z=y c4n", "a1 b2", "a1 b2", "c3"},
		{"not for the fallback", "a1s/z=x c3s/z=y", "a1 c3", "a1 c3", "a1 c3"},
	} {
		r := rulesOf(web(row.endpoints), 0, world())
		for i, want := range []string{row.a, row.b, row.c} {
			if got := names(r.cluster(i)); got != want {
				t.Errorf("%s: node %d: %s, want %s", row.name, i, got, want)
			}
		}
	}
	s := web("a1/z=y a2/z=y b3/z=x")
	s.ExternalLocal = true
	if got := names(rulesOf(s, 0, world()).own(0)); got != "a1 a2" {
		t.Errorf("hints touch the local set: %s", got)
	}
}

func TestReceivers(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		endpoints  string
		local      bool
		unbalanced string
		want       string
	}{
		{"a1", false, "", "a b c"},
		{"a1", false, "b", "a c"},
		{"a1", true, "", "a"},
		{"a1 b2s", true, "", "a"},
		{"a1s b2s", true, "", "a b"},
		{"a1t b2", true, "", "b"},
		{"a1 b2", true, "a", "b"},
		{"a1 b2s", true, "a", "b"},
		{"a1", true, "a", ""},
		{"a1", false, "abc", ""},
	} {
		p := world()
		for i, n := range p.nodes {
			c := *n
			c.Unbalanced = strings.Contains(row.unbalanced, n.Name)
			p.nodes[i] = &c
		}
		s := web(row.endpoints)
		s.ExternalLocal = row.local
		r := rulesOf(s, 0, p)
		var got []string
		for _, i := range r.receivers {
			got = append(got, p.nodes[i].Name)
		}
		if strings.Join(got, " ") != row.want {
			t.Errorf("%+v: %v", row, got)
		}
		d := Decide(&ir.Network{Nodes: p.nodes, Services: []*ir.Service{s}}, Question{Transport: ir.TCP, To: netip.MustParseAddrPort("203.0.113.1:80"), Client: netip.MustParseAddr("198.51.100.1")})
		if (row.want == "") != (d.Verdict == Drop) || len(d.Ways) != len(r.receivers) {
			t.Errorf("%+v: Decide says %s, %s", row, d.Verdict, d.Reason)
		}
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	p := placesOf([]*ir.Node{
		{Name: "a", Addresses: addrs("10.0.0.1", "fd00::1"), PodNetworks: prefixes("10.0.0.0/16", "fd00:1::/64")},
		{Name: "b", Addresses: addrs("10.0.0.2"), PodNetworks: prefixes("10.0.7.0/24", "fd00:1::/80")},
	})
	for client, want := range map[string]place{
		"10.0.0.1":   {0, false}, // a node in a Pod network
		"10.0.0.2":   {1, false},
		"10.0.1.1":   {0, true},
		"10.0.7.1":   {1, true}, // the longer prefix
		"fd00::1":    {0, false},
		"fd00:1::9":  {1, true},
		"192.0.2.1":  {outside, false},
		"fd00:2::1":  {outside, false},
		"127.0.0.1":  {outside, false},
		"::1":        {outside, false},
		"10.0.255.9": {0, true},
	} {
		if got := p.of(netip.MustParseAddr(client)); got != want {
			t.Errorf("%s: %+v, want %+v", client, got, want)
		}
	}
}

func addrs(all ...string) []netip.Addr {
	var out []netip.Addr
	for _, a := range all {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func prefixes(all ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range all {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func TestAllowedSources(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		ranges string
		client string
		want   bool
	}{
		{"", "198.51.100.1", true},
		{"198.51.100.0/24", "198.51.100.1", true},
		{"198.51.100.0/24", "198.51.101.1", false},
		{"0.0.0.0/0", "198.51.101.1", true},
		{"198.51.100.0/24 0.0.0.0/0", "198.51.101.1", true},
		{"198.51.100.0/24", "2001:db8::1", true}, // IPv4 only: IPv6 is free
		{"2001:db8::/32", "2001:db8::1", true},
		{"2001:db8::/32", "2001:db9::1", false},
		{"2001:db8::/32", "198.51.101.1", true},
		{"192.0.2.0/24", "203.0.113.1", true}, // the balancer's own, as a node is in range
		{"198.51.100.0/24", "203.0.113.1", false},
	} {
		s := web("a1")
		for r := range strings.FieldsSeq(row.ranges) {
			s.SourceRanges = append(s.SourceRanges, netip.MustParsePrefix(r))
		}
		if got := allowed(s, world(), netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr(row.client)); got != row.want {
			t.Errorf("%q: %s: %v", row.ranges, row.client, got)
		}
	}
}

// TestPortsOfEndpoints: an endpoint without the port is none for it.
func TestPortsOfEndpoints(t *testing.T) {
	t.Parallel()
	s := web("a1 b2 c3")
	s.Ports = append(s.Ports, ir.ServicePort{Transport: ir.TCP, Port: 81})
	s.Endpoints[0].Ports = []uint16{80, 8081}
	s.Endpoints[1].Ports = []uint16{80, 0}
	if got := names(rulesOf(s, 0, world()).all); got != "a1 b2 c3" {
		t.Error(got)
	}
	r := rulesOf(s, 1, world())
	if got := names(r.all); got != "a1" || r.all[0].to.Port() != 8081 {
		t.Error(r.all)
	}
	if serving := r.serving(); len(serving) != 1 || !serving[r.all[0].to] {
		t.Error(serving)
	}
}

func TestDecideSaysWhy(t *testing.T) {
	t.Parallel()
	s := web("a1 b2s b3t c4n")
	headless := &ir.Service{Namespace: "shop", Name: "db", Headless: true, Endpoints: endpointsFrom("c9")}
	empty := web("")
	empty.Name, empty.ClusterIPs, empty.LoadBalancerIPs, empty.Ports = "zero", addrs("10.96.0.9"), nil, []ir.ServicePort{{Transport: ir.TCP, Port: 80}}
	local := web("b1")
	local.Name, local.ClusterIPs, local.LoadBalancerIPs = "local", addrs("10.96.0.7"), nil
	local.InternalLocal, local.Ports[0].NodePort = true, 0
	portless := web("a1")
	portless.Name, portless.ClusterIPs, portless.LoadBalancerIPs = "portless", addrs("10.96.0.6"), nil
	portless.Ports[0].Name, portless.Ports[0].NodePort, portless.Endpoints[0].Ports = "http", 0, []uint16{0}
	other := &ir.Service{Namespace: "shop", Name: "other", Unproxied: true, ClusterIPs: addrs("10.96.0.8"), Ports: []ir.ServicePort{{Transport: ir.TCP, Port: 80}}}
	n := &ir.Network{Nodes: world().nodes, Services: []*ir.Service{headless, local, other, portless, s, empty}}
	for _, row := range []struct{ to, client, verdict, reason string }{
		{"10.96.0.1:80", "10.1.0.9", "forward", "endpoints of all nodes"},
		{"10.96.0.1:81", "10.1.0.9", "reject", "Service shop/web has the address, but no port 81/TCP; its ports are 80/TCP"},
		{"10.96.0.2:80", "10.1.0.9", "reject", "no Service has the address"},
		{"10.96.0.9:80", "10.1.0.9", "reject", "the Service has no endpoints"},
		{"10.96.0.6:80", "10.1.0.9", "reject", `the ready endpoints have no TCP port named "http": containers and EndpointSlices must have it as the Service says`},
		{"10.96.0.8:80", "10.1.0.9", "reject", "Service shop/other has the address, and another proxy serves it (label service.kubernetes.io/service-proxy-name)"},
		{"10.96.0.7:80", "10.1.0.9", "drop", "internalTrafficPolicy is Local and the node where the traffic arrives has no endpoint of its own"},
		{"10.96.0.7:80", "10.2.0.9", "forward", "internalTrafficPolicy is Local: endpoints of the node where the traffic arrives"},
		{"192.0.2.1:30081", "10.1.0.9", "reject", "no Service has the node port 30081/TCP"},
		{"10.3.0.9:80", "10.1.0.9", "reject", "it is the address of an endpoint of Service shop/db, which is reached without a Service"},
	} {
		d := Decide(n, Question{Transport: ir.TCP, To: netip.MustParseAddrPort(row.to), Client: netip.MustParseAddr(row.client)})
		if d.Verdict.String() != row.verdict || d.Reason != row.reason {
			t.Errorf("%s: %s, %s", row.to, d.Verdict, d.Reason)
		}
	}
	d := Decide(n, Question{Transport: ir.TCP, To: netip.MustParseAddrPort("10.96.0.1:80"), Client: netip.MustParseAddr("10.1.0.9")})
	var why []string
	for _, c := range d.Endpoints {
		why = append(why, fmt.Sprint(c.Chosen, " ", c.Reason))
	}
	if want := []string{"true ", "false terminating: used only while no endpoint is ready", "false terminating and not serving", "false not ready"}; !slices.Equal(why, want) {
		t.Errorf("%q", why)
	}
	if d.ClientNode != "a" || !d.ClientPod || d.Kind != ClusterIP || d.Ways[0].Source != netip.MustParseAddr("10.1.0.9") || d.Ways[0].SourceElse != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("%+v", d)
	}
}

// TestDecideKnowsWhatTheServerMeets: a frontend that could not be opened
// refuses, and an endpoint that the dial filter refuses is told as such.
func TestDecideKnowsWhatTheServerMeets(t *testing.T) {
	t.Parallel()
	n := &ir.Network{Nodes: world().nodes, Services: []*ir.Service{web("a1 b1")}}
	q := Question{Transport: ir.TCP, To: netip.MustParseAddrPort("10.96.0.1:80"), Client: netip.MustParseAddr("10.1.0.9")}
	q.DialFilter = func(to netip.AddrPort) error {
		if to.Addr() == netip.MustParseAddr("10.2.0.1") {
			return errors.New("not that one")
		}
		return nil
	}
	why := func(d Decision) (out []string) {
		for _, c := range d.Endpoints {
			out = append(out, fmt.Sprint(c.Addr.Addr(), " ", c.Chosen, " ", c.Refused, " ", c.Reason))
		}
		return out
	}
	if d := Decide(n, q); d.Verdict != Forward || !slices.Equal(why(d), []string{"10.1.0.1 true false ", "10.2.0.1 true true not that one"}) {
		t.Errorf("%s: %q", d.Verdict, why(d))
	}
	for err, reason := range map[error]string{
		os.NewSyscallError("bind", unix.EACCES):        "no permission for ports below net.ipv4.ip_unprivileged_port_start",
		os.NewSyscallError("bind", unix.EADDRINUSE):    "another program listens on it",
		os.NewSyscallError("bind", unix.EADDRNOTAVAIL): "it is not an address of this machine",
		errors.New("something else"):                   "something else",
	} {
		q.Unopened = err
		d := Decide(n, q)
		if d.Verdict != Reject || d.Reason != "Daemun cannot listen there: "+reason || len(d.Ways) > 0 {
			t.Errorf("%v: %s, %s, %d ways", err, d.Verdict, d.Reason, len(d.Ways))
		}
		if got := why(d); got[0] != "10.1.0.1 false false not reached: nobody listens on the address" {
			t.Errorf("%v: %q", err, got)
		}
	}
}

// TestOneEndpointOfTwoSlices: an address that two slices have, with other ports
// beside this one, gets no second share of the connections.
func TestOneEndpointOfTwoSlices(t *testing.T) {
	t.Parallel()
	s := web("a1/z=x a1/z=x a2/z=x")
	s.Ports = append(s.Ports, ir.ServicePort{Name: "more", Transport: ir.TCP, Port: 81})
	for i := range s.Endpoints {
		s.Endpoints[i].Ports = []uint16{80, uint16(81 * (i % 2))}
	}
	s.ExternalLocal = true
	r := rulesOf(s, 0, world())
	for name, set := range map[string][]endpoint{"all": r.all, "hinted": r.hinted[0], "local": r.local[0]} {
		if len(set) != 2 {
			t.Errorf("%s: %v", name, set)
		}
	}
}
