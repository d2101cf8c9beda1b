package dns

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"daemun/internal/ir"
)

func addrs(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// endpoint writes "address[/hostname][!]" with port numbers; ! is not ready.
func endpoint(text string, ports ...uint16) ir.ServiceEndpoint {
	text, notReady := strings.CutSuffix(text, "!")
	addr, host, _ := strings.Cut(text, "/")
	return ir.ServiceEndpoint{Addr: netip.MustParseAddr(addr), Hostname: host, Ports: ports, Ready: !notReady, Serving: !notReady}
}

func port(name string, transport ir.Transport, number uint16) ir.ServicePort {
	return ir.ServicePort{Name: name, Transport: transport, Port: number}
}

// networkOf sorts Services as translation does and knows their namespaces.
func networkOf(services ...*ir.Service) *ir.Network {
	n := &ir.Network{Revision: 7, Services: services}
	slices.SortFunc(n.Services, compareServices)
	for _, s := range services {
		n.Namespaces = append(n.Namespaces, s.Namespace)
	}
	slices.Sort(n.Namespaces)
	n.Namespaces = slices.Compact(n.Namespaces)
	return n
}

// question is the wire form of a query. Text is "NAME TYPE".
func question(t testing.TB, text string, change ...func(*dnsmessage.Message)) []byte {
	t.Helper()
	name, kind, ok := strings.Cut(text, " ")
	if !ok {
		kind = "A"
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 4711, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: typeOf(t, kind), Class: dnsmessage.ClassINET}},
	}
	for _, f := range change {
		f(&m)
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func typeOf(t testing.TB, name string) dnsmessage.Type {
	t.Helper()
	known := map[string]dnsmessage.Type{
		"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "ANY": 255, "AXFR": 252, "IXFR": 251, "HTTPS": 65, "TSIG": 250,
	}
	k, ok := known[name]
	if !ok {
		t.Fatalf("the test knows no type %q", name)
	}
	return k
}

// withEDNS adds OPT.
func withEDNS(size int) func(*dnsmessage.Message) {
	return func(m *dnsmessage.Message) {
		var h dnsmessage.ResourceHeader
		if err := h.SetEDNS0(size, dnsmessage.RCodeSuccess, false); err != nil {
			panic(err)
		}
		m.Additionals = append(m.Additionals, dnsmessage.Resource{Header: h, Body: &dnsmessage.OPTResource{}})
	}
}

// text writes an answer as lines: the response code with flags, then one
// record each, those of a section in alphabetical order.
func text(t testing.TB, wire []byte) string {
	t.Helper()
	var m dnsmessage.Message
	if err := m.Unpack(wire); err != nil {
		t.Fatalf("the answer is no DNS message: %v\n%x", err, wire)
	}
	first := strings.ToUpper(rcodeName(int(m.RCode)))
	for _, f := range []struct {
		set  bool
		name string
	}{{m.Authoritative, "aa"}, {m.Truncated, "tc"}, {m.AuthenticData, "ad"}} {
		if f.set {
			first += " " + f.name
		}
	}
	lines := []string{first}
	for _, section := range []struct {
		prefix  string
		records []dnsmessage.Resource
	}{{"", m.Answers}, {"authority ", m.Authorities}, {"additional ", m.Additionals}} {
		var list []string
		for _, r := range section.records {
			list = append(list, section.prefix+record(r))
		}
		aliases := 0 // they have an order, and come first
		for aliases < len(list) && strings.Contains(list[aliases], " CNAME ") {
			aliases++
		}
		slices.Sort(list[aliases:])
		lines = append(lines, list...)
	}
	return strings.Join(lines, "\n")
}

func record(r dnsmessage.Resource) string {
	head := fmt.Sprintf("%s %d ", r.Header.Name, r.Header.TTL)
	switch b := r.Body.(type) {
	case *dnsmessage.AResource:
		return head + "A " + netip.AddrFrom4(b.A).String()
	case *dnsmessage.AAAAResource:
		return head + "AAAA " + netip.AddrFrom16(b.AAAA).String()
	case *dnsmessage.SRVResource:
		return head + fmt.Sprintf("SRV %d %d %d %s", b.Priority, b.Weight, b.Port, b.Target)
	case *dnsmessage.CNAMEResource:
		return head + "CNAME " + b.CNAME.String()
	case *dnsmessage.PTRResource:
		return head + "PTR " + b.PTR.String()
	case *dnsmessage.NSResource:
		return head + "NS " + b.NS.String()
	case *dnsmessage.MXResource:
		return head + fmt.Sprintf("MX %d %s", b.Pref, b.MX)
	case *dnsmessage.TXTResource:
		return head + fmt.Sprintf("TXT %q", b.TXT)
	case *dnsmessage.SOAResource:
		return head + fmt.Sprintf("SOA %s %s %d %d", b.NS, b.MBox, b.Serial, b.MinTTL)
	case *dnsmessage.OPTResource:
		extra := ""
		for _, o := range b.Options {
			extra += fmt.Sprintf(" option %d %x", o.Code, o.Data)
		}
		return fmt.Sprintf("OPT size %d rcode+%d version %d%s", r.Header.Class, r.Header.TTL>>24, r.Header.TTL>>16&0xff, extra)
	case *dnsmessage.UnknownResource:
		return head + fmt.Sprintf("TYPE%d %q", b.Type, b.Data)
	}
	return head + r.Header.Type.String()
}

// direct asks without a socket; questions for upstreams are not answered.
func direct(t testing.TB, s *Server, wire []byte, limit int) string {
	t.Helper()
	answer, what := s.respond(&counters{}, new(query), wire, make([]byte, limit), limit)
	switch what {
	case dropped:
		return "dropped"
	case forwarded:
		return "forwarded"
	}
	return text(t, answer)
}

// run starts the server and stops it with the test.
func run(t testing.TB, s *Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// listening makes a running server on loopback and returns its address.
func listening(t testing.TB, c Config, n *ir.Network) (*Server, netip.AddrPort) {
	t.Helper()
	s := New(c)
	at, err := s.Listen(context.Background(), netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	if n != nil {
		s.Update(n)
	}
	run(t, s)
	return s, at
}
