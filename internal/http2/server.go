package http2

import (
	"crypto/rand"
	"errors"
	"io"
	"net"
	"time"

	"golang.org/x/net/http2"
)

// NewServer returns a connection on which the peer opens streams. Serve runs
// it. nc is where frames are written to and the deadlines are set, source where
// they are read from.
func NewServer(nc net.Conn, source Source, config Config) *Conn {
	return newConn(nc, source, config)
}

// Serve handles the connection from the client's preface to its end and waits
// for all handlers. It does not close the connection.
func (c *Conn) Serve() {
	c.mu.Lock()
	c.appendSettings(
		http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: uint32(c.limits.Streams)},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(c.limits.StreamWindow)},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: uint32(c.limits.HeadBytes)},
		http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1},
	)
	c.appendWindowUpdate(0, c.limits.ConnWindow-defaultWindow)
	c.mu.Unlock()
	err := c.readPreface()
	if err == nil {
		c.flushSoon()
		err = c.read()
	}
	c.workers.end()
	c.finish(err)
	c.running.Wait()
	c.dropTools()
}

func (c *Conn) readPreface() error {
	if err := c.await(); err != nil {
		return err
	}
	var preface [len(Preface)]byte
	if _, err := io.ReadFull(&c.source, preface[:]); err != nil {
		return err
	}
	c.greeted = true
	if string(preface[:]) != Preface {
		return &connError{protocolError, "preface"}
	}
	// SETTINGS must follow; the Framer tells by the frame's type.
	if err := c.await(); err != nil {
		return err
	}
	c.source.n = 0
	fh, err := c.framer.ReadFrameHeader()
	if err == nil && (fh.Type != http2.FrameSettings || fh.Flags.Has(http2.FlagSettingsAck)) {
		return &connError{protocolError, "no SETTINGS after the preface"}
	}
	if err != nil {
		return c.readError(fh, err)
	}
	f, err := c.framer.ReadFrameForHeader(fh)
	if err == nil {
		err = c.handle(f)
	}
	return c.readError(fh, err)
}

const (
	// drainTime is how long streams that are on their way may take after the
	// first GOAWAY, if the peer does not answer our PING before.
	drainTime = time.Second
	// goodbye is how long the last octets of a connection may take.
	goodbye = time.Second
	// lingerSize is what is read behind them, so that the peer can read them:
	// closing a socket with unread octets resets it.
	lingerSize = 64 << 10
)

// finish tells the peer why the connection ends and ends all streams.
func (c *Conn) finish(err error) {
	var ce *connError
	c.mu.Lock()
	if c.err != nil {
		err = c.err
	}
	say := errors.As(err, &ce)
	switch {
	case say:
		c.appendGoAway(c.last, ce.code)
	case errors.Is(err, errIdle), errors.Is(err, errDrained):
		say = true
		if c.drain < drainFinal {
			c.appendGoAway(c.last, NoError)
		}
	}
	c.closing = true
	c.failLocked(err)
	_ = c.nc.SetWriteDeadline(time.Now().Add(goodbye))
	c.mu.Unlock()
	if !say {
		c.mu.Lock()
		c.cut = true
		c.mu.Unlock()
		return
	}
	c.flush()
	c.mu.Lock()
	for c.flushing {
		c.idle.Wait()
	}
	cut := c.cut
	c.cut = true
	c.mu.Unlock()
	if !cut && !c.client {
		c.linger()
	}
}

func (c *Conn) linger() {
	_ = c.nc.SetReadDeadline(time.Now().Add(goodbye))
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	var scratch [1 << 10]byte
	for left := lingerSize; left > 0; {
		n, err := c.source.Read(scratch[:])
		if left -= n; err != nil {
			return
		}
	}
}

// look is what the goroutine that reads does between two frames: it ends
// connections that are idle, old or drained.
func (c *Conn) look(now time.Time) error {
	err := c.lookLocked(now)
	c.flushSoon()
	return err
}

func (c *Conn) lookLocked(now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wake = false
	if c.err != nil {
		return c.err
	}
	if c.drain == drainNo && !c.client && (now.Sub(c.born) > c.age || c.budget.streams >= c.limits.Total) {
		c.drain = drainAsked
	}
	switch {
	case c.drain == drainAsked:
		_, _ = rand.Read(c.drainPing[:])
		c.appendGoAway(maxWindow, NoError)
		c.appendPing(false, c.drainPing)
		c.drain, c.drainFrom = drainSaid, now
	case c.drain == drainSaid && now.Sub(c.drainFrom) >= drainTime:
		c.finalGoAway()
	}
	if c.client {
		if err := c.keepAlive(now); err != nil {
			return err
		}
	}
	switch {
	case len(c.streams) > 0 || c.client && c.drain == drainNo && c.peer.reserved > 0:
	case c.drain == drainFinal:
		return errDrained
	case c.shed, c.drain == drainNo && now.Sub(c.used) >= c.config.Idle:
		return errIdle
	}
	c.shed = false // it was busy
	return nil
}

// finalGoAway names the last stream that is served. The lock is held.
func (c *Conn) finalGoAway() {
	c.drain, c.refused = drainFinal, c.last
	c.appendGoAway(c.last, NoError)
}

// Drain ends the connection when the streams that run have ended; new ones are
// not taken (H5.17). It does not wait.
func (c *Conn) Drain() {
	c.mu.Lock()
	if c.drain == drainNo {
		c.drain = drainAsked
	}
	c.wakeReader()
	c.mu.Unlock()
}

// Shed ends the connection at once if no stream runs (H6.13).
func (c *Conn) Shed() {
	c.mu.Lock()
	c.shed = true
	c.wakeReader()
	c.mu.Unlock()
}

// wakeReader makes the goroutine that reads look at the connection. The lock is
// held.
func (c *Conn) wakeReader() {
	c.wake = true
	_ = c.nc.SetReadDeadline(time.Unix(1, 0))
}

// onSection opens a stream, or ends one with trailers.
func (c *Conn) onSection() error {
	b := &c.block
	if b.stream%2 == 0 {
		return &connError{protocolError, "a client's stream has an odd number"}
	}
	c.mu.Lock()
	if s := c.streams[b.stream]; s != nil {
		if s.ended && s.sentEnd {
			c.mu.Unlock()
			return &connError{streamClosed, "HEADERS on a closed stream"}
		}
		code := c.onTrailers(s)
		c.mu.Unlock()
		if code != NoError {
			return c.provoked(b.stream, code)
		}
		return nil
	}
	switch {
	case b.stream > c.refused: // GOAWAY told so
		c.mu.Unlock()
		return c.control()
	case c.closed.has(b.stream): // it was on its way when we reset the stream
		c.mu.Unlock()
		return c.control()
	case b.stream <= c.last:
		c.mu.Unlock()
		return &connError{streamClosed, "HEADERS on a closed stream"}
	}
	c.last = b.stream
	c.budget.streams++
	return c.open()
}

// open begins a stream. It is called with the lock and returns without it.
func (c *Conn) open() error {
	b := &c.block
	for c.finished > c.limits.Streams && c.err == nil {
		c.idle.Wait() // for handlers that have nothing to wait for
	}
	full := len(c.streams)-c.finished >= c.limits.Streams
	c.mu.Unlock()
	switch {
	case full: // those that were reset and still have a handler count (H5.11)
		return c.provoked(b.stream, RefusedStream)
	case b.self:
		return c.provoked(b.stream, protocolError)
	}
	s := c.newStream()
	var bad string
	s.text, s.refusal, bad = b.request(s.text[:0])
	if s.head = s.text; bad != "" {
		return c.provoked(b.stream, protocolError)
	}
	s.webSocket = b.has[pseudoProtocol] && s.refusal == 0
	s.declared = b.length
	if s.webSocket || s.refusal != 0 {
		s.declared = -1
	}
	s.ended = b.endStream
	c.mu.Lock()
	s.id, s.window = b.stream, c.initial
	first := len(c.streams) == 0
	c.streams[s.id] = s
	if first {
		c.config.Handler.Busy(true)
	}
	c.mu.Unlock()
	if w := c.workers.take(); w != nil {
		w.next <- s
	} else {
		c.running.Add(1)
		go c.work(&worker{next: make(chan *Stream, 1)}, s)
	}
	if c.budget.streams == c.limits.Total {
		c.Drain()
	}
	return nil
}

// onTrailers ends a stream's content. The lock is held.
func (c *Conn) onTrailers(s *Stream) Code {
	b := &c.block
	switch {
	case s.err != nil && !s.err.Remote: // it was on its way when we reset the stream
		return NoError
	case s.ended, s.err != nil:
		return streamClosed
	case !b.endStream, b.self:
		return protocolError
	}
	begin := len(s.text)
	text, bad := b.trailers(s.text)
	if bad != "" || s.declared >= 0 && s.received != s.declared {
		return protocolError
	}
	s.text, s.trailers, s.ended = text, text[begin:], true
	s.wakeReader()
	c.noteEnd(s)
	return NoError
}

func (c *Conn) serveStream(s *Stream) {
	defer c.endHandler(s)
	c.config.Handler.ServeStream(s)
}

// endHandler takes a stream off the connection after its handler has returned.
func (c *Conn) endHandler(s *Stream) {
	s.StopReset()
	c.mu.Lock()
	switch {
	case s.err != nil:
	case !s.sentEnd:
		c.appendReset(s.id, InternalError)
	case !s.ended:
		c.appendReset(s.id, NoError) // answered early: the rest is not wanted
	}
	delete(c.streams, s.id)
	if s.finished {
		c.finished--
		c.idle.Broadcast()
	}
	c.giveBack(nil, len(s.in)-s.at)
	s.in, s.at = s.in[:0], 0
	if len(c.streams) == 0 {
		c.used = time.Now()
		c.config.Handler.Busy(false)
		if c.drain != drainNo {
			c.wakeReader()
		}
	}
	c.keepTools(s)
	c.mu.Unlock()
	c.flush()
}
