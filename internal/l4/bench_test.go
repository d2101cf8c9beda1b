package l4

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"testing"

	"daemun/internal/ir"
)

// large is a network of n Services, each with a ClusterIP, a node port on one
// node, and three endpoints: two frontends each.
func (l *lab) large(n int) *ir.Network {
	l.Helper()
	// A /16 of its own, beside the blocks of other tests.
	first := netip.AddrFrom4([4]byte{127, 100, 0, 1})
	network := &ir.Network{Nodes: []*ir.Node{{Name: "a", Addresses: []netip.Addr{l.nodeA()}, PodNetworks: []netip.Prefix{netip.PrefixFrom(l.at(64), 26)}}}}
	for i := range n {
		sv := &ir.Service{
			Namespace: "many", Name: fmt.Sprintf("web-%05d", i), ClusterIPs: []netip.Addr{first},
			Ports: []ir.ServicePort{{Transport: ir.TCP, Port: 8000, NodePort: uint16(20000 + i)}},
		}
		for e := range byte(3) {
			sv.Endpoints = append(sv.Endpoints, l.ready(netip.AddrPortFrom(l.podA(e), 8000)))
		}
		network.Services = append(network.Services, sv)
		first = first.Next()
	}
	return network
}

// BenchmarkStart opens the frontends of 5,000 Services.
func BenchmarkStart(b *testing.B) {
	l := newLab(b)
	n := l.large(5000)
	if openFiles() < 12000 {
		b.Skip("too few open files")
	}
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s, err := New(Config{})
		if err != nil {
			b.Fatal(err)
		}
		s.Update(n)
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		if st := s.Stats(); st.Listening != 10000 {
			b.Fatalf("%+v %v", st, s.Problems())
		}
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/10000, "B/frontend")
		s.Shutdown(b.Context())
		b.StartTimer()
	}
}

// BenchmarkFlip changes the endpoints of one Service of 5,000.
func BenchmarkFlip(b *testing.B) {
	l := newLab(b)
	n := l.large(5000)
	if openFiles() < 12000 {
		b.Skip("too few open files")
	}
	s := l.start(Config{}, n)
	other := *n.Services[2500]
	other.Endpoints = other.Endpoints[:2]
	states := [2]*ir.Network{n, {Nodes: n.Nodes, Services: append([]*ir.Service(nil), n.Services...)}}
	states[1].Services[2500] = &other
	i := 0
	for b.Loop() {
		i++
		s.Update(states[i%2])
	}
}

// BenchmarkConnect makes a connection and one exchange on it; client and
// endpoint are in the figure.
func BenchmarkConnect(b *testing.B) {
	l := newLab(b)
	a := l.serve(port(l.podA(0)), func(c *net.TCPConn) {
		defer c.Close()
		var buf [64]byte
		if n, err := c.Read(buf[:]); err == nil {
			c.Write(buf[:n])
		}
	})
	l.start(Config{}, l.network(l.service(ir.TCP, l.ready(a))))
	to := port(l.cluster())
	buf := make([]byte, 64)
	for b.Loop() {
		c, err := dial(l.podA(1), to, patience)
		if err != nil {
			b.Fatal(err)
		}
		c.Write(buf)
		if _, err := io.ReadFull(c.r, buf); err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}

// BenchmarkTrip is one exchange on an open connection.
func BenchmarkTrip(b *testing.B) {
	l := newLab(b)
	a := l.serve(port(l.podA(0)), func(c *net.TCPConn) {
		defer c.Close()
		io.Copy(c, c)
	})
	l.start(Config{}, l.network(l.service(ir.TCP, l.ready(a))))
	c := l.dial(l.podA(1), port(l.cluster()))
	buf := make([]byte, 64)
	for b.Loop() {
		c.Write(buf)
		if _, err := io.ReadFull(c.r, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStream moves 1 MiB.
func BenchmarkStream(b *testing.B) {
	l := newLab(b)
	a := l.serve(port(l.podA(0)), func(c *net.TCPConn) {
		defer c.Close()
		piece := make([]byte, 256<<10)
		for {
			if _, err := c.Write(piece); err != nil {
				return
			}
		}
	})
	l.start(Config{}, l.network(l.service(ir.TCP, l.ready(a))))
	c := l.dial(l.podA(1), port(l.cluster()))
	buf := make([]byte, 1<<20)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		if _, err := io.ReadFull(c.TCPConn, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDatagram is one UDP round trip.
func BenchmarkDatagram(b *testing.B) {
	l := newLab(b)
	a := l.udpEcho(port(l.podA(0)))
	l.start(Config{}, l.network(l.service(ir.UDP, l.ready(a))))
	c := l.udpDial(l.podA(1), port(l.cluster()))
	buf := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		c.Write(buf)
		if _, err := c.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPick chooses an endpoint.
func BenchmarkPick(b *testing.B) {
	s, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Shutdown(b.Context())
	r := rulesOf(web("a1 b2 c3"), 0, world())
	p := &plan{rules: r, kind: ClusterIP, port: &portState{}}
	client := netip.MustParseAddr("10.1.0.9")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, refused := p.pick(s.loops[0], client); refused != admitted {
			b.Fatal(refused)
		}
	}
}
