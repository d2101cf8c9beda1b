package proxy

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"daemun/internal/ir"
)

// TestH6_6_IdleClientsAreClosed: a client that asks nothing more is let go.
func TestH6_6_IdleClientsAreClosed(t *testing.T) {
	t.Parallel()
	cfg := oneRoute(nil)
	cfg.Settings.KeepAlive = ir.Duration(10 * time.Millisecond)
	r := newRig(t, cfg)
	r.endpoints(newScript(t, answering(ok)).addr())
	c := r.dial()
	if resp, _ := c.get("/"); resp.StatusCode != 200 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	if rest := c.rest(); rest != "" { // comes to the end before the client's patience does
		t.Errorf("got %q", rest)
	}
	eventually(t, "the connection is gone", func() bool { s := r.server.Stats(); return s.Idle+s.Active == 0 })
}

// TestH6_9_ConnectTimesOut: an endpoint that answers no SYN, its queue being
// full, costs the time to connect and no more.
func TestH6_9_ConnectTimesOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, oneRoute(func(_ *ir.Host, route *ir.Route) {
		route.ConnectTimeout, route.Retry.Tries = ir.Duration(50*time.Millisecond), 1
	}))
	r.endpoints(fullListener(t))
	c := r.dial()
	if resp, _ := c.get("/"); resp.StatusCode != 504 {
		t.Errorf("status %d, want 504", resp.StatusCode)
	}
	if b := r.upstreams.Backend(backendID).Status()[0]; b.Active != 0 {
		t.Errorf("%d requests still count", b.Active)
	}
}

// fullListener is a socket that listens with the shortest queue, which is full.
func fullListener(t *testing.T) netip.AddrPort {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	socket := func() int {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
		must(err)
		t.Cleanup(func() { _ = syscall.Close(fd) })
		return fd
	}
	fd := socket()
	must(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	must(err)
	addr := name.(*syscall.SockaddrInet4)
	for range 4 { // over loopback each one is in the queue, or dropped, when connect returns
		if err := syscall.Connect(socket(), addr); err != nil && err != syscall.EINPROGRESS {
			t.Fatal(err)
		}
	}
	return netip.AddrPortFrom(netip.AddrFrom4(addr.Addr), uint16(addr.Port))
}
