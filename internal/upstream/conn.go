package upstream

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"daemun/internal/http1"
	"daemun/internal/http2"
)

// Conn is one connection to an endpoint. It belongs to one request at a time;
// only Abort may be called by others.
type Conn struct {
	net.Conn // what to write to: the socket, or TLS over it
	// Reader reads from it. It is empty when the connection is released.
	Reader http1.Reader

	endpoint  *Endpoint
	stream    *http2.Stream // what Conn is on an HTTP/2 connection; then tcp and raw are nil
	tcp       *net.TCPConn
	transport Transport
	raw       syscall.RawConn

	born, idleSince time.Time
	requests        int
	reused          bool

	readBy, writeBy time.Time // the deadlines that are set

	vector   net.Buffers // of WriteBoth, here to not be allocated
	vectorOf [2][]byte

	probe  func(fd uintptr) // made once, to not allocate with each use
	probed bool             // what probe found
	octet  [1]byte
}

// firstRead is how much of a response is taken with its head. Most responses
// are read whole that way, with one system call. No connection holds the buffer
// while it waits.
const firstRead = 32 << 10

func newConn(e *Endpoint, conn net.Conn, tcp *net.TCPConn, t Transport) (*Conn, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, err
	}
	c := &Conn{Conn: conn, endpoint: e, tcp: tcp, transport: t, raw: raw, born: time.Now(), requests: 1}
	c.probe = c.probeSocket
	c.Reader.First = firstRead
	c.Reader.Reset(conn)
	return c, nil
}

// Endpoint returns where the connection leads.
func (c *Conn) Endpoint() *Endpoint { return c.endpoint }

// Reused reports that the connection has carried another request before.
func (c *Conn) Reused() bool { return c.reused }

// TCP returns the socket when it carries plain octets, nil for TLS.
func (c *Conn) TCP() *net.TCPConn {
	if c.transport == Plain && c.stream == nil {
		return c.tcp
	}
	return nil
}

// WriteBoth writes a and b behind it, with one system call where the octets go
// out as they are. It returns how many of both were written.
func (c *Conn) WriteBoth(a, b []byte) (int, error) {
	if len(b) == 0 {
		return c.Write(a)
	}
	if tcp := c.TCP(); tcp != nil {
		c.vector = append(c.vectorOf[:0], a, b)
		n, err := c.vector.WriteTo(tcp)
		clear(c.vectorOf[:])
		return int(n), err
	}
	n, err := c.Write(a)
	if err != nil {
		return n, err
	}
	m, err := c.Write(b)
	return n + m, err
}

// probeSocket reads one octet without waiting. EAGAIN is the only good answer:
// an end or an octet both mean that the connection cannot be used again.
func (c *Conn) probeSocket(fd uintptr) {
	_, err := syscall.Read(int(fd), c.octet[:])
	c.probed = err == syscall.EAGAIN
}

// quiet reports that nothing arrived while the connection was idle.
func (c *Conn) quiet() bool {
	c.probed = false
	return c.raw.Control(c.probe) == nil && c.probed
}

// Release gives the connection back to its pool. Call it only when request and
// response both ended exactly at their framing (H2.11); it closes the
// connection when it has octets left over, is too old, or has no place.
func (c *Conn) Release() {
	if c.stream != nil {
		c.end(http2.NoError)
		return
	}
	pool := c.endpoint.backend.registry.pool.Load()
	now := time.Now()
	if len(c.Reader.Buffered()) > 0 || c.holdsMore() || c.requests >= pool.Requests || now.Sub(c.born) >= pool.Age.D() {
		c.close()
		return
	}
	c.Reader.Unhold()
	c.Reader.Release()
	c.idleSince = now
	if !c.endpoint.put(c) {
		c.close()
	}
}

// holdsMore reports that the TLS layer already holds octets behind the
// response: neither the Reader nor the socket would show them (H2.11). With a
// deadline in the past a read returns only what is there.
func (c *Conn) holdsMore() bool {
	if c.transport != TLS {
		return false
	}
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	n, err := c.Conn.Read(c.octet[:])
	c.ForgetDeadlines()
	return n > 0 || !errors.Is(err, os.ErrDeadlineExceeded)
}

// Discard closes the connection.
func (c *Conn) Discard() { c.close() }

// Reset closes the connection with a reset, so that the endpoint cannot take
// what it got for complete (H2.10).
func (c *Conn) Reset() {
	if c.stream != nil {
		c.end(http2.Cancel)
		return
	}
	_ = c.tcp.SetLinger(0)
	c.close()
}

// Abort cuts the connection off while another goroutine uses it; that one
// gets an error and still has to discard it.
func (c *Conn) Abort() {
	if c.stream != nil {
		c.stream.Reset(http2.Cancel)
		return
	}
	c.tcp.Close()
}

// AbortReset is Abort with a reset, so that the endpoint cannot take what it
// got for complete (H2.10).
func (c *Conn) AbortReset() {
	if c.stream != nil {
		c.stream.Reset(http2.Cancel)
		return
	}
	_ = c.tcp.SetLinger(0)
	c.tcp.Close()
}

// ForgetDeadlines must be called by the owner after deadlines were set past
// ArmRead and ArmWrite.
func (c *Conn) ForgetDeadlines() { c.readBy, c.writeBy = time.Time{}, time.Time{} }

func (c *Conn) close() {
	if c.stream != nil {
		c.end(http2.Cancel)
		return
	}
	// A TLS connection would wait up to five seconds to send its goodbye; with
	// a deadline in the near past it does not.
	if c.transport == TLS {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(goodbye))
	}
	c.Conn.Close()
	c.Reader.Reset(nil)
}

// goodbye is how long sending the TLS close alert may take.
const goodbye = 100 * time.Millisecond

// A deadline is moved only when it is off by more than this: moving it with
// every read would cost more than the read of a small response.
const (
	tick     = time.Second
	tickLeft = tick / 2
)

// ArmRead makes reads return within a second, and not after limit. The
// caller checks what happened meanwhile and arms again.
func (c *Conn) ArmRead(now, limit time.Time) {
	by := now.Add(tick)
	if limit.Before(by) {
		by = limit
	}
	if !c.readBy.After(by) && (c.readBy.Sub(now) >= tickLeft || c.readBy.Equal(by)) {
		return
	}
	c.readBy = by
	_ = c.Conn.SetReadDeadline(by)
}

// ArmWrite makes a write fail that the peer does not take within idle (up to a
// second more).
func (c *Conn) ArmWrite(now time.Time, idle time.Duration) {
	if left := c.writeBy.Sub(now); left >= idle && left <= idle+tick {
		return
	}
	c.writeBy = now.Add(idle + tick/2)
	_ = c.Conn.SetWriteDeadline(c.writeBy)
}

// WriteTimedOut reports that the deadline that ArmWrite has set has passed.
func (c *Conn) WriteTimedOut(now time.Time) bool {
	return !c.writeBy.IsZero() && !now.Before(c.writeBy)
}
