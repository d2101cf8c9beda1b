package l4

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"daemun/internal/ir"
)

// TestIPv6 serves on the only IPv6 address that loopback has, with endpoints
// of either family.
func TestIPv6(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	six, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here")
	}
	// A port that is free is the Service's, once this is closed.
	to := six.Addr().(*net.TCPAddr).AddrPort()
	six.Close()
	four := l.endpoint(port(l.podA(0)))
	self := l.endpoint(netip.AddrPortFrom(netip.IPv6Loopback(), 0))
	sv := func(e netip.AddrPort) *ir.Network {
		return l.network(&ir.Service{
			Namespace: "shop", Name: "six", ClusterIPs: []netip.Addr{netip.IPv6Loopback()}, Ports: []ir.ServicePort{{Transport: ir.TCP, Port: to.Port()}},
			Endpoints: []ir.ServiceEndpoint{{Addr: e.Addr(), Ports: []uint16{e.Port()}, Ready: true, Serving: true}},
		})
	}
	s := l.start(Config{}, sv(self))
	for want, e := range map[string]netip.AddrPort{"::1": self, l.nodeA().String(): four} {
		s.Update(sv(e))
		// An IPv6 client cannot be shown to an IPv4 endpoint: it sees the
		// receiving node, which is the first.
		c := l.dial(netip.IPv6Loopback(), to)
		got, source, err := c.hello()
		if err != nil || got != e || source.String() != want {
			t.Errorf("%s sees %s, want %s (%v)", got, source, want, err)
		}
	}
}

// TestIPv6Filter: the source is at another place in the header.
func TestIPv6Filter(t *testing.T) {
	t.Parallel()
	f := &sourceFilter{rest: true, rules: []sourceRule{{netip.MustParsePrefix("::1/128"), false}}}
	fd, e := newSocket(false, unix.SOCK_STREAM)
	if e != 0 {
		t.Skip("no IPv6 here")
	}
	defer unix.Close(fd)
	program, _ := f.compile(false)
	if err := attachFilter(fd, program); err != nil {
		t.Skipf("no filter here: %v", err)
	}
	if e := bindTo(fd, netip.AddrPortFrom(netip.IPv6Loopback(), 0)); e != 0 {
		t.Skip("no IPv6 here")
	}
	if err := unix.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	to := netip.AddrPortFrom(netip.IPv6Loopback(), uint16(bound.(*unix.SockaddrInet6).Port))
	if _, err := dial(netip.IPv6Loopback(), to, shortly); err == nil || failure(err) != "dropped" {
		t.Errorf("filtered: %v", err)
	}
	if err := attachFilter(fd, nil); err != nil {
		t.Fatal(err)
	}
	c, err := dial(netip.IPv6Loopback(), to, patience)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// TestConnectedToItself makes such a socket on purpose.
func TestConnectedToItself(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	self := port(l.podA(0))
	fd, e := newSocket(true, unix.SOCK_STREAM)
	if e != 0 {
		t.Fatal(e)
	}
	defer unix.Close(fd)
	if e := bindTo(fd, self); e != 0 {
		t.Fatal(e)
	}
	if e := connectTo(fd, self); e != 0 && e != unix.EINPROGRESS {
		t.Fatal(e)
	}
	if !connectedToItself(fd) {
		t.Error("not recognised")
	}
}

// TestAddresses: what is written for the kernel is read back the same.
func TestAddresses(t *testing.T) {
	t.Parallel()
	var s sockaddr
	for _, a := range []string{"127.1.2.3:1", "[::1]:65535", "[2001:db8::1]:258", "0.0.0.0:0"} {
		want := netip.MustParseAddrPort(a)
		encode(&s, want)
		if got := decode(&s); got != want {
			t.Errorf("%s: %s", want, got)
		}
	}
	if decode(&sockaddr{}).IsValid() {
		t.Error("an address of no family")
	}
}
