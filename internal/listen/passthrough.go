package listen

import (
	"context"
	"net"
	"time"

	"daemun/internal/sni"
)

// firstHello is how much is read at once; most hellos are shorter.
const firstHello = 4 << 10

// passThrough looks at the server name if some hosts leave TLS to their
// backends, and hands such connections over. ok says that the connection is
// still ours; it then begins with the octets that were read. A hello that cannot
// be understood closes it: nobody guesses whose it is (H7.2).
func (l *Listener) passThrough(ctx context.Context, c *net.TCPConn, info *ConnInfo) (begin net.Conn, ok bool) {
	p := l.config.Passthrough
	if p == nil || !p.On() {
		return c, true
	}
	_ = c.SetReadDeadline(time.Now().Add(l.config.HandshakeTimeout)) // of the handshake, which begins here (H6.4)
	stop := context.AfterFunc(ctx, func() { c.Close() })
	name, hello, err := readHello(c)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	switch {
	case err == sni.ErrNoTLS: // a plain request gets its answer
	case err != nil:
		l.handshakes.failed.Add(1)
		c.Close()
		return nil, false
	case name != "" && p.Takes(name):
		_ = c.SetReadDeadline(time.Time{})
		l.handled.Add(1)
		p.Serve(c, name, hello, *info)
		return nil, false
	}
	return &readAhead{Conn: c, tcp: c, ahead: hello}, true
}

// readHello reads until the server name is known.
func readHello(c net.Conn) (name string, hello []byte, err error) {
	var h sni.Hello
	b, n := make([]byte, firstHello), 0
	for {
		got, err := c.Read(b[n:])
		n += got
		if got > 0 {
			name, parseErr := h.Parse(b[:n])
			if parseErr != sni.ErrIncomplete {
				return name, b[:n], parseErr
			}
		}
		if err != nil {
			return "", nil, err
		}
		if n == len(b) { // Parse bounds what it asks for
			b = append(b, make([]byte, len(b))...)
		}
	}
}

// readAhead is a connection of which some octets have been read already.
type readAhead struct {
	net.Conn // not the socket itself, whose WriteTo would pass ahead by
	tcp      *net.TCPConn
	ahead    []byte
}

func (r *readAhead) Read(b []byte) (int, error) {
	if len(r.ahead) > 0 {
		n := copy(b, r.ahead)
		if r.ahead = r.ahead[n:]; len(r.ahead) == 0 {
			r.ahead = nil
		}
		return n, nil
	}
	return r.tcp.Read(b)
}

// NetConn returns the socket.
func (r *readAhead) NetConn() net.Conn { return r.tcp }

// CloseWrite sends the end.
func (r *readAhead) CloseWrite() error { return r.tcp.CloseWrite() }
