package l4

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"daemun/internal/ir"
)

// next makes a server that goes on with the sockets of another one, and does
// not run it.
func (l *lab) next(old *Server, n *ir.Network) *Server {
	l.Helper()
	s, err := New(Config{Inherited: old.Sockets(100)})
	if err != nil {
		l.Fatal(err)
	}
	s.Update(n)
	if p := s.Problems(); len(p) > 0 {
		l.Errorf("problems: %v", p)
	}
	return s
}

// runs starts it until the end of the test.
func (l *lab) runs(s *Server) {
	done := make(chan error, 1)
	go func() { done <- s.Run(context.Background()) }()
	l.Cleanup(func() {
		shutdownNow(s)
		if err := <-done; err != nil {
			l.Error(err)
		}
	})
}

func shutdownNow(s *Server) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.Shutdown(ctx) // the end of ctx is no news
}

// answers asks every address of the Service.
func (l *lab) answers(when string) {
	l.Helper()
	for _, a := range []netip.AddrPort{port(l.cluster()), port(l.external()), port(l.balancer()), nodeP(l.nodeA())} {
		c := l.dial(l.outside(), a)
		if _, err := c.r.ReadString('\n'); err != nil {
			l.Errorf("%s: %s: %v", when, a, err)
		}
		c.Close()
	}
}

// TestSocketsPassOn: no address is closed at any moment, whoever serves.
func TestSocketsPassOn(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	n := l.network(l.service(ir.TCP, l.ready(l.endpoint(port(l.podA(0))))))
	old := l.start(Config{}, n)
	s := l.next(old, n)
	l.answers("both have them")
	waiting := l.dial(l.outside(), port(l.cluster()))
	l.runs(s)
	l.answers("both run")
	if _, err := waiting.r.ReadString('\n'); err != nil {
		t.Error(err)
	}
	waiting.Close()
	shutdownNow(old)
	l.answers("the old one has ended")
}

// TestWhoFailsEndsNothing: a server that has not run closes its own sockets
// only.
func TestWhoFailsEndsNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	n := l.network(l.service(ir.TCP, l.ready(l.endpoint(port(l.podA(0))))))
	old := l.start(Config{}, n)
	s := l.next(old, n)
	s.Update(l.network(l.service(ir.TCP))) // no endpoint: closed
	l.answers("the next one closed them")
	shutdownNow(s)
	l.answers("the next one failed")
}

// TestSocketThatTheOldOneEnded is opened again by the next one.
func TestSocketThatTheOldOneEnded(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	n := l.network(l.service(ir.TCP, l.ready(l.endpoint(port(l.podA(0))))))
	old := l.start(Config{}, n)
	s := l.next(old, n)
	old.Update(l.network(l.service(ir.TCP)))
	shutdownNow(old)
	l.runs(s)
	for deadline := time.Now().Add(patience); ; { // Run has to look first
		c, err := dial(l.outside(), nodeP(l.nodeA()), patience)
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
}

// TestDatagramsPassOn: a UDP socket is taken over, too.
func TestDatagramsPassOn(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	to, _ := l.udpEndpoint(port(l.podA(0)))
	n := l.network(l.service(ir.UDP, l.ready(to)))
	old := l.start(Config{}, n)
	s := l.next(old, n)
	shutdownNow(old)
	l.runs(s)
	if got := ask(l.udpDial(l.outside(), port(l.cluster())), "hello"); !strings.HasSuffix(got, ": hello") {
		t.Errorf("got %q", got)
	}
}

// TestSocketsThatFitNothing are closed: of another kind than is said, at
// another address, twice, or not of any Service.
func TestSocketsThatFitNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	at := func(host byte) (Socket, net.Listener) {
		listener := l.listen(netip.AddrPortFrom(l.at(host), 0))
		raw, err := listener.(*net.TCPListener).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		s := Socket{Transport: ir.TCP, At: listener.Addr().(*net.TCPAddr).AddrPort()}
		if err := raw.Control(func(fd uintptr) { s.FD, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil || s.FD < 0 {
			t.Fatal(err)
		}
		return s, listener
	}
	var sockets []Socket
	var addresses []netip.AddrPort
	for i := range byte(4) {
		s, listener := at(60 + i)
		addresses = append(addresses, s.At)
		switch i {
		case 0:
			s.Transport = ir.UDP
		case 1:
			s.At = netip.AddrPort{}
		case 2:
			s.Transport = "SCTP"
		}
		sockets = append(sockets, s)
		listener.Close()
	}
	s, err := New(Config{Inherited: sockets})
	if err != nil {
		t.Fatal(err)
	}
	defer shutdownNow(s)
	s.Update(l.network())
	for i, a := range addresses {
		if c, err := net.Dial("tcp", a.String()); err == nil {
			c.Close()
			t.Errorf("socket %d is still open", i)
		}
	}
}
