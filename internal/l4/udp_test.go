package l4

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"daemun/internal/ir"
)

// udpEndpoint answers each datagram with who it is, whom it sees and the
// datagram.
func (l *lab) udpEndpoint(a netip.AddrPort) (netip.AddrPort, *net.UDPConn) {
	l.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
	if err != nil {
		l.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 64<<10)
		for {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				c.WriteToUDPAddrPort(fmt.Appendf(nil, "%d sees %d: %s", a.Addr().As4()[3], from.Addr().As4()[3], b[:n]), from)
			}
		}
	}()
	l.Cleanup(func() { c.Close(); <-done })
	return c.LocalAddr().(*net.UDPAddr).AddrPort(), c
}

func (l *lab) udpDial(from netip.Addr, to netip.AddrPort) *net.UDPConn {
	l.Helper()
	c, err := net.DialUDP("udp", &net.UDPAddr{IP: from.AsSlice()}, net.UDPAddrFromAddrPort(to))
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { c.Close() })
	return c
}

// ask sends a datagram and returns the answer, "refused" or "silence".
func ask(c *net.UDPConn, text string) string {
	if _, err := c.Write([]byte(text)); err != nil {
		return failure(err)
	}
	c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 64<<10)
	n, err := c.Read(b)
	if err != nil {
		return failure(err)
	}
	return string(b[:n])
}

func TestUDPFlow(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, _ := l.udpEndpoint(port(l.podA(0)))
	s := l.start(Config{}, l.network(l.service(ir.UDP, l.ready(a))))
	for _, row := range []struct {
		from netip.Addr
		to   netip.AddrPort
		want string
	}{
		{l.podB(1), port(l.cluster()), "64 sees 129: x"},
		{l.podA(0), port(l.cluster()), "64 sees 64: x"}, // hairpin
		{l.outside(), nodeP(l.nodeB()), "64 sees 2: x"},
	} {
		// A connected client hears only what comes from the frontend's address.
		c := l.udpDial(row.from, row.to)
		for range 3 {
			if got := ask(c, "x"); got != row.want {
				t.Errorf("%s to %s: %q, want %q", row.from, row.to, got, row.want)
			}
		}
	}
	long := strings.Repeat("y", 60000)
	if got := ask(l.udpDial(l.podB(1), port(l.cluster())), long); got != "64 sees 129: "+long {
		t.Errorf("long datagram: %d octets", len(got))
	}
	if st := s.Stats(); st.Flows != 4 || st.OpenFlows != 4 || st.DatagramsIn != 10 || st.DatagramsOut != 10 || st.DatagramsLost != 0 {
		t.Errorf("%+v", st)
	}
}

func TestUDPWithoutEndpointsIsRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, _ := l.udpEndpoint(port(l.podA(0)))
	s := l.start(Config{}, l.network(l.service(ir.UDP, l.ready(a))))
	c := l.udpDial(l.podA(1), port(l.cluster()))
	if got := ask(c, "x"); got != "64 sees 65: x" {
		t.Error(got)
	}
	s.Update(l.network(l.service(ir.UDP)))
	if got := ask(c, "x"); got != "refused" {
		t.Error(got)
	}
	s.Update(l.network(l.service(ir.UDP, l.ready(a))))
	if got := ask(c, "x"); got != "64 sees 65: x" {
		t.Error(got)
	}
}

// TestUDPFlowsFollowServing: a flow stays with an endpoint that still serves,
// whatever else changes, and leaves one that does not at once.
func TestUDPFlowsFollowServing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, _ := l.udpEndpoint(port(l.podA(0)))
	b, _ := l.udpEndpoint(port(l.podB(0)))
	s := l.start(Config{}, l.network(l.service(ir.UDP, l.ready(a))))
	c := l.udpDial(l.podA(1), port(l.cluster()))
	for _, step := range []struct {
		name      string
		endpoints []ir.ServiceEndpoint
		want      string
	}{
		{"the only one", []ir.ServiceEndpoint{l.ready(a)}, "64"},
		{"another endpoint", []ir.ServiceEndpoint{l.ready(a), l.ready(b)}, "64"},
		{"terminating, still serving", []ir.ServiceEndpoint{terminating(l.ready(a)), l.ready(b)}, "64"},
		{"no longer serving", []ir.ServiceEndpoint{notReady(terminating(l.ready(a))), l.ready(b)}, "128"},
		{"first is back", []ir.ServiceEndpoint{l.ready(a), l.ready(b)}, "128"},
		{"second is gone", []ir.ServiceEndpoint{l.ready(a)}, "64"},
	} {
		s.Update(l.network(l.service(ir.UDP, step.endpoints...)))
		if got := ask(c, "x"); got != step.want+" sees 65: x" {
			t.Errorf("%s: %q, want %s", step.name, got, step.want)
		}
	}
}

func TestUDPRefusedByEndpointEndsTheFlow(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, conn := l.udpEndpoint(port(l.podA(0)))
	s := l.start(Config{}, l.network(l.service(ir.UDP, l.ready(a))))
	c := l.udpDial(l.podA(1), port(l.cluster()))
	ask(c, "x")
	conn.Close()
	c.Write([]byte("x"))
	l.until("the flow ends", func() bool { return s.Stats().OpenFlows == 0 })
	if s.Stats().FlowsRefused != 1 {
		t.Errorf("%+v", s.Stats())
	}
	l.udpEndpoint(a) // back on the same address
	if got := ask(c, "x"); got != "64 sees 65: x" {
		t.Error(got)
	}
}

func TestUDPPolicyIsSilent(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, _ := l.udpEndpoint(port(l.podA(0)))
	sv := l.service(ir.UDP, l.ready(a))
	sv.InternalLocal = true
	l.start(Config{}, l.network(sv))
	dropped, served := l.udpDial(l.podB(1), port(l.cluster())), l.udpDial(l.podA(1), port(l.cluster()))
	dropped.Write([]byte("x"))
	if got := ask(served, "x"); got != "64 sees 65: x" {
		t.Error(got)
	}
	// What was sent before has been looked at by now.
	dropped.SetReadDeadline(time.Now())
	if _, err := dropped.Read(make([]byte, 1)); errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
}

func TestUDPFlowsExpireAndAreBounded(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, _ := l.udpEndpoint(port(l.podA(0)))
	clock := newClock()
	s := l.start(Config{now: clock.now, MaxFlows: 3, loops: 1}, l.network(l.service(ir.UDP, l.ready(a))))
	clients := make([]*net.UDPConn, 4)
	for i := range clients {
		clients[i] = l.udpDial(l.podA(byte(1+i)), port(l.cluster()))
		ask(clients[i], "x")
		clock.add(time.Second)
	}
	if st := s.Stats(); st.OpenFlows != 3 || st.FlowsEvicted != 1 {
		t.Errorf("%+v", st)
	}
	clock.add(117 * time.Second) // the oldest of the three has idled for 120 s
	l.until("one flow expires", func() bool { return s.Stats().OpenFlows == 2 })
	clock.add(time.Hour)
	l.until("all flows expire", func() bool { return s.Stats().OpenFlows == 0 })
}

func TestUDPUnrepliedFlowExpiresSooner(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	silent, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(port(l.podA(0))))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	clock := newClock()
	s := l.start(Config{now: clock.now}, l.network(l.service(ir.UDP, l.ready(port(l.podA(0))))))
	l.udpDial(l.podA(1), port(l.cluster())).Write([]byte("x"))
	l.until("the flow begins", func() bool { return s.Stats().OpenFlows == 1 })
	clock.add(30 * time.Second)
	l.until("the flow expires", func() bool { return s.Stats().OpenFlows == 0 })
}

// TestUDPAllocatesNothing: a datagram of a known flow takes no memory.
func TestUDPAllocatesNothing(t *testing.T) {
	l := newLab(t)
	echo := l.udpEcho(port(l.podA(0)))
	l.start(Config{}, l.network(l.service(ir.UDP, l.ready(echo))))
	c := l.udpDial(l.podA(1), port(l.cluster()))
	b := make([]byte, 64)
	trip := func() {
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(b); err != nil {
			t.Fatal(err)
		}
	}
	trip()
	if n := testing.AllocsPerRun(200, trip); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// udpEcho gives datagrams back and allocates nothing.
func (l *lab) udpEcho(a netip.AddrPort) netip.AddrPort {
	l.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
	if err != nil {
		l.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 64<<10)
		for {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			c.WriteToUDPAddrPort(b[:n], from)
		}
	}()
	l.Cleanup(func() { c.Close(); <-done })
	return a
}
