package proxy

import (
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"daemun/internal/http1"
	"daemun/internal/http2"
	"daemun/internal/listen"
	"daemun/internal/tunnel"
	"daemun/internal/upstream"
)

// The states of a client connection.
const (
	stateIdle    int32 = iota // waiting for a request
	stateClosing              // was idle when the drain began; a request that raced with it is still served
	stateActive               // serving a request
	stateTunnel               // upgraded
)

// firstWait bounds the wait for the first request of a connection that is
// accepted while draining.
const firstWait = time.Second

// conn is one client connection. It is pooled; begin and end frame its use.
type conn struct {
	server *Server
	random *rand.ChaCha8
	sent   chan error // result of the goroutine that sends a request body

	nc     net.Conn
	tcp    *net.TCPConn // below nc, nil if there is none
	info   listen.ConnInfo
	secure bool
	peer   peer
	// shown is where requests of the connection come from, as long as nobody is
	// believed who says otherwise.
	shown  origin
	serial uint64 // of the connection, since the start
	began  time.Time

	rd              http1.Reader
	readBy, writeBy time.Time   // the deadlines that are set
	finished        time.Time   // when the last request was; zero when that is long ago
	vector          net.Buffers // of writeVector, here to not be allocated
	vectorOf        [2][]byte
	state           atomic.Int32
	idleSince       atomic.Int64 // for ShedIdle: time of the server, which no clock of the wall changes (H11.11)
	requests        atomic.Uint64
	upstream        atomic.Pointer[upstream.Conn] // in use, for cut
	http2           atomic.Pointer[http2.Conn]    // of a connection that speaks HTTP/2
	onReset         func()                        // cancel, made once
	cancelling      sync.Mutex                    // held while upstream is aborted for a stream
	stream          *http2.Stream                 // what nc is when c serves one stream of such a connection
	carried         atomic.Pointer[tunnel.Tunnel] // of an upgraded connection, or else
	passage         atomic.Pointer[passage]
	severed         atomic.Bool // cut was called
	// holders are those who have to leave before a tunnel has ended that goes
	// on without its goroutine; release is then called. Both are unused else.
	holders atomic.Int32
	release func()

	x exchange
}

func (c *conn) begin(nc net.Conn, info listen.ConnInfo) {
	c.nc, c.info, c.secure, c.began = nc, info, info.TLS != nil, time.Now()
	c.tcp = socketOf(nc)
	c.peer.bind(c.tcp)
	c.rd.Reset(nc)
	c.rd.First = 0
	c.readBy, c.writeBy, c.finished = time.Time{}, time.Time{}, time.Time{}
	c.state.Store(stateIdle)
	c.severed.Store(false)
	c.requests.Store(0)
	c.shown.ofConnection(&c.info)
}

// end drops everything that belongs to the connection before conn is pooled.
func (c *conn) end() {
	c.rd.Reset(nil)
	c.peer = peer{}
	c.nc, c.tcp, c.stream, c.info = nil, nil, nil, listen.ConnInfo{}
	c.x.forget()
}

// socketOf finds the TCP socket below a connection, through TLS and wrappers
// that offer NetConn.
func socketOf(nc net.Conn) *net.TCPConn {
	for {
		switch t := nc.(type) {
		case *net.TCPConn:
			return t
		case interface{ NetConn() net.Conn }:
			nc = t.NetConn()
		default:
			return nil
		}
	}
}

func (c *conn) scheme() string {
	if c.secure {
		return "https"
	}
	return "http"
}

// serve is the connection's life: wait, read a head, serve it, again.
func (c *conn) serve() {
	defer func() {
		if c.nc != nil { // nil: a tunnel has it
			c.nc.Close()
		}
	}()
	if c.speaksHTTP2() {
		c.serveHTTP2()
		return
	}
	for {
		if !c.waitRequest() {
			return
		}
		if !c.serveRequest() {
			switch {
			case c.x.upgraded.up != nil:
				c.carry()
			case c.beginsHTTP2():
				c.serveHTTP2()
			}
			return
		}
		c.state.Store(stateIdle)
		if c.server.draining.Load() && len(c.rd.Buffered()) == 0 {
			return
		}
	}
}

// waitRequest waits for the first octet of the next request.
func (c *conn) waitRequest() bool {
	if len(c.rd.Buffered()) == 0 {
		wait := 60 * time.Second
		if t := c.server.table.Load(); t != nil {
			if wait = t.Settings.KeepAlive.D(); c.requests.Load() == 0 {
				wait = t.Settings.HeaderTimeout.D()
			}
		}
		if c.server.draining.Load() {
			wait = min(wait, firstWait)
		}
		now := c.finished // a moment ago, if it is known
		if c.finished = (time.Time{}); now.IsZero() {
			now = time.Now()
		}
		c.idles(now)
		c.armRead(now.Add(wait))
		if c.state.Load() == stateClosing { // wake came before our deadline and was undone by it
			_ = c.nc.SetReadDeadline(longAgo)
		}
		// Who wakes us after this point sets a deadline after ours.
		err := c.rd.Wait()
		if err != nil && !(isTimeout(err) && c.state.Load() == stateClosing && c.peer.hasData()) {
			return false
		}
		if err != nil { // a request raced with wake: it is served
			c.readBy = time.Time{}
			c.armRead(time.Now().Add(firstWait))
			if c.rd.Wait() != nil {
				return false
			}
		}
	}
	if !c.state.CompareAndSwap(stateIdle, stateActive) {
		c.state.Store(stateActive)
		c.readBy = time.Time{} // wake has moved it
	}
	return true
}

// wake ends the wait of an idle connection and reports whether it was one. With
// HTTP/2 a busy one is asked to end, too.
func (c *conn) wake() bool {
	if h := c.http2.Load(); h != nil {
		h.Drain()
		return c.state.CompareAndSwap(stateIdle, stateClosing)
	}
	if !c.state.CompareAndSwap(stateIdle, stateClosing) {
		return false
	}
	_ = c.nc.SetReadDeadline(longAgo)
	return true
}

// shed ends an idle connection at once and reports whether it was one.
func (c *conn) shed() bool {
	if h := c.http2.Load(); h != nil {
		if !c.state.CompareAndSwap(stateIdle, stateClosing) {
			return false
		}
		h.Shed()
		return true
	}
	return c.wake()
}

// cut closes the connection under its goroutine. It closes the socket itself:
// TLS would first wait for its turn to say goodbye. The server's lock is held.
func (c *conn) cut() {
	c.severed.Store(true)
	if t := c.carried.Load(); t != nil {
		t.Cut()
		return
	}
	switch {
	case c.tcp != nil:
		c.tcp.Close()
	case c.nc != nil:
		c.nc.Close()
	default: // of a tunnel that has ended and is about to leave
		return
	}
	if up := c.upstream.Load(); up != nil {
		up.Abort()
	}
}

// serveRequest reads one head and serves it; it reports whether the connection
// may carry another request. It is the boundary that a panic does not cross
// (H6.20).
func (c *conn) serveRequest() (again bool) {
	x := &c.x
	defer func() {
		if r := recover(); r != nil {
			again = false
			c.server.counters.panics.Add(1)
			c.server.logger.Error("panic while serving a request", "panic", r, "stack", string(debug.Stack()))
			x.abandon()
		}
	}()
	x.begin()
	if err := x.readHead(); err != nil {
		if c.beginsHTTP2() {
			return false
		}
		return x.refuseHead(err)
	}
	again = x.serve()
	if x.upgraded.up == nil {
		c.rd.Unhold()
	}
	return again
}

// errSilent ends a connection without an answer: there is nobody to read it.
var errSilent = errors.New("connection ended")

// readHead reads a request head; its deadline is absolute (H6.5, H6.17).
func (x *exchange) readHead() error {
	c := x.c
	x.start = time.Now()
	if c.stream != nil {
		return x.readStreamHead()
	}
	n, err := x.req.Parse(c.rd.Buffered(), c.server.heads())
	if err == http1.ErrIncomplete {
		n, err = x.readRestOfHead()
	}
	if err != nil {
		return err
	}
	x.received = int64(n)
	c.rd.Hold(n)
	x.body.Reset(&c.rd, x.req.Body, x.req.ContentLength, c.server.heads())
	return nil
}

func (x *exchange) readRestOfHead() (n int, err error) {
	c := x.c
	limit := x.start.Add(60 * time.Second)
	if t := c.server.table.Load(); t != nil {
		limit = x.start.Add(t.Settings.HeaderTimeout.D())
	}
	for {
		c.setRead(limit)
		switch _, ferr := c.rd.Fill(); {
		case ferr == nil:
		case isTimeout(ferr):
			if time.Now().Before(limit) { // the drain woke us
				c.readBy = time.Time{}
				continue
			}
			// For the log. Fill may have changed the buffer before it failed:
			// what was parsed before would be another connection's by now.
			_, _ = x.req.Parse(c.rd.Buffered(), c.server.heads())
			return 0, os.ErrDeadlineExceeded
		default:
			return 0, errSilent
		}
		if n, err = x.req.Parse(c.rd.Buffered(), c.server.heads()); err != http1.ErrIncomplete {
			return n, err
		}
	}
}

// refuseHead answers a head that was not understood (H1.15).
func (x *exchange) refuseHead(err error) bool {
	var refused *http1.Error
	switch {
	case errors.As(err, &refused):
		x.c.server.counters.refusals[refused.Reason].Add(1)
		x.received = int64(len(x.c.rd.Buffered()))
		x.refuse(refused.Status)
	case isTimeout(err):
		x.c.server.counters.other[refusedHeaderTime].Add(1)
		x.refuse(408)
	default:
		return false
	}
	x.finish()
	x.c.linger()
	return false
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// slack is how much later than wanted a deadline may be: moving it with every
// request would cost more than it is worth.
const slack = 2 * time.Second

// armRead makes reads from the client fail at limit or a little later.
func (c *conn) armRead(limit time.Time) {
	if late := c.readBy.Sub(limit); late >= 0 && late <= slack {
		return
	}
	c.setRead(limit.Add(slack / 2))
}

// setRead makes reads from the client fail at limit.
func (c *conn) setRead(limit time.Time) {
	if c.readBy != limit {
		c.readBy = limit
		_ = c.nc.SetReadDeadline(limit)
	}
}

// writeIdle is how long a client may accept nothing (H6.8).
const writeIdle = 60 * time.Second

// write sends b to the client.
func (c *conn) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.armWrite(time.Now())
	n, err := c.nc.Write(b)
	c.x.written += int64(n)
	return err
}

// writeVector sends a and b to a client without TLS in one system call.
func (c *conn) writeVector(tcp *net.TCPConn, a, b []byte) error {
	c.armWrite(time.Now())
	c.vector = append(c.vectorOf[:0], a, b)
	n, err := c.vector.WriteTo(tcp)
	c.x.written += n
	clear(c.vectorOf[:])
	return err
}

func (c *conn) armWrite(now time.Time) {
	idle := c.server.writeIdle
	if !c.x.deadline.IsZero() {
		// What is written when it is over says so, and may take a moment.
		c.writeBy = c.x.noLater(now.Add(idle + slack))
		if least := now.Add(lastWrite); c.writeBy.Before(least) {
			c.writeBy = least
		}
		_ = c.nc.SetWriteDeadline(c.writeBy)
		return
	}
	if left := c.writeBy.Sub(now); left < idle || left > idle+slack {
		c.writeBy = now.Add(idle + slack)
		_ = c.nc.SetWriteDeadline(c.writeBy)
	}
}

const (
	lingerTime = time.Second
	lingerSize = 64 << 10
	// A client that is in the middle of a body learns why it was refused once
	// it has sent the rest: it has this long, and may be silent as long as that
	// (nginx's lingering_time and lingering_timeout).
	outlastTime    = 30 * time.Second
	outlastSilence = 5 * time.Second
)

// linger ends the connection so that the client can read the answer: closing a
// socket with unread octets resets it, which may destroy what is on its way
// (H2.11).
func (c *conn) linger() {
	if c.closeWrite() {
		c.takeRest()
	}
}

func (c *conn) takeRest() {
	c.setRead(time.Now().Add(lingerTime))
	p := c.server.pieces.Get().(*piece)
	defer c.server.pieces.Put(p)
	for left := lingerSize; left > 0; {
		n, err := c.nc.Read(p.b[:])
		if left -= n; err != nil {
			return
		}
	}
}

// outlast is linger for a client that is still sending its body.
func (c *conn) outlast() {
	if !c.closeWrite() {
		return
	}
	p := c.server.pieces.Get().(*piece)
	defer c.server.pieces.Put(p)
	now := time.Now()
	end, heard := now.Add(outlastTime), now
	for now.Before(end) && now.Sub(heard) < outlastSilence {
		if c.server.parting.Load() { // as short as for everybody
			c.takeRest()
			return
		}
		c.setRead(now.Add(lingerTime))
		n, err := c.nc.Read(p.b[:])
		now = time.Now()
		if n > 0 {
			heard = now
		}
		if err != nil && !isTimeout(err) {
			return
		}
	}
}

func (c *conn) closeWrite() bool {
	half, ok := c.nc.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}

var _ listen.Handler = (*Server)(nil)
