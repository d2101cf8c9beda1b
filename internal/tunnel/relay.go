package tunnel

import (
	"time"

	"golang.org/x/sys/unix"
)

// The sides of a tunnel.
const (
	clientSide = iota
	upstreamSide
)

// Tunnel is two sockets that get each other's octets. It belongs to its loop:
// all but loop and tell is guarded by loop.mu. Idle, it is this and the sockets.
type Tunnel struct {
	loop  *loop
	tell  func(*Tunnel)
	sides [2]side
	at    int32 // its slot
	// queued: it is in loop.pending. closing: it ends when what waits for a
	// side is written. parting: the client has got all and may still be
	// sending. leaving: the client shall be told to go.
	queued, closing, parting, leaving, ended bool
	dropped                                  int // octets of the client, while parting

	frames               Frames // from the upstream
	start, last          time.Time
	told                 time.Time // when the client was told to go; zero before
	idle, age, writeIdle time.Duration
}

// side is one of the two sockets.
type side struct {
	tunnel   *Tunnel
	secure   Secure // over the socket, by way of a Line; nil for plain octets
	fd       int
	readable bool   // a read may give something
	drained  bool   // the socket has nothing, whatever TLS has
	flooded  bool   // more waits for it than may
	reads    int    // that TLS may still do for the present one
	writable bool   // a write may take something
	hup      bool   // an end waits behind what can be read
	passed   int64  // octets that went to it
	out      []byte // what waits to be written to the socket
	buffer   []byte // where out lies, on loan from the loop
	stuck    time.Time
}

const (
	// pieceSize is how much is read at once: it stays in the processor's cache
	// between the read and the write.
	pieceSize = 64 << 10
	// turn is how many pieces one tunnel moves before others get theirs.
	turn = 8
	// farewell is how long a client has to answer our Close frame.
	farewell = 3 * time.Second
	// lastWrite is how long a side may take for what waits for it when the
	// other has ended.
	lastWrite = time.Second
	// parted bounds what is read from a client to be dropped.
	parted = 64 << 10
)

// GoingAway is the Close frame with status 1001 (RFC 6455 §7.4.1).
const GoingAway = "\x88\x02\x03\xe9"

// first passes on what was read before the tunnel began.
func (t *Tunnel) first(l *loop, fromClient, fromUpstream []byte) {
	for i, octets := range [2][]byte{upstreamSide: fromClient, clientSide: fromUpstream} {
		if len(octets) > 0 && !t.ended {
			t.sides[i].writable = true
			if i == clientSide {
				t.frames.Pass(octets)
			}
			t.give(l, &t.sides[i], octets)
		}
	}
	if t.sides[clientSide].secure != nil && !t.ended {
		t.sides[clientSide].readable = true // TLS may hold what was read with the above
		t.move(l)
	}
}

// ready takes an event of a socket.
func (t *Tunnel) ready(l *loop, which int, events uint32) {
	s := &t.sides[which]
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.readable, s.drained = true, false
	}
	if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.hup = true
	}
	if events&unix.EPOLLOUT != 0 {
		s.writable = true
	}
	t.move(l)
}

// move passes on what can be passed on, both ways.
func (t *Tunnel) move(l *loop) {
	if t.parting {
		t.part(l)
		return
	}
	client, upstream := &t.sides[clientSide], &t.sides[upstreamSide]
	more := t.pump(l, client, upstream)
	if !t.ended {
		more = t.pump(l, upstream, client) || more
	}
	if !t.ended && !t.closing {
		t.sayGoodbye(l)
	}
	switch {
	case t.ended:
	case t.closing:
		if len(client.out) == 0 && len(upstream.out) == 0 {
			t.part(l)
		}
	case more:
		l.later(t)
	}
}

// pump moves octets from one side to the other; true means that it stopped
// only to give others their turn.
func (t *Tunnel) pump(l *loop, from, to *side) (more bool) {
	for range turn {
		if len(to.out) > 0 && !t.flush(l, to) || t.ended || t.closing || !from.readable {
			return false
		}
		n, errno := from.read(l.piece)
		switch {
		case errno == unix.EAGAIN:
			return false
		case errno == unix.EINTR:
			return true
		case errno != 0 || n == 0:
			t.close(l)
			return false
		}
		if !t.pass(l, to, l.piece[:n]) {
			return false
		}
	}
	return true
}

// pass gives a side what the other has sent.
func (t *Tunnel) pass(l *loop, to *side, b []byte) bool {
	if to == &t.sides[clientSide] {
		if !t.told.IsZero() {
			return true // nothing may follow our Close frame
		}
		t.frames.Pass(b)
	}
	t.last = l.now
	return t.give(l, to, b)
}

// give writes b to a side, and keeps what the socket does not take; false means
// that something waits, or that the tunnel has ended. There is never more than a
// piece and a frame of our own, with the records around them, because nothing is
// read for a side that something waits for.
func (t *Tunnel) give(l *loop, to *side, b []byte) bool {
	to.passed += int64(len(b))
	waited := len(to.out) > 0
	if to.write(b) != 0 {
		t.end()
		return false
	}
	if len(to.out) > 0 && !waited {
		l.wakeBy(l.now.Add(t.writeIdle))
	}
	return len(to.out) == 0
}

// flush writes what waits for a side; false means that some still does.
func (t *Tunnel) flush(l *loop, to *side) bool {
	if !to.writable {
		return false
	}
	n, errno := writeTo(to.fd, to.out)
	switch {
	case errno == unix.EAGAIN:
		to.writable = false
		return false
	case errno != 0:
		t.end()
		return false
	}
	if to.out, to.stuck = to.out[n:], l.now; len(to.out) > 0 {
		to.writable = false
		return false
	}
	l.giveBuffer(to)
	return true
}

// close ends the tunnel when what waits for its sides is written, or soon.
func (t *Tunnel) close(l *loop) {
	t.closing, t.last = true, l.now
	l.wakeBy(t.due())
}

// part ends a tunnel that has passed on everything. A client that is sending
// has a moment to read what it got: closing a socket with unread octets resets
// it, which may destroy what is on its way (H2.11).
func (t *Tunnel) part(l *loop) {
	client := &t.sides[clientSide]
	for t.dropped < parted {
		n, errno := readFrom(client.fd, l.piece)
		if errno == unix.EAGAIN && t.parting {
			return // until the client ends, or that is due
		}
		if errno != 0 || n == 0 {
			break
		}
		if t.dropped += n; !t.parting {
			t.parting, t.last = true, l.now
			client.sayEnd()
			l.wakeBy(t.due())
		}
	}
	t.end()
}

// sayGoodbye tells the client to go when that is wanted and a frame may stand
// here. What the upstream still sends is dropped from then on; the client's own
// Close frame goes to the upstream, which then ends the connection.
func (t *Tunnel) sayGoodbye(l *loop) {
	if !t.leaving && l.now.Sub(t.start) < t.age || !t.told.IsZero() || !t.frames.Between() {
		return
	}
	t.told = l.now
	t.give(l, &t.sides[clientSide], []byte(GoingAway))
	if !t.ended {
		l.wakeBy(t.due())
	}
}

// due is when the tunnel ends unless something happens, or has something to
// do.
func (t *Tunnel) due() time.Time {
	if t.closing {
		return t.last.Add(lastWrite)
	}
	due := t.last.Add(t.idle)
	old := t.start.Add(t.age)
	if !t.told.IsZero() {
		old = t.told.Add(farewell)
	} else if !t.loop.now.Before(old) { // it could not be told yet
		old = old.Add(farewell)
	}
	due = earlier(due, old)
	for i := range t.sides {
		if s := &t.sides[i]; len(s.out) > 0 {
			due = earlier(due, s.stuck.Add(t.writeIdle))
		}
	}
	return due
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// expire does what is due.
func (t *Tunnel) expire(l *loop) {
	if l.now.Sub(t.start) >= t.age && t.told.IsZero() && !t.closing {
		t.sayGoodbye(l)
	}
	if !t.ended && !l.now.Before(t.due()) {
		t.end()
	}
}

// end closes both sockets. It may be called more than once.
func (t *Tunnel) end() {
	if t.ended {
		return
	}
	t.ended = true
	for i := range t.sides {
		s := &t.sides[i]
		if s.secure != nil {
			_ = s.secure.CloseWrite()
		} else {
			s.passed -= int64(len(s.out))
		}
		closeSocket(s.fd) // takes it out of epoll, too
		t.loop.giveBuffer(s)
	}
	t.loop.forget(t)
	if t.tell != nil {
		go t.tell(t)
	}
}
