package http2

import (
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/net/http2"
)

// peer is what a client's connection knows of the server.
type peer struct {
	allowed  int    // concurrent streams the server takes
	reserved int    // streams that were asked for and are not open yet
	next     uint32 // number of the next stream
	pinged   bool   // nothing has come since our PING
	heard    time.Time
}

const (
	// firstAllowed is taken for the server's limit until it says another one
	// (RFC 9113 §6.5.2 recommends no less than 100).
	firstAllowed = 100
	// mostAllowed bounds what we open on one connection.
	mostAllowed = 1000
	// lastNumber is where a connection is given up: the numbers of streams end
	// a little later.
	lastNumber = 1<<31 - 1<<10
	// maxHeads bounds the heads that wait for a reader: interim ones and the
	// final one.
	maxHeads = 10
)

func (p *peer) allow(n uint32) { p.allowed = int(min(n, mostAllowed)) }

// ErrFull is returned by Reserve when the connection takes no further stream,
// now or ever.
var ErrFull = errors.New("http2: no further stream on this connection")

// errSilent ends a connection whose peer answers no PING.
var errSilent = errors.New("http2: no answer to PING")

// NewClient returns a connection on which we open streams. Run reads it; until
// then Reserve works, and what is sent waits. Handler is not used.
func NewClient(nc net.Conn, source Source, config Config) *Conn {
	c := newConn(nc, source, config)
	c.client, c.greeted = true, true
	c.block.client = true
	c.peer = &peer{allowed: firstAllowed, next: 1, heard: c.born}
	c.out = append(c.out, Preface...)
	c.appendSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(c.limits.StreamWindow)},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: uint32(c.limits.HeadBytes)},
	)
	c.appendWindowUpdate(0, c.limits.ConnWindow-defaultWindow)
	return c
}

// Run handles the connection to its end and closes it.
func (c *Conn) Run() {
	c.flushSoon()
	c.finish(c.read())
	c.nc.Close()
	c.running.Wait()
	c.dropTools()
}

// Reserve takes a place for one stream, or returns ErrFull. The stream has to be
// released.
func (c *Conn) Reserve() (*Stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// Here, not where frames are read: of a silent server none may come. The
	// first stream is what the connection was made for.
	if c.drain == drainNo && c.peer.next > 1 && time.Since(c.born) > c.age {
		c.drain = drainFinal
		c.wakeReader()
	}
	if c.err != nil || c.drain != drainNo || len(c.streams)+c.peer.reserved >= c.peer.allowed || c.peer.next > lastNumber {
		return nil, ErrFull
	}
	c.peer.reserved++
	return c.newStreamLocked(), nil
}

// Usable reports that the connection may take further streams, now or later.
func (c *Conn) Usable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err == nil && c.drain == drainNo && c.peer.next <= lastNumber
}

// TakesNothing reports that the server wants no stream at all, as its settings
// say now.
func (c *Conn) TakesNothing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peer.allowed == 0
}

// CloseIdle ends the connection when no stream is left on it; it takes no
// further ones.
func (c *Conn) CloseIdle() {
	c.mu.Lock()
	c.drain = drainFinal
	c.wakeReader()
	c.mu.Unlock()
}

// Request is what a client's stream asks for.
type Request struct {
	// Head is in HTTP/1 form; its first field is Host.
	Head []byte
	// Secure chooses the scheme.
	Secure bool
	// HEAD says that the response has no content.
	HEAD bool
}

// WriteRequest opens a reserved stream: it sends the head and p behind it. The
// error is a *ResetError that says Unprocessed when nothing can have been sent.
func (s *Stream) WriteRequest(r Request, p []byte, end bool) error {
	c := s.c
	scheme := byte(indexHTTP)
	if r.Secure {
		scheme = indexHTTPS
	}
	s.encoded = appendRequest(s.encoded[:0], r.Head, scheme)
	c.mu.Lock()
	if s.err == nil && (c.err != nil || c.drain != drainNo) {
		s.err = &ResetError{Code: RefusedStream, Conn: true, Unprocessed: true}
	}
	if s.err != nil {
		err := s.err
		c.mu.Unlock()
		return err
	}
	s.noContent = r.HEAD
	s.id, s.window = c.peer.next, c.initial
	c.last = s.id
	c.peer.next += 2
	c.peer.reserved--
	c.streams[s.id] = s
	if len(c.streams) == 1 {
		c.peer.heard, c.peer.pinged = time.Now(), false
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

// responseHead is a head that came; end says that the stream ended with it.
type responseHead struct {
	text []byte
	end  bool
}

// ReadHead returns the next response head in HTTP/1 form, interim ones too, and
// whether no content follows. It waits until the read deadline.
func (s *Stream) ReadHead() (head []byte, end bool, err error) {
	c := s.c
	c.mu.Lock()
	for {
		if s.headsRead < len(s.heads) {
			h := s.heads[s.headsRead]
			s.headsRead++
			c.mu.Unlock()
			return h.text, h.end, nil
		}
		if s.err != nil {
			err := s.err
			c.mu.Unlock()
			return nil, false, err
		}
		if !s.pause() {
			c.mu.Unlock()
			return nil, false, os.ErrDeadlineExceeded
		}
	}
}

// Release ends the use of a client's stream; it is reset unless it is over. A
// late Reset of it does nothing.
func (s *Stream) Release(code Code) {
	c := s.c
	c.mu.Lock()
	if s.id == 0 {
		if s.err == nil {
			c.peer.reserved--
		}
		s.err = &ResetError{Code: code}
	} else {
		c.resetLocked(s, code, false)
	}
	if !s.released {
		s.released = true
		c.giveBack(nil, len(s.in)-s.at) // nobody will read it
		s.in, s.at = s.in[:0], 0
		c.keepTools(s)
	}
	c.mu.Unlock()
	c.flushSoon()
}

// dropDone takes a stream that is over off a client's connection. The lock is
// held.
func (c *Conn) dropDone(s *Stream) {
	if !s.over() || c.streams[s.id] != s {
		return
	}
	delete(c.streams, s.id)
	if len(c.streams) == 0 {
		c.used = time.Now()
		if c.drain != drainNo {
			c.wakeReader()
		}
	}
}

// onResponse takes a response head or trailers in.
func (c *Conn) onResponse() error {
	b := &c.block
	c.mu.Lock()
	s := c.streams[b.stream]
	switch {
	case s == nil && c.isIdle(b.stream):
		c.mu.Unlock()
		return &connError{protocolError, "response on an idle stream"}
	case s == nil:
		c.mu.Unlock()
		return nil // it was on its way when we gave the stream up
	}
	code := c.takeSection(s)
	c.mu.Unlock()
	if code != NoError {
		return c.provoked(b.stream, code)
	}
	return nil
}

// takeSection puts a section into its stream. The lock is held.
func (c *Conn) takeSection(s *Stream) Code {
	b := &c.block
	if s.ended {
		return streamClosed
	}
	if s.answered {
		return c.onTrailers(s)
	}
	begin := len(s.text)
	text, status, bad := b.response(s.text)
	s.text = text
	interim := status < 200
	if bad != "" || interim && b.endStream || len(s.heads) >= maxHeads {
		return protocolError
	}
	if !interim {
		s.answered = true
		if !s.noContent && status != 204 && status != 304 {
			s.declared = b.length
		}
		if s.ended = b.endStream; s.ended && s.declared > 0 {
			s.ended = false
			return protocolError
		}
	}
	s.heads = append(s.heads, responseHead{text[begin:], s.ended})
	s.wakeReader()
	c.dropDone(s)
	return NoError
}

// onGoAwayOf ends the streams that the server will not act on; the others go
// on (RFC 9113 §6.8).
func (c *Conn) onGoAwayOf(f *http2.GoAwayFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drain = drainFinal
	for id, s := range c.streams {
		if id > f.LastStreamID {
			c.endStream(s, &ResetError{Code: RefusedStream, Remote: true, Conn: true, Unprocessed: true})
		}
	}
	c.wakeReader()
	return nil
}

// keepAlive sends a PING to a server that has been silent for a while although
// streams are open, and gives it up when that is not answered. The lock is held.
func (c *Conn) keepAlive(now time.Time) error {
	p := c.peer
	if c.alive {
		c.alive = false
		p.heard, p.pinged = now, false
	}
	switch {
	case len(c.streams) == 0 || now.Sub(p.heard) < c.config.HeadTime:
	case p.pinged:
		return errSilent
	default:
		p.pinged, p.heard = true, now
		c.appendPing(false, [8]byte{})
	}
	return nil
}
