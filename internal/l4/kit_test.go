package l4

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"daemun/internal/ir"
)

// lab is a block of loopback addresses of a test's own: nodes a and b, with
// Pods in 127.x.y.64/26 and 127.x.y.128/26.
type lab struct {
	testing.TB
	block [2]byte
}

func newLab(t testing.TB) *lab {
	t.Helper()
	for range 1000 {
		l := &lab{TB: t, block: [2]byte{byte(40 + rand.IntN(50)), byte(rand.IntN(256))}}
		guard, err := net.Listen("tcp", netip.AddrPortFrom(l.at(254), 47111).String())
		if err == nil {
			t.Cleanup(func() { guard.Close() })
			return l
		}
	}
	t.Fatal("no block of addresses is free")
	return nil
}

func (l *lab) at(host byte) netip.Addr {
	return netip.AddrFrom4([4]byte{127, l.block[0], l.block[1], host})
}

// Addresses by role.
func (l *lab) nodeA() netip.Addr        { return l.at(1) }
func (l *lab) nodeB() netip.Addr        { return l.at(2) }
func (l *lab) cluster() netip.Addr      { return l.at(20) }
func (l *lab) balancer() netip.Addr     { return l.at(30) }
func (l *lab) external() netip.Addr     { return l.at(40) }
func (l *lab) outside() netip.Addr      { return l.at(50) }
func (l *lab) podA(i byte) netip.Addr   { return l.at(64 + i) }
func (l *lab) podB(i byte) netip.Addr   { return l.at(128 + i) }
func (l *lab) nodes() []*ir.Node        { return []*ir.Node{l.node("a", 1, 64), l.node("b", 2, 128)} }
func port(a netip.Addr) netip.AddrPort  { return netip.AddrPortFrom(a, 8000) }
func nodeP(a netip.Addr) netip.AddrPort { return netip.AddrPortFrom(a, 30080) }

func (l *lab) node(name string, host, pods byte) *ir.Node {
	return &ir.Node{Name: name, Zone: "zone-" + name, Addresses: []netip.Addr{l.at(host)}, PodNetworks: []netip.Prefix{netip.PrefixFrom(l.at(pods), 26)}}
}

// service has every kind of address, on port 8000 and node port 30080.
func (l *lab) service(t ir.Transport, endpoints ...ir.ServiceEndpoint) *ir.Service {
	return &ir.Service{
		Namespace: "shop", Name: "web",
		ClusterIPs: []netip.Addr{l.cluster()}, LoadBalancerIPs: []netip.Addr{l.balancer()}, ExternalIPs: []netip.Addr{l.external()},
		Ports:     []ir.ServicePort{{Transport: t, Port: 8000, NodePort: 30080}},
		Endpoints: endpoints,
	}
}

func (l *lab) network(services ...*ir.Service) *ir.Network {
	return &ir.Network{Nodes: l.nodes(), Services: services}
}

// ready is a ready endpoint; its node follows from its address.
func (l *lab) ready(a netip.AddrPort) ir.ServiceEndpoint {
	node := "a"
	if a.Addr().As4()[3] >= 128 {
		node = "b"
	}
	return ir.ServiceEndpoint{Addr: a.Addr(), Ports: []uint16{a.Port()}, Node: node, Ready: true, Serving: true}
}

func terminating(e ir.ServiceEndpoint) ir.ServiceEndpoint {
	e.Ready, e.Terminating = false, true
	return e
}

func notReady(e ir.ServiceEndpoint) ir.ServiceEndpoint {
	e.Ready, e.Serving = false, false
	return e
}

// start runs a server until the end of the test.
func (l *lab) start(c Config, n *ir.Network) *Server {
	l.Helper()
	s, err := New(c)
	if err != nil {
		l.Fatal(err)
	}
	s.Update(n)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(context.Background()); err != nil {
			l.Error(err)
		}
	}()
	l.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // cut at once
		_ = s.Shutdown(ctx)
		<-done
	})
	for _, p := range s.Problems() {
		if p.Severity == ir.SeverityError {
			l.Errorf("problem: %s", p)
		}
	}
	return s
}

// dropped is what a client experiences that a policy drops: where the kernel
// wants a privilege for filters that we lack, it is reset instead.
func dropped(want string) string {
	if want == "dropped" && !filtersWork() {
		return "reset"
	}
	return want
}

var filtersWork = sync.OnceValue(func() bool {
	fd, e := newSocket(true, unix.SOCK_STREAM)
	if e != 0 {
		return false
	}
	defer unix.Close(fd)
	return attachFilter(fd, []unix.SockFilter{verdict(true)}) == nil
})

// endpoint serves TCP at an address: it says who it is and whom it sees, then
// echoes until the end, which it gives back.
func (l *lab) endpoint(a netip.AddrPort) netip.AddrPort {
	l.Helper()
	return l.serve(a, func(c *net.TCPConn) {
		defer c.Close()
		fmt.Fprintf(c, "%s %s\n", c.LocalAddr(), c.RemoteAddr().(*net.TCPAddr).IP)
		if _, err := io.Copy(c, c); err == nil {
			c.CloseWrite()
		}
	})
}

func (l *lab) serve(a netip.AddrPort, handle func(*net.TCPConn)) netip.AddrPort {
	l.Helper()
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(a))
	if err != nil {
		l.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			all.Go(func() { handle(c) })
		}
	})
	l.Cleanup(func() { listener.Close(); all.Wait() })
	return listener.Addr().(*net.TCPAddr).AddrPort()
}

// client is a connection and a reader on it.
type client struct {
	*net.TCPConn
	r *bufio.Reader
}

// shortly is how long a client waits for one that drops it.
const shortly = 150 * time.Millisecond

const patience = 20 * time.Second

func dial(from netip.Addr, to netip.AddrPort, timeout time.Duration) (*client, error) {
	d := net.Dialer{Timeout: timeout, LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	c, err := d.Dial("tcp", to.String())
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return &client{c.(*net.TCPConn), bufio.NewReader(c)}, nil
}

func (l *lab) dial(from netip.Addr, to netip.AddrPort) *client {
	l.Helper()
	c, err := dial(from, to, patience)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { c.Close() })
	return c
}

// hello reads what an endpoint says of itself and of the client.
func (c *client) hello() (endpoint netip.AddrPort, source netip.Addr, err error) {
	line, err := c.r.ReadString('\n')
	if err != nil {
		return endpoint, source, err
	}
	me, you, _ := strings.Cut(strings.TrimSpace(line), " ")
	return netip.MustParseAddrPort(me), netip.MustParseAddr(you), nil
}

// outcome is what a client experiences, in one word or as endpoint and source.
func (l *lab) outcome(from netip.Addr, to netip.AddrPort) string {
	l.Helper()
	return l.outcomeWithin(from, to, patience)
}

// wanted is outcome where something certain is expected: a client that should
// be dropped does not wait for long.
func (l *lab) wanted(from netip.Addr, to netip.AddrPort, want string) string {
	l.Helper()
	if want == "dropped" {
		return l.outcomeWithin(from, to, shortly)
	}
	return l.outcome(from, to)
}

func (l *lab) outcomeWithin(from netip.Addr, to netip.AddrPort, d time.Duration) string {
	l.Helper()
	c, err := dial(from, to, d)
	if err != nil {
		return failure(err)
	}
	defer c.Close()
	e, source, err := c.hello()
	if err != nil {
		return failure(err)
	}
	return fmt.Sprintf("%d sees %d", e.Addr().As4()[3], source.As4()[3])
}

func failure(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, os.ErrDeadlineExceeded):
		return "dropped"
	}
	return err.Error()
}

// until looks again and again; it fails the test after a long time.
func (l *lab) until(what string, done func() bool) {
	l.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !done(); <-tick.C {
		if time.Now().After(end) {
			l.Fatalf("waited in vain until %s", what)
		}
	}
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Now()} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func (l *lab) listen(a netip.AddrPort) net.Listener {
	l.Helper()
	listener, err := net.Listen("tcp", a.String())
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { listener.Close() })
	return listener
}

func newDeadline() (context.Context, context.CancelFunc) {
	return context.WithCancel(context.Background())
}
