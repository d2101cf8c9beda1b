package dns

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// resolver is an upstream that keeps the rules: it answers with the question's
// id and question, truncates over UDP what is too long, and knows EDNS unless
// told otherwise. It answers from records; what it does not know does not exist.
type resolver struct {
	t    testing.TB
	addr netip.AddrPort
	udp  *net.UDPConn
	tcp  *net.TCPListener
	done sync.WaitGroup

	mu      sync.Mutex
	records map[string][]dnsmessage.Resource // by lowered "NAME TYPE"
	rcodes  map[string]dnsmessage.RCode      // instead of NXDOMAIN
	plain   bool                             // EDNS is answered FORMERR
	silent  bool
	hold    chan struct{} // if not nil, answers wait for it to be closed
	asked   []string
	arrived chan string
	tamper  func(msg []byte) [][]byte // what is sent instead
	queries [][]byte
	sources []string
}

func newResolver(t testing.TB) *resolver {
	t.Helper()
	return newResolverAt(t, netip.MustParseAddrPort("127.0.0.1:0"))
}

func newResolverAt(t testing.TB, at netip.AddrPort) *resolver {
	t.Helper()
	r := &resolver{t: t, records: map[string][]dnsmessage.Resource{}, rcodes: map[string]dnsmessage.RCode{}, arrived: make(chan string, 1000)}
	for {
		var err error
		if r.tcp, err = listenTCP(context.Background(), at); err != nil {
			t.Fatal(err)
		}
		r.addr = r.tcp.Addr().(*net.TCPAddr).AddrPort()
		if r.udp, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(r.addr)); err == nil {
			break
		}
		r.tcp.Close()
		if at.Port() != 0 {
			t.Fatal(err)
		}
	}
	r.done.Go(r.serveUDP)
	r.done.Go(r.serveTCP)
	t.Cleanup(r.close)
	return r
}

func (r *resolver) close() {
	r.udp.Close()
	r.tcp.Close()
	r.done.Wait()
}

func (r *resolver) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// add takes "NAME TTL TYPE DATA".
func (r *resolver) add(lines ...string) {
	r.t.Helper()
	for _, line := range lines {
		f := strings.Fields(line)
		name := dnsmessage.MustNewName(f[0])
		var ttl uint32
		for _, d := range f[1] {
			ttl = ttl*10 + uint32(d-'0')
		}
		h := dnsmessage.ResourceHeader{Name: name, Type: typeOf(r.t, f[2]), Class: dnsmessage.ClassINET, TTL: ttl}
		var body dnsmessage.ResourceBody
		switch f[2] {
		case "A":
			body = &dnsmessage.AResource{A: netip.MustParseAddr(f[3]).As4()}
		case "AAAA":
			body = &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(f[3]).As16()}
		case "CNAME":
			body = &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(f[3])}
		case "PTR":
			body = &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(f[3])}
		case "MX":
			body = &dnsmessage.MXResource{Pref: 10, MX: dnsmessage.MustNewName(f[3])}
		case "SRV":
			body = &dnsmessage.SRVResource{Port: 1, Target: dnsmessage.MustNewName(f[3])}
		default:
			r.t.Fatalf("the fake resolver cannot hold %s", f[2])
		}
		key := strings.ToLower(f[0]) + " " + f[2]
		r.set(func() { r.records[key] = append(r.records[key], dnsmessage.Resource{Header: h, Body: body}) })
	}
}

// count is how many questions came.
func (r *resolver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.asked)
}

func (r *resolver) serveUDP() {
	buf := make([]byte, 4096)
	for {
		n, from, err := r.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		msg := append([]byte(nil), buf[:n]...)
		r.done.Go(func() {
			r.set(func() { r.sources = append(r.sources, from.String()) })
			for _, answer := range r.answer(msg, true) {
				r.udp.WriteToUDPAddrPort(answer, from)
			}
		})
	}
}

func (r *resolver) serveTCP() {
	for {
		c, err := r.tcp.Accept()
		if err != nil {
			return
		}
		r.done.Go(func() {
			defer c.Close()
			var size [2]byte
			for {
				if _, err := io.ReadFull(c, size[:]); err != nil {
					return
				}
				msg := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := io.ReadFull(c, msg); err != nil {
					return
				}
				for _, answer := range r.answer(msg, false) {
					c.Write(framed(answer))
				}
			}
		})
	}
}

func (r *resolver) answer(msg []byte, udp bool) [][]byte {
	var q dnsmessage.Message
	if err := q.Unpack(msg); err != nil || len(q.Questions) != 1 {
		r.t.Errorf("the upstream got no query: %v %x", err, msg)
		return nil
	}
	name := strings.ToLower(q.Questions[0].Name.String())
	kind := strings.TrimPrefix(q.Questions[0].Type.String(), "Type")
	r.mu.Lock()
	r.asked = append(r.asked, name+" "+kind)
	r.queries = append(r.queries, msg)
	hold, silent, tamper := r.hold, r.silent, r.tamper
	a := r.build(q, name, kind)
	r.mu.Unlock()
	r.arrived <- name + " " + kind
	if hold != nil {
		<-hold
	}
	if silent {
		return nil
	}
	b, err := a.Pack()
	if err != nil {
		r.t.Error(err)
	}
	limit := 512
	if len(q.Additionals) == 1 {
		limit = int(q.Additionals[0].Header.Class)
	}
	if udp && len(b) > limit {
		a.Truncated, a.Answers, a.Authorities = true, nil, nil
		if b, err = a.Pack(); err != nil {
			r.t.Error(err)
		}
	}
	if tamper != nil {
		return tamper(b)
	}
	return [][]byte{b}
}

// build makes the answer. The caller holds mu.
func (r *resolver) build(q dnsmessage.Message, name, kind string) dnsmessage.Message {
	a := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: q.ID, Response: true, RecursionDesired: true, RecursionAvailable: true},
		Questions: q.Questions,
	}
	if r.plain && len(q.Additionals) > 0 {
		a.RCode, a.Questions = dnsmessage.RCodeFormatError, nil
		return a
	}
	if code, ok := r.rcodes[name]; ok {
		a.RCode = code
		return a
	}
	for range 8 {
		if alias := r.records[name+" CNAME"]; len(alias) == 1 && kind != "CNAME" {
			a.Answers = append(a.Answers, alias...)
			name = strings.ToLower(alias[0].Body.(*dnsmessage.CNAMEResource).CNAME.String())
			continue
		}
		break
	}
	a.Answers = append(a.Answers, r.records[name+" "+kind]...)
	if len(a.Answers) == 0 {
		a.RCode = dnsmessage.RCodeNameError
		for key := range r.records {
			if strings.HasPrefix(key, name+" ") {
				a.RCode = dnsmessage.RCodeSuccess
			}
		}
		a.Authorities = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("example.com."), Type: dnsmessage.TypeSOA, Class: dnsmessage.ClassINET, TTL: 60},
			Body:   &dnsmessage.SOAResource{NS: dnsmessage.MustNewName("ns.example.com."), MBox: dnsmessage.MustNewName("root.example.com."), MinTTL: 30},
		}}
	}
	if len(q.Additionals) > 0 {
		withEDNS(1232)(&a)
	}
	return a
}

// closedPort is an address where nobody answers, and where nobody else looks
// for a free port.
func closedPort(t testing.TB) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 45, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}
