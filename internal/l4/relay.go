package l4

import (
	"time"

	"golang.org/x/sys/unix"
)

// The sides of a connection.
const (
	clientSide = iota
	endpointSide
)

// Each descriptor is registered once, edge-triggered, for everything: what is
// known of it is remembered here instead of asked for again.
const (
	connEvents   = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET
	listenEvents = unix.EPOLLIN
)

// conn is a client's connection and the one to its endpoint. It belongs to its
// loop; while it is idle it holds the two sockets and this.
type conn struct {
	loop       *loop
	prev, next *conn // guarded by loop.listMu
	sides      [2]side
	deadline   time.Time // of the dial
	connected  bool
	// mayBeItself: source and endpoint have the same address.
	mayBeItself bool
	aged        bool // has seen a tick
	queued      bool // in loop.pending
	closed      bool
	session     *session  // nil: nobody wants to know
	another     *another  // nil: no other endpoint is tried
	used        time.Time // when something happened
	looked      time.Time // when it was looked whether it idles
	opening     *opening  // nil: the endpoint gets nothing but what is in the client's socket
}

// side is one of the two sockets.
type side struct {
	reg      registration
	readable bool // a read may give something
	writable bool
	hup      bool // an end waits behind what can be read
	eof      bool // the peer has sent its last octet
	shut     bool // it has got the last one of the other side
	wrote    bool // it has got something
	prompt   bool // TCP_NODELAY is set
	streak   uint8
	out      []byte // read from the other side, not yet written here
	buffer   []byte // where out lies, on loan from the loop
	pipe     *pipe  // as out, in the kernel
}

// hurry is called before each write. Only from the second on a small one may
// be held back, so that a short exchange goes without the system call.
func (s *side) hurry() {
	if s.wrote && !s.prompt {
		s.prompt = true
		setInt(s.reg.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	s.wrote = true
}

func (s *side) waiting() bool { return len(s.out) > 0 || s.pipe != nil }

func (c *conn) ready(l *loop, which int, events uint32) {
	if c.closed {
		return
	}
	s := &c.sides[which]
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.readable = true
	}
	if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.hup = true
	}
	if events&unix.EPOLLOUT != 0 {
		s.writable = true
	}
	if !c.connected && !c.finishDial(l, events) {
		return
	}
	if events&unix.EPOLLERR != 0 && s.eof {
		// Nothing more is read from it, so no read will tell.
		c.reset(which)
		return
	}
	c.move(l)
}

// finishDial takes the first event of the endpoint's socket: connected or
// failed. A failure that no other endpoint makes good becomes a reset of the
// client.
func (c *conn) finishDial(l *loop, events uint32) bool {
	fd := c.sides[endpointSide].reg.fd
	if events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 && takeError(fd) != 0 || c.mayBeItself && connectedToItself(fd) {
		l.count.dialFailed.Add(1)
		if !c.redial(l) {
			c.reset(endpointSide)
		}
		return false
	}
	if events&unix.EPOLLOUT == 0 {
		return false
	}
	client := &c.sides[clientSide]
	if e := l.poll(&client.reg, connEvents); e != 0 {
		c.reset(endpointSide)
		return false
	}
	c.connected, c.looked, c.another = true, l.now, nil
	// Most clients speak first and have done so by now.
	client.readable, client.writable = true, true
	client.prompt = true // from the listening socket
	if o := c.opening; o != nil {
		c.opening = nil
		c.sides[endpointSide].out = o.octets
		c.count(&c.sides[endpointSide], o.own)
	}
	l.listMu.Lock()
	l.dialing.remove(c)
	l.open.pushFront(c)
	l.listMu.Unlock()
	return true
}

const (
	// pieceSize is how much is read at once: it stays in the processor's cache
	// between the read and the write.
	pieceSize = 64 << 10
	// turn is how many pieces one connection moves before others get theirs.
	turn = 8
)

// move passes on what can be passed on, both ways.
func (c *conn) move(l *loop) {
	c.used = l.now
	a, b := &c.sides[clientSide], &c.sides[endpointSide]
	more := c.pump(l, a, b)
	if c.closed {
		return
	}
	more = c.pump(l, b, a) || more
	switch {
	case c.closed:
	case a.eof && b.eof && !a.waiting() && !b.waiting():
		c.close()
	case more:
		l.later(c)
	default:
		c.passEnd(a, b)
		c.passEnd(b, a)
	}
}

// passEnd gives the end of from to to, behind the last octet.
func (c *conn) passEnd(from, to *side) {
	if from.eof && !to.shut && !to.waiting() {
		to.shut = true
		shutdownWrite(to.reg.fd)
	}
}

// pump moves octets from one side to the other; true means that it stopped
// only to give others their turn.
func (c *conn) pump(l *loop, from, to *side) (more bool) {
	for range turn {
		if to.waiting() && !c.flush(l, to) {
			return false
		}
		if !from.readable || from.eof {
			return false
		}
		var ok bool
		if from.streak >= spliceAfter {
			ok = c.splice(l, from, to)
		} else {
			ok = c.copy(l, from, to)
		}
		if !ok {
			return false
		}
	}
	return true
}

// copy moves one piece through memory; false means that there is nothing more
// to do now.
func (c *conn) copy(l *loop, from, to *side) bool {
	n, e := readFrom(from.reg.fd, l.copied)
	if !c.read(from, n, e) {
		return false
	}
	if n < len(l.copied) {
		// Less than asked for is all there is, unless the end waits behind it.
		from.readable, from.streak = from.hup, 0
	} else if from.streak < spliceAfter {
		from.streak++
	}
	c.count(to, n)
	to.hurry()
	sent, e := writeTo(to.reg.fd, l.copied[:n])
	if e != 0 && e != unix.EAGAIN {
		c.reset(c.index(to))
		return false
	}
	if e != 0 {
		sent = 0
	}
	if sent < n {
		to.writable = false
		to.buffer = l.takeBuffer()
		to.out = to.buffer[:copy(to.buffer, l.copied[sent:n])]
	}
	return true
}

// read looks at the result of a read.
func (c *conn) read(from *side, n int, e unix.Errno) bool {
	switch {
	case e == unix.EAGAIN:
		from.readable = false
		return false
	case e != 0:
		c.reset(c.index(from))
		return false
	case n == 0:
		from.eof, from.readable = true, false
		return false
	}
	return true
}

// flush writes what waits for a side; false means that some still does.
func (c *conn) flush(l *loop, to *side) bool {
	if !to.writable {
		return false
	}
	to.hurry()
	if to.pipe != nil {
		return c.flushPipe(l, to)
	}
	n, e := writeTo(to.reg.fd, to.out)
	switch {
	case e == unix.EAGAIN:
		to.writable = false
		return false
	case e != 0:
		c.reset(c.index(to))
		return false
	}
	to.out = to.out[n:]
	if len(to.out) > 0 {
		to.writable = false
		return false
	}
	l.giveBuffer(to)
	return true
}

func (c *conn) index(s *side) int {
	if s == &c.sides[clientSide] {
		return clientSide
	}
	return endpointSide
}

func (c *conn) count(to *side, n int) {
	c.session.count(to == &c.sides[clientSide], n)
	if to == &c.sides[clientSide] {
		c.loop.count.toClients.Add(uint64(n))
		return
	}
	c.loop.count.toEndpoints.Add(uint64(n))
}

// close ends a connection whose sides have both ended.
func (c *conn) close() {
	c.release()
	closeSocket(c.sides[clientSide].reg.fd)
	closeSocket(c.sides[endpointSide].reg.fd)
}

// reset ends a connection because a side failed, and has the other see it as a
// failure, too.
func (c *conn) reset(failed int) {
	if c.closed {
		return
	}
	c.release()
	closeSocket(c.sides[failed].reg.fd)
	resetSocket(c.sides[1-failed].reg.fd)
}

// cut ends a connection for both sides.
func (c *conn) cut() {
	c.release()
	resetSocket(c.sides[clientSide].reg.fd)
	resetSocket(c.sides[endpointSide].reg.fd)
}

// release gives back all but the descriptors.
func (c *conn) release() {
	l := c.loop
	c.closed = true
	l.listMu.Lock()
	if c.connected {
		l.open.remove(c)
	} else {
		l.dialing.remove(c)
	}
	l.listMu.Unlock()
	for i := range c.sides {
		s := &c.sides[i]
		l.forget(&s.reg)
		l.giveBuffer(s)
		if s.pipe != nil {
			s.pipe.discard()
			s.pipe = nil
		}
	}
	c.session.end(l.server, !c.connected)
	l.server.connectionEnded()
}

// spareBuffers is how many buffers and pipes a loop keeps for connections to
// come.
const spareBuffers = 16

func (l *loop) takeBuffer() []byte {
	if n := len(l.buffers); n > 0 {
		b := l.buffers[n-1]
		l.buffers = l.buffers[:n-1]
		return b
	}
	return make([]byte, pieceSize)
}

func (l *loop) giveBuffer(s *side) {
	if s.buffer != nil && len(l.buffers) < spareBuffers {
		l.buffers = append(l.buffers, s.buffer)
	}
	s.buffer, s.out = nil, nil
}
