package dns

import (
	"fmt"
	"net/netip"
	"testing"

	"daemun/internal/ir"
)

// TestHotPathAllocatesNothing covers the questions that are asked all day.
func TestHotPathAllocatesNothing(t *testing.T) {
	s := New(Config{Upstreams: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")}})
	s.Update(example())
	c, q, out := &counters{}, new(query), make([]byte, maxUDP)
	warm := func(text string) []byte {
		msg := question(t, text, withEDNS(1232))
		if _, what := s.respond(c, q, msg, out, minUDP); what == forwarded {
			r := &reply{base: headerSize + len(q.question), ttl: maxPositive, born: s.now()}
			s.forward.cache.put(string(q.key(nil)), r, s.now())
		}
		return msg
	}
	for _, text := range []string{
		"web.default.svc.cluster.local. A", "WEB.default.svc.cluster.local. AAAA", "pg.db.svc.cluster.local. A", "pg-0.pg.db.svc.cluster.local. A",
		"_sql._tcp.pg.db.svc.cluster.local. SRV", "www.example.com.default.svc.cluster.local. A", "www.example.com.cluster.local. AAAA",
		"four.default.svc.cluster.local. AAAA", "in.ext.svc.cluster.local. A", "20.0.96.10.in-addr.arpa. PTR", "www.example.com. A", "out.ext.svc.cluster.local. A",
	} {
		msg := warm(text)
		allocs := testing.AllocsPerRun(100, func() {
			if answer, what := s.respond(c, q, msg, out, minUDP); what != answered || len(answer) == 0 {
				t.Fatalf("%s is not answered", text)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", text, allocs)
		}
	}
}

func BenchmarkAnswer(b *testing.B) {
	s := New(Config{})
	s.Update(example())
	for name, text := range map[string]string{
		"A": "web.default.svc.cluster.local. A", "NXDOMAIN": "www.example.com.default.svc.cluster.local. A",
		"SRV": "_sql._tcp.pg.db.svc.cluster.local. SRV", "Pod": "10-244-1-1.default.pod.cluster.local. A",
	} {
		b.Run(name, func(b *testing.B) {
			c, q, out, msg := &counters{}, new(query), make([]byte, maxUDP), question(b, text, withEDNS(1232))
			b.ReportAllocs()
			for b.Loop() {
				s.respond(c, q, msg, out, minUDP)
			}
		})
	}
}

// large has so many Services; every tenth is headless with 40 endpoints.
func large(count int) *ir.Network {
	var services []*ir.Service
	for i := range count {
		s := &ir.Service{Namespace: fmt.Sprintf("team-%02d", i%50), Name: fmt.Sprintf("service-%04d", i), Ports: []ir.ServicePort{port("http", ir.TCP, 80)}}
		if i%10 == 0 {
			s.Headless = true
			for j := range 40 {
				s.Endpoints = append(s.Endpoints, endpoint(fmt.Sprintf("10.%d.%d.%d", 128+i>>8, i&255, j), 8080))
			}
		} else {
			s.ClusterIPs = []netip.Addr{netip.AddrFrom4([4]byte{10, 96, byte(i >> 8), byte(i)})}
		}
		services = append(services, s)
	}
	return networkOf(services...)
}

// flipped is n with one endpoint of one headless Service not ready any more.
func flipped(n *ir.Network) *ir.Network {
	next := *n
	next.Services = append([]*ir.Service(nil), n.Services...)
	for i, s := range next.Services {
		if s.Headless {
			changed := *s
			changed.Endpoints = append([]ir.ServiceEndpoint(nil), s.Endpoints...)
			changed.Endpoints[0].Ready = !changed.Endpoints[0].Ready
			next.Services[i] = &changed
			break
		}
	}
	return &next
}

func BenchmarkUpdate(b *testing.B) {
	n := large(5000)
	b.Run("flip", func(b *testing.B) {
		s := New(Config{})
		s.Update(n)
		other := flipped(n)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			s.Update([]*ir.Network{other, n}[i%2])
		}
	})
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			New(Config{}).Update(n)
		}
	})
}
