package tunnel

import (
	"errors"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Line is a connection under TLS that a tunnel can take over: below a tls.Conn
// nothing can be exchanged, so whoever begins TLS puts a Line between. Until
// then it is the connection.
type Line struct {
	net.Conn
	side *side // of the tunnel; nil before
}

// NetConn returns what is below.
func (l *Line) NetConn() net.Conn { return l.Conn }

// Read does not wait once a tunnel has taken over: it fails with a timeout,
// after which TLS reads on.
func (l *Line) Read(b []byte) (int, error) {
	s := l.side
	if s == nil {
		return l.Conn.Read(b)
	}
	switch {
	case s.flooded:
		return 0, unix.ENOBUFS
	case s.drained && !s.hup, s.reads == 0:
		return 0, os.ErrDeadlineExceeded
	}
	s.reads--
	n, errno := readFrom(s.fd, b)
	switch {
	case errno == unix.EAGAIN:
		return 0, os.ErrDeadlineExceeded
	case errno != 0:
		return 0, errno
	case n == 0:
		return 0, io.EOF
	}
	s.drained = n < len(b)
	return n, nil
}

// Write does not wait once a tunnel has taken over: TLS cannot go on after a
// write that took a part only, so what the socket does not take is kept.
func (l *Line) Write(b []byte) (int, error) {
	s := l.side
	if s == nil {
		return l.Conn.Write(b)
	}
	if errno := s.put(b); errno != 0 {
		return 0, errno
	}
	return len(b), nil
}

// CloseWrite sends the end, if what is below can.
func (l *Line) CloseWrite() error {
	if half, ok := l.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Secure is TLS over a connection: a tls.Conn, or what has one.
type Secure interface {
	io.ReadWriter
	// CloseWrite says goodbye.
	CloseWrite() error
	// NetConn returns what is below.
	NetConn() net.Conn
}

// lineOf is the Line below TLS, nil if there is none.
func lineOf(c Secure) *Line {
	for below := c.NetConn(); ; {
		if line, ok := below.(*Line); ok {
			return line
		}
		next, ok := below.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		below = next.NetConn()
	}
}

// mostReads is how often TLS may read from the socket for one read from it. A
// record takes two or three; records without content may follow one another for
// ever, and the loop has others to serve.
const mostReads = 4

// read takes what a side has sent: EAGAIN when that is nothing, EINTR when there
// may be more but others shall have their turn, no octets and no error at its end.
func (s *side) read(b []byte) (int, unix.Errno) {
	if s.secure == nil {
		n, errno := readFrom(s.fd, b)
		if errno == unix.EAGAIN {
			s.readable = false
		} else if n < len(b) {
			// Less than asked for is all there is, unless the end waits behind it.
			s.readable = s.hup
		}
		return n, errno
	}
	s.reads = mostReads
	n, err := s.secure.Read(b)
	switch {
	case n > 0:
		return n, 0
	case errors.Is(err, os.ErrDeadlineExceeded) && s.reads == 0 && !s.drained:
		return 0, unix.EINTR
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.readable = false
		return 0, unix.EAGAIN
	case err == io.EOF:
		return 0, 0
	}
	return 0, unix.EPROTO
}

// write gives a side octets; what its socket does not take waits in out.
func (s *side) write(b []byte) unix.Errno {
	if s.secure == nil {
		return s.put(b)
	}
	if _, err := s.secure.Write(b); err != nil {
		return unix.EPROTO
	}
	return 0
}

// mostWaiting is more than what ever waits of contents. Beyond it are answers of
// TLS to a peer that goes on asking (for new keys, RFC 8446 §4.6.3) and reads
// none of them: its tunnel ends.
const mostWaiting = 2 * pieceSize

// put writes to the socket what it takes, and keeps the rest.
func (s *side) put(b []byte) unix.Errno {
	n := 0
	if len(s.out) == 0 && s.writable {
		var errno unix.Errno
		if n, errno = writeTo(s.fd, b); errno == unix.EAGAIN {
			n = 0
		} else if errno != 0 {
			return errno
		}
		if n == len(b) {
			return 0
		}
		s.writable = false
	}
	if len(s.out) > mostWaiting {
		s.flooded = true
		return unix.ENOBUFS
	}
	if len(s.out) == 0 {
		s.stuck, s.buffer = s.tunnel.loop.now, s.tunnel.loop.takeBuffer()
		s.out = s.buffer[:0]
	}
	s.out = append(s.out, b[n:]...)
	return 0
}

// sayEnd tells the peer of a side that nothing follows.
func (s *side) sayEnd() {
	if s.secure != nil {
		_ = s.secure.CloseWrite()
	}
	shutdownWrite(s.fd)
}
