package daemon

import (
	"net"
	"net/netip"
	"sync"
)

// maxPerClient bounds the connections of one address to the sockets that are
// not for clients. kubelet, Prometheus and the API server need a few each.
const maxPerClient = 64

// perClient bounds the connections of every single address: any Pod may reach
// the admin address and the webhook, and must not use up the memory and the
// descriptors of the data plane there, or the room of kubelet's probes. This
// machine is not bounded.
type perClient struct {
	net.Listener

	mu   sync.Mutex
	open map[netip.Addr]int
}

func limitPerClient(l net.Listener) *perClient {
	return &perClient{Listener: l, open: map[netip.Addr]int{}}
}

// Accept implements net.Listener.
func (l *perClient) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, ok := c.RemoteAddr().(*net.TCPAddr)
		if !ok || from.IP.IsLoopback() {
			return c, nil
		}
		client := from.AddrPort().Addr().Unmap()
		if l.enter(client) {
			return &countedConn{Conn: c, leave: sync.OnceFunc(func() { l.leave(client) })}, nil
		}
		c.Close()
	}
}

func (l *perClient) enter(client netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[client] >= maxPerClient {
		return false
	}
	l.open[client]++
	return true
}

func (l *perClient) leave(client netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[client]--; l.open[client] == 0 {
		delete(l.open, client)
	}
}

// countedConn gives its place back when it is closed.
type countedConn struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
