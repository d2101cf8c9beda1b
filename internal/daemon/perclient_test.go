package daemon

import (
	"errors"
	"net"
	"testing"
)

// fromAddress is a connection that says where it comes from.
type fromAddress struct {
	net.Conn
	from   net.Addr
	closed bool
}

func (c *fromAddress) RemoteAddr() net.Addr { return c.from }
func (c *fromAddress) Close() error         { c.closed = true; return nil }

// arriving hands out connections.
type arriving struct {
	net.Listener
	list []*fromAddress
}

var errEnd = errors.New("no more connections")

func (l *arriving) Accept() (net.Conn, error) {
	if len(l.list) == 0 {
		return nil, errEnd
	}
	c := l.list[0]
	l.list = l.list[1:]
	return c, nil
}

// TestConnectionsPerClient: one address has its share, others have theirs, a
// closed connection makes room once, and this machine is not bounded.
func TestConnectionsPerClient(t *testing.T) {
	t.Parallel()
	from := func(ip string) *fromAddress { return &fromAddress{from: &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}} }
	in := &arriving{}
	l := limitPerClient(in)
	accepted := func(ip string, n int) (list []net.Conn) {
		for range n {
			in.list = append(in.list, from(ip))
		}
		for {
			c, err := l.Accept()
			if err != nil {
				return list
			}
			list = append(list, c)
		}
	}
	first := accepted("10.0.0.1", maxPerClient+5)
	if len(first) != maxPerClient {
		t.Errorf("%d of one address, want %d", len(first), maxPerClient)
	}
	if n := len(accepted("10.0.0.2", 1)); n != 1 {
		t.Error("another address was refused")
	}
	if n := len(accepted("127.0.0.1", 2*maxPerClient)); n != 2*maxPerClient {
		t.Errorf("%d of this machine", n)
	}
	refused := from("::ffff:10.0.0.1")
	in.list = append(in.list, refused)
	if _, err := l.Accept(); !errors.Is(err, errEnd) || !refused.closed {
		t.Error("a connection above the share was kept open")
	}
	first[0].Close()
	first[0].Close()
	if n := len(accepted("10.0.0.1", 3)); n != 1 {
		t.Errorf("%d found room after one was closed", n)
	}
	for _, c := range first[1:] {
		c.Close()
	}
}
