package http2

import (
	"time"

	"golang.org/x/net/http2"
)

// onData takes content in (RFC 9113 §6.1).
func (c *Conn) onData(f *http2.DataFrame) error {
	if len(f.Data()) == 0 && !f.StreamEnded() { // padding is nothing
		if err := c.control(); err != nil {
			return err
		}
	}
	c.mu.Lock()
	if c.credit -= int(f.Length); c.credit < 0 {
		c.mu.Unlock()
		return &connError{flowControlError, "more content than the window"}
	}
	s := c.streams[f.StreamID]
	if s == nil {
		return c.dataForNone(f)
	}
	code := c.take(s, f)
	tell := code == NoError && c.giveBack(s, int(f.Length)-len(f.Data())) // padding
	c.mu.Unlock()
	if code != NoError {
		return c.provoked(f.StreamID, code)
	}
	if tell {
		c.flushSoon()
	}
	return nil
}

// dataForNone judges DATA without a stream. It is called with the lock and
// returns without it.
func (c *Conn) dataForNone(f *http2.DataFrame) error {
	idle := c.isIdle(f.StreamID)
	ours := c.closed.has(f.StreamID) || f.StreamID > c.refused || c.client && !idle
	tell := c.giveBack(nil, int(f.Length))
	c.mu.Unlock()
	if tell {
		c.flushSoon()
	}
	switch {
	case ours: // it was on its way when we reset the stream
		return nil
	case idle:
		return &connError{protocolError, "DATA on an idle stream"}
	}
	return c.provoked(f.StreamID, streamClosed)
}

// take puts the content of a frame into its stream. The lock is held.
func (c *Conn) take(s *Stream, f *http2.DataFrame) Code {
	data := f.Data()
	if s.err != nil && !s.err.Remote { // it was on its way when we reset the stream
		c.giveBack(nil, len(data))
		return NoError
	}
	if s.ended || s.err != nil {
		c.giveBack(nil, len(data))
		return streamClosed
	}
	if c.client && !s.answered { // of which response? (RFC 9113 §8.1)
		c.giveBack(nil, len(data))
		return protocolError
	}
	if s.credit -= int(f.Length); s.credit < 0 {
		c.giveBack(nil, len(data))
		return flowControlError
	}
	s.received += int64(len(data))
	s.ended = f.StreamEnded()
	if s.declared >= 0 && (s.received > s.declared || s.ended && s.received != s.declared) {
		c.giveBack(nil, len(data))
		s.ended = false // so that it can still be reset
		return protocolError
	}
	if s.at > 0 && s.at == len(s.in) {
		s.in, s.at = s.in[:0], 0
	}
	s.in = append(s.in, data...)
	s.wakeReader()
	if s.ended {
		c.noteEnd(s)
	}
	return NoError
}

// isIdle reports that a stream was never opened: streams are opened by clients
// only, with odd numbers. The lock is held.
func (c *Conn) isIdle(id uint32) bool { return id%2 == 0 || id > c.last }

func (c *Conn) onHeaders(f *http2.HeadersFrame) error {
	c.block.begin(f.StreamID, f.StreamEnded())
	c.block.self = f.HasPriority() && f.Priority.StreamDep == f.StreamID
	if !f.HeadersEnded() {
		c.blockBy = time.Now().Add(c.config.HeadTime)
	}
	return c.fragment(f.HeaderBlockFragment(), f.HeadersEnded())
}

func (c *Conn) onContinuation(f *http2.ContinuationFrame) error {
	b := &c.block
	if b.continuations++; b.continuations > c.limits.Continuations {
		return &connError{calm, "too many CONTINUATION frames"}
	}
	if f.Length == 0 {
		if b.empty++; b.empty > c.limits.EmptyContinuations {
			return &connError{calm, "empty CONTINUATION frames"}
		}
	}
	return c.fragment(f.HeaderBlockFragment(), f.HeadersEnded())
}

// fragment decodes a part of a field section (H5.13).
func (c *Conn) fragment(p []byte, last bool) error {
	if err := c.block.add(p); err != nil {
		return err
	}
	if !last {
		return nil
	}
	c.blockBy = time.Time{}
	if err := c.block.dec.Close(); err != nil {
		return &connError{compressionError, err.Error()}
	}
	if c.client {
		return c.onResponse()
	}
	return c.onSection()
}

func (c *Conn) onWindowUpdate(f *http2.WindowUpdateFrame) error {
	if f.Increment < 256 {
		if err := c.control(); err != nil {
			return err
		}
	}
	c.mu.Lock()
	if f.StreamID == 0 {
		c.window += int(f.Increment)
		over := c.window > maxWindow
		c.wakeWriters()
		c.mu.Unlock()
		if over {
			return &connError{flowControlError, "window of the connection"}
		}
		return nil
	}
	s := c.streams[f.StreamID]
	if s == nil {
		idle := c.isIdle(f.StreamID)
		c.mu.Unlock()
		if idle {
			return &connError{protocolError, "WINDOW_UPDATE on an idle stream"}
		}
		return nil
	}
	s.window += int(f.Increment)
	over := s.window > maxWindow
	signal(s.writable)
	c.mu.Unlock()
	if over {
		return c.provoked(f.StreamID, flowControlError)
	}
	return nil
}

func (c *Conn) onSettings(f *http2.SettingsFrame) error {
	if err := c.control(); err != nil || f.IsAck() {
		return err
	}
	if f.NumSettings() > maxSettings {
		return &connError{calm, "too many settings"}
	}
	c.mu.Lock()
	defer c.flushSoon()
	defer c.mu.Unlock()
	if err := f.ForeachSetting(c.set); err != nil {
		return err
	}
	c.out = appendFrameHead(c.out, 0, http2.FrameSettings, http2.FlagSettingsAck, 0)
	return c.reply()
}

// maxSettings in one frame: six are known.
const maxSettings = 32

// set takes a setting of the peer. The lock is held.
func (c *Conn) set(s http2.Setting) error {
	switch s.ID {
	case http2.SettingInitialWindowSize:
		if s.Val > maxWindow {
			return &connError{flowControlError, "SETTINGS_INITIAL_WINDOW_SIZE"}
		}
		diff := int(s.Val) - c.initial
		c.initial = int(s.Val)
		for _, st := range c.streams {
			if st.window += diff; st.window > maxWindow {
				return &connError{flowControlError, "SETTINGS_INITIAL_WINDOW_SIZE"}
			}
			signal(st.writable)
		}
		return nil
	case http2.SettingMaxConcurrentStreams:
		if c.client {
			c.peer.allow(s.Val)
		}
		return nil
	}
	if err := s.Valid(); err != nil {
		return &connError{protocolError, "invalid setting"}
	}
	return nil
}

func (c *Conn) onPing(f *http2.PingFrame) error {
	c.mu.Lock()
	if f.IsAck() {
		ours := c.drain == drainSaid && f.Data == c.drainPing
		if ours {
			c.finalGoAway()
		}
		c.mu.Unlock()
		if ours {
			c.flushSoon()
			return nil
		}
		return c.control()
	}
	c.appendPing(true, f.Data)
	err := c.reply()
	c.mu.Unlock()
	c.flushSoon()
	if err != nil {
		return err
	}
	return c.control()
}

func (c *Conn) onReset(f *http2.RSTStreamFrame) error {
	c.mu.Lock()
	s := c.streams[f.StreamID]
	idle := s == nil && c.isIdle(f.StreamID)
	if s != nil && c.client && s.ended && f.ErrCode == NoError {
		s.unwanted, s.sentEnd = true, true // answered early (RFC 9113 §8.1)
		signal(s.writable)
		c.dropDone(s)
	} else if s != nil {
		c.resetLocked(s, f.ErrCode, true)
	}
	c.closed.drop(f.StreamID) // nothing is on its way any more
	c.mu.Unlock()
	if idle {
		return &connError{protocolError, "RST_STREAM on an idle stream"}
	}
	if err := c.control(); err != nil || c.client {
		return err
	}
	return c.budget.reset()
}

func (c *Conn) onGoAway(f *http2.GoAwayFrame) error {
	if err := c.control(); err != nil {
		return err
	}
	if c.client {
		return c.onGoAwayOf(f)
	}
	c.Drain() // what runs is finished
	return nil
}
