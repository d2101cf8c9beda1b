package http2

import (
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/net/http2"
)

// Stream is one request with its response. To its user it is a net.Conn that
// carries content: Read gives out the octets of DATA frames up to the end of
// the stream, Write sends some.
type Stream struct {
	c  *Conn
	id uint32

	// Of who opened the stream, not written to afterwards:
	head      []byte
	refusal   int
	webSocket bool
	declared  int64 // Content-Length, -1 without

	*tools

	// The rest is guarded by c.mu.
	at       int // of in
	received int64
	ended    bool // the peer sent END_STREAM
	trailers []byte
	err      *ResetError
	onReset  func()
	hook     chan struct{} // closed when onReset has returned

	window  int // octets we may send
	credit  int // octets the peer may send
	owed    int // octets that were read and not yet given back as credit
	sentEnd bool
	// finished: counted in c.finished. The client may open another stream.
	finished bool
	waiting  bool // in c.waiters

	readBy, writeBy time.Time
	reading         bool // a goroutine waits for something to read

	// Of a client's stream:
	headsRead int  // of heads
	answered  bool // the final one came
	noContent bool // the response has none whatever it says
	unwanted  bool // the server wants no more of the request
	released  bool
}

var _ net.Conn = (*Stream)(nil)

// Head is the request head in HTTP/1 form. It is valid as long as the stream.
func (s *Stream) Head() []byte { return s.head }

// Refusal is the status to answer with when Head means no request that may be
// served, else 0.
func (s *Stream) Refusal() int { return s.refusal }

// OnReset sets what is called, by another goroutine and without delay, when the
// stream ends before its time; at once if it has.
func (s *Stream) OnReset(f func()) {
	s.c.mu.Lock()
	gone := s.err != nil
	s.onReset = f
	s.c.mu.Unlock()
	if gone && f != nil {
		f()
	}
}

// StopReset takes back what OnReset has set and waits for its end if it runs.
func (s *Stream) StopReset() {
	s.c.mu.Lock()
	s.onReset = nil
	running := s.hook
	s.c.mu.Unlock()
	if running != nil {
		<-running
	}
}

// Gone reports that the stream was reset or the connection has ended.
func (s *Stream) Gone() bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.err != nil
}

// Ready reports that a Read would not wait.
func (s *Stream) Ready() bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.available() > 0 || s.ended || s.err != nil
}

// Trailers are the trailer lines in HTTP/1 form with the empty line at the end,
// nil if there are none; to be asked for after Read returned io.EOF.
func (s *Stream) Trailers() []byte {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.trailers
}

// over reports that nothing more is sent either way. The lock is held.
func (s *Stream) over() bool { return s.err != nil || s.ended && s.sentEnd }

// available is how much may be read. The last octet of a body of declared
// length waits for the end of the stream, so that a body that turns out to be
// longer is never taken for complete (H5.14).
func (s *Stream) available() int {
	n := len(s.in) - s.at
	if n > 0 && !s.ended && s.declared >= 0 && s.received == s.declared {
		n--
	}
	return n
}

// Read gives out content. It returns io.EOF at the end of the stream, a
// *ResetError when that does not come, os.ErrDeadlineExceeded in time.
func (s *Stream) Read(p []byte) (int, error) {
	c := s.c
	c.mu.Lock()
	for {
		switch n := s.available(); {
		case s.err != nil:
			err := s.err
			c.mu.Unlock()
			return 0, err
		case n > 0 || len(p) == 0:
			n = copy(p, s.in[s.at:s.at+n])
			s.consume(n)
			tell := c.giveBack(s, n)
			c.mu.Unlock()
			if tell {
				c.flush()
			}
			return n, nil
		case s.ended:
			c.mu.Unlock()
			return 0, io.EOF
		}
		if !s.pause() {
			c.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		}
	}
}

// Await waits until a Read would not.
func (s *Stream) Await() error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	for s.available() == 0 && !s.ended && s.err == nil {
		if !s.pause() {
			return os.ErrDeadlineExceeded
		}
	}
	return nil
}

// pause waits for something to read until the read deadline; false says that it
// has passed. It is called with the lock and returns with it.
func (s *Stream) pause() bool {
	by := s.readBy
	s.reading = true
	s.c.mu.Unlock()
	inTime := await(s.readable, &s.readAlarm, by)
	s.c.mu.Lock()
	s.reading = false
	return inTime
}

// wakeReader tells who waits for something to read. The lock is held.
func (s *Stream) wakeReader() {
	if s.reading {
		signal(s.readable)
	}
}

// keptBuffer is how large a buffer an empty stream keeps.
const keptBuffer = 4 << 10

func (s *Stream) consume(n int) {
	if s.at += n; s.at == len(s.in) {
		s.in, s.at = s.in[:0], 0
		if cap(s.in) > keptBuffer {
			s.in = nil
		}
	}
}

// Write sends content; it waits for windows and for the socket.
func (s *Stream) Write(p []byte) (int, error) { return s.write(p, false) }

// WriteEnd sends the last content, which may be empty, and ends the stream.
func (s *Stream) WriteEnd(p []byte) error {
	_, err := s.write(p, true)
	return err
}

// WriteHead sends a head in HTTP/1 form and content behind it. Interim heads
// have no content and no end.
func (s *Stream) WriteHead(head, p []byte, end bool) error {
	s.encoded = appendResponse(s.encoded[:0], head)
	return s.sendHead(p, end)
}

// sendHead sends the encoded section, and content.
func (s *Stream) sendHead(p []byte, end bool) error {
	c := s.c
	c.mu.Lock()
	for s.sendable() == nil && len(c.out) > c.limits.Pending {
		if err := s.awaitRoom(); err != nil {
			c.mu.Unlock()
			return err
		}
	}
	if err := s.sendable(); err != nil {
		c.mu.Unlock()
		return err
	}
	c.appendSection(s, s.encoded, end && len(p) == 0)
	if len(p) > 0 {
		_, err := s.writeLocked(p, end)
		return err
	}
	c.mu.Unlock()
	c.flush()
	return nil
}

// WriteAll sends a whole response: head, content and trailers, each in HTTP/1
// form. It leaves in one write if the windows allow.
func (s *Stream) WriteAll(head, p, trailers []byte) error {
	s.encoded = appendResponse(s.encoded[:0], head)
	at := len(s.encoded)
	s.encoded = appendFields(s.encoded, trailers)
	c := s.c
	c.mu.Lock()
	if s.sendable() == nil && len(p) <= min(s.window, c.window, c.limits.Pending-len(c.out)) {
		c.appendSection(s, s.encoded[:at], false)
		if len(p) > 0 {
			c.appendData(s, p, false)
		}
		c.appendSection(s, s.encoded[at:], true)
		c.mu.Unlock()
		c.flush()
		return nil
	}
	c.mu.Unlock()
	if err := s.WriteHead(head, p, false); err != nil {
		return err
	}
	return s.WriteTrailers(trailers)
}

// WriteTrailers sends trailer lines in HTTP/1 form and ends the stream.
func (s *Stream) WriteTrailers(lines []byte) error {
	s.encoded = appendFields(s.encoded[:0], lines)
	return s.sendHead(nil, true)
}

func (s *Stream) write(p []byte, end bool) (int, error) {
	s.c.mu.Lock()
	return s.writeLocked(p, end)
}

// writeLocked is called with the lock and returns without it.
func (s *Stream) writeLocked(p []byte, end bool) (n int, err error) {
	c := s.c
	var since time.Time // when the window was found shut
	for {
		if err := s.sendable(); err != nil {
			c.mu.Unlock()
			return n, err
		}
		// Windows may be below zero (RFC 9113 §6.9.2), and what is pending above
		// its limit: that keeps content back, but not the end alone.
		m := max(0, min(len(p), s.window, c.window, c.limits.Pending-len(c.out)))
		if m > 0 || len(p) == 0 {
			c.appendData(s, p[:m], end && m == len(p))
			n, p, since = n+m, p[m:], time.Time{}
		}
		if len(p) == 0 {
			c.mu.Unlock()
			c.flush()
			return n, nil
		}
		if since.IsZero() {
			since = time.Now()
		}
		if err := s.awaitWindow(since); err != nil {
			c.mu.Unlock()
			return n, err
		}
	}
}

// sendable tells why nothing more can be sent, nil if it can.
func (s *Stream) sendable() error {
	switch {
	case s.err != nil:
		return s.err
	case s.sentEnd, s.unwanted:
		return io.ErrClosedPipe
	}
	return nil
}

// awaitRoom waits until what is pending was written. It is called with the lock
// and returns with it.
func (s *Stream) awaitRoom() error { return s.awaitWindow(time.Now()) }

// awaitWindow waits until something may be sent again (H5.8). It is called with
// the lock and returns with it.
func (s *Stream) awaitWindow(since time.Time) error {
	c := s.c
	if !s.waiting {
		s.waiting = true
		c.waiters = append(c.waiters, s)
	}
	c.beginStall()
	by := since.Add(c.limits.Stall)
	if !s.writeBy.IsZero() && s.writeBy.Before(by) {
		by = s.writeBy
	}
	c.mu.Unlock()
	c.flush()
	inTime := await(s.writable, &s.writeAlarm, by)
	c.mu.Lock()
	c.endStall()
	switch {
	case s.err != nil || inTime && !c.stalled():
		return nil
	case inTime:
		c.failLocked(&connError{calm, "the windows hardly move"})
		return s.err
	case !s.writeBy.IsZero() && !time.Now().Before(s.writeBy):
		return os.ErrDeadlineExceeded
	}
	c.resetLocked(s, Cancel, false)
	return os.ErrDeadlineExceeded
}

// Reset ends the stream before its time. It does not wait for the peer.
func (s *Stream) Reset(code Code) {
	s.c.mu.Lock()
	if s.id != 0 {
		s.c.resetLocked(s, code, false)
	} else if s.err == nil { // a client's, not open yet
		s.err = &ResetError{Code: code}
		s.c.peer.reserved--
	}
	s.c.mu.Unlock()
	s.c.flushSoon()
}

// Close resets the stream unless both sides have ended it.
func (s *Stream) Close() error {
	s.Reset(Cancel)
	return nil
}

// SetReadDeadline implements net.Conn.
func (s *Stream) SetReadDeadline(t time.Time) error {
	s.c.mu.Lock()
	s.readBy = t
	s.wakeReader()
	s.c.mu.Unlock()
	return nil
}

// SetWriteDeadline implements net.Conn.
func (s *Stream) SetWriteDeadline(t time.Time) error {
	s.c.mu.Lock()
	s.writeBy = t
	s.c.mu.Unlock()
	signal(s.writable)
	return nil
}

// SetDeadline implements net.Conn.
func (s *Stream) SetDeadline(t time.Time) error {
	_ = s.SetReadDeadline(t)
	return s.SetWriteDeadline(t)
}

// LocalAddr implements net.Conn.
func (s *Stream) LocalAddr() net.Addr { return s.c.nc.LocalAddr() }

// RemoteAddr implements net.Conn.
func (s *Stream) RemoteAddr() net.Addr { return s.c.nc.RemoteAddr() }

// IsWebSocket reports that the request asks for a tunnel (RFC 8441): its head
// is that of the upgrade it replaces, and a final response of 200 begins the
// tunnel.
func (s *Stream) IsWebSocket() bool { return s.webSocket }

// dataFlags of a DATA or HEADERS frame.
func endFlag(end bool) http2.Flags {
	if end {
		return http2.FlagDataEndStream // the same bit in HEADERS
	}
	return 0
}
