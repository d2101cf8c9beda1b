package http2

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	calm             = http2.ErrCodeEnhanceYourCalm
	protocolError    = http2.ErrCodeProtocol
	compressionError = http2.ErrCodeCompression
	flowControlError = http2.ErrCodeFlowControl
	streamClosed     = http2.ErrCodeStreamClosed
	frameSizeError   = http2.ErrCodeFrameSize
)

// Conn is one connection.
type Conn struct {
	config Config
	limits *Limits
	client bool
	nc     net.Conn
	source counted

	// Of the goroutine that reads.
	framer  *http2.Framer
	block   block
	budget  budget
	readBy  time.Time // the deadline that is set
	blockBy time.Time // the end of the running field section's time
	alive   bool      // something came since keepAlive has looked
	greeted bool      // the client's preface was read
	born    time.Time
	age     time.Duration

	writeBy time.Time // of who writes
	running sync.WaitGroup
	workers workers

	mu       sync.Mutex // guards the following, and the streams
	idle     *sync.Cond // nobody writes any more, or a handler has returned
	out      []byte     // pending
	spare    []byte
	flushing bool // somebody writes
	spoken   bool // a field section was sent
	replies  int  // answers to control frames in out
	closing  bool // the last octets are written
	cut      bool // nothing more can be written
	err      error

	streams    map[uint32]*Stream
	finished   int       // of them: both sides have ended, only the handler has not returned yet
	used       time.Time // when the last stream ended, or the connection began
	last       uint32    // the highest stream that was opened
	closed     ring      // the last streams that we reset
	waiters    []*Stream
	window     int // octets we may send
	initial    int // of a new stream
	credit     int // octets the peer may send
	owed       int
	sent       int64 // octets of content
	dataFrames int
	stalling   int
	stallFrom  time.Time
	stallEnd   time.Time
	stallSent  int64

	drain     drainStage
	drainFrom time.Time
	drainPing [8]byte
	refused   uint32 // streams from here on are not served: the last of the final GOAWAY
	wake      bool   // the reader shall look at drain and shed
	shed      bool   // the connection shall end if no stream runs

	free []*tools // to be used again
	peer *peer    // of a client
}

// drainStage is how far the end of a connection has come (H5.17).
type drainStage uint8

const (
	drainNo    drainStage = iota
	drainAsked            // the first GOAWAY is to be sent
	drainSaid             // it was sent; streams that are on their way are served
	drainFinal            // the GOAWAY with the last stream was sent
)

func newConn(nc net.Conn, source Source, config Config) *Conn {
	c := &Conn{
		config: config, nc: nc, source: counted{Source: source}, born: time.Now(), streams: make(map[uint32]*Stream),
		window: defaultWindow, initial: defaultWindow, credit: config.Limits.ConnWindow, refused: maxWindow,
	}
	c.limits = &c.config.Limits
	c.idle = sync.NewCond(&c.mu)
	c.used = c.born
	c.age = c.limits.Age*9/10 + rand.N(c.limits.Age/5+1)
	c.framer = http2.NewFramer(nil, &c.source)
	c.framer.SetReuseFrames()
	c.framer.SetMaxReadFrameSize(maxFrame)
	c.budget = budget{limits: c.limits, now: time.Now}
	c.block = block{limits: c.limits, secure: config.Secure}
	c.block.dec = hpack.NewDecoder(4096, c.block.emit)
	c.block.dec.SetMaxStringLength(c.limits.HeadBytes)
	return c
}

// read handles frames until the connection is at its end.
func (c *Conn) read() error {
	for {
		if err := c.await(); err != nil {
			return err
		}
		c.source.n = 0
		fh, err := c.framer.ReadFrameHeader()
		if err != nil {
			return c.readError(fh, err)
		}
		f, err := c.framer.ReadFrameForHeader(fh)
		if err == nil {
			err = c.handle(f)
		}
		if err = c.readError(fh, err); err != nil {
			return err
		}
	}
}

// readError sorts what went wrong with a frame: an error ends the connection.
func (c *Conn) readError(fh http2.FrameHeader, err error) error {
	if err == nil {
		return nil
	}
	return c.sortError(fh, err)
}

func (c *Conn) sortError(fh http2.FrameHeader, err error) error {
	var ofStream http2.StreamError
	var ofConn http2.ConnectionError
	switch {
	case errors.As(err, &ofStream) && fh.Type == http2.FrameHeaders:
		// Its fields were not decoded, so that the table of the peer and ours
		// differ from now on (RFC 9113 §4.3).
		return &connError{ofStream.Code, "HEADERS frame"}
	case errors.As(err, &ofStream):
		return c.provoked(ofStream.StreamID, ofStream.Code)
	case errors.As(err, &ofConn):
		return &connError{Code(ofConn), "frame"}
	case errors.Is(err, http2.ErrFrameTooLarge):
		return &connError{frameSizeError, "frame too large"}
	case errors.Is(err, io.ErrUnexpectedEOF) && c.source.n == frameHead+int64(fh.Length):
		// All of it is here: its own lengths do not add up.
		return &connError{frameSizeError, "frame too short"}
	}
	return err
}

// counted counts what was read of a frame.
type counted struct {
	Source
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Source.Read(p)
	c.n += int64(n)
	return n, err
}

// provoked resets a stream for what the peer did; it counts as the peer's
// reset (H5.12).
func (c *Conn) provoked(id uint32, code Code) error {
	c.mu.Lock()
	if s := c.streams[id]; s != nil && !s.over() {
		c.resetLocked(s, code, false)
	} else {
		c.appendReset(id, code)
	}
	c.mu.Unlock()
	c.flushSoon()
	return c.budget.reset()
}

// await waits until the next frame is buffered as a whole, so that reading it
// takes neither a system call nor a look at the clock.
func (c *Conn) await() error {
	if c.isWhole() {
		return nil
	}
	for len(c.source.Buffered()) == 0 {
		now := time.Now()
		if err := c.look(now); err != nil {
			return err
		}
		by := now.Add(min(c.config.HeadTime, c.config.Idle)) // to look again
		if !c.blockBy.IsZero() {
			by = c.blockBy
		} else if idle := c.idleBy(); !idle.IsZero() && idle.Before(by) {
			by = idle
		}
		c.armRead(by)
		err := c.source.Wait()
		switch {
		case err == nil:
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case !c.blockBy.IsZero() && !time.Now().Before(c.blockBy):
			return err
		default:
			c.readBy = time.Time{}
		}
	}
	return c.awaitRest()
}

// awaitRest waits for the rest of a frame that has begun, which has its time
// from its first octet on (H6.17).
func (c *Conn) awaitRest() error {
	if c.isWhole() {
		return nil
	}
	by := c.blockBy
	if by.IsZero() {
		by = time.Now().Add(c.config.HeadTime)
	}
	for !c.isWhole() {
		c.armRead(by)
		_, err := c.source.Fill()
		switch {
		case err == nil:
		case !errors.Is(err, os.ErrDeadlineExceeded), !time.Now().Before(by):
			return err
		default: // woken
			c.readBy = time.Time{}
			if err := c.look(time.Now()); err != nil {
				return err
			}
		}
	}
	return nil
}

// isWhole reports that the next frame, or the preface, is buffered. One that is
// too large is refused by its head.
func (c *Conn) isWhole() bool {
	b := c.source.Buffered()
	if !c.greeted {
		return len(b) >= len(Preface)
	}
	if len(b) < frameHead {
		return false
	}
	length := int(b[0])<<16 | int(b[1])<<8 | int(b[2])
	return length > maxFrame || len(b) >= frameHead+length
}

// armRead sets the deadline for reads unless it is about that already.
func (c *Conn) armRead(by time.Time) {
	slack := min(slack, c.config.HeadTime/8, c.config.Idle/8)
	if late := c.readBy.Sub(by); late < 0 || late > slack {
		c.readBy = by.Add(slack / 2)
		_ = c.nc.SetReadDeadline(c.readBy)
	}
	c.mu.Lock()
	woken := c.wake
	c.mu.Unlock()
	if woken { // came before our deadline and was undone by it
		_ = c.nc.SetReadDeadline(time.Unix(1, 0))
		c.readBy = time.Time{}
	}
}

// idleBy is when a connection without streams ends; zero while it has some.
func (c *Conn) idleBy() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.drain == drainSaid:
		return time.Now().Add(drainTime)
	case len(c.streams) > 0:
		return time.Time{}
	}
	return c.used.Add(c.config.Idle)
}

// handle acts on one frame.
func (c *Conn) handle(f http2.Frame) error {
	c.alive = true
	switch f := f.(type) {
	case *http2.DataFrame:
		return c.onData(f)
	case *http2.HeadersFrame:
		return c.onHeaders(f)
	case *http2.ContinuationFrame:
		return c.onContinuation(f)
	case *http2.WindowUpdateFrame:
		return c.onWindowUpdate(f)
	case *http2.SettingsFrame:
		return c.onSettings(f)
	case *http2.PingFrame:
		return c.onPing(f)
	case *http2.RSTStreamFrame:
		return c.onReset(f)
	case *http2.GoAwayFrame:
		return c.onGoAway(f)
	case *http2.PriorityFrame:
		if f.StreamDep == f.StreamID {
			return c.provoked(f.StreamID, protocolError)
		}
	case *http2.PushPromiseFrame:
		return &connError{protocolError, "push"}
	}
	return c.control()
}

func (c *Conn) control() error {
	c.mu.Lock()
	n := c.dataFrames
	c.mu.Unlock()
	return c.budget.control(n)
}

// failLocked ends all streams with the connection. The lock is held.
func (c *Conn) failLocked(err error) {
	if c.err == nil {
		c.err = err
	}
	code := Cancel
	var ce *connError
	if errors.As(err, &ce) {
		code = ce.code
	}
	for _, s := range c.streams {
		c.endStream(s, &ResetError{Code: code, Conn: true})
	}
	c.wakeWriters()
	// The goroutine that reads notices and takes care of the rest.
	c.wake = true
	_ = c.nc.SetReadDeadline(time.Unix(1, 0))
}

// resetLocked resets a stream unless it is over. The lock is held.
func (c *Conn) resetLocked(s *Stream, code Code, remote bool) {
	if s.over() {
		return
	}
	if !remote {
		c.appendReset(s.id, code)
	}
	c.endStream(s, &ResetError{Code: code, Remote: remote, Unprocessed: remote && code == RefusedStream})
}

// endStream marks a stream as having ended before its time. It stays in its
// place until its handler has returned (H5.11). The lock is held.
func (c *Conn) endStream(s *Stream, err *ResetError) {
	if s.err != nil {
		return
	}
	s.err = err
	c.owed += len(s.in) - s.at // nobody will read it
	s.in, s.at = nil, 0
	s.wakeReader()
	signal(s.writable)
	if f := s.onReset; f != nil {
		done := make(chan struct{})
		s.hook = done
		c.running.Go(func() {
			defer close(done)
			f()
		})
	}
	if c.client {
		c.dropDone(s)
	}
}

// ring remembers the last streams that we reset: what was on its way to them is
// no fault of the peer.
type ring struct {
	ids [64]uint32
	at  int
}

func (r *ring) add(id uint32) {
	r.ids[r.at%len(r.ids)] = id
	r.at++
}

func (r *ring) drop(id uint32) {
	for i, have := range r.ids {
		if have == id {
			r.ids[i] = 0
		}
	}
}

func (r *ring) has(id uint32) bool {
	for _, have := range r.ids {
		if have == id {
			return true
		}
	}
	return false
}
