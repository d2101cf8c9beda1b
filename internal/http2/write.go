package http2

import (
	"encoding/binary"
	"runtime"
	"time"

	"golang.org/x/net/http2"
)

// What leaves is collected in Conn.out by whoever has something to say, and
// written by one of them: who finds nobody writing does it, after a turn of the
// others. Many streams that answer at the same time leave in one write.

// appendSection appends HEADERS and what CONTINUATION it takes. The lock is
// held.
func (c *Conn) appendSection(s *Stream, section []byte, end bool) {
	if !c.spoken {
		c.spoken = true
		section = append([]byte{noTable}, section...)
	}
	t, flags := http2.FrameHeaders, endFlag(end)
	for {
		n := min(len(section), maxFrame)
		if n == len(section) {
			flags |= http2.FlagHeadersEndHeaders
		}
		c.out = appendFrameHead(c.out, n, t, flags, s.id)
		c.out = append(c.out, section[:n]...)
		if section = section[n:]; len(section) == 0 {
			break
		}
		t, flags = http2.FrameContinuation, 0
	}
	if end {
		c.sideEnded(s)
	}
}

// appendData appends DATA that the windows allow. The lock is held.
func (c *Conn) appendData(s *Stream, p []byte, end bool) {
	s.window -= len(p)
	c.window -= len(p)
	c.sent += int64(len(p))
	for {
		n := min(len(p), maxFrame)
		if n > 0 {
			c.dataFrames++
		}
		c.out = appendFrameHead(c.out, n, http2.FrameData, endFlag(end && n == len(p)), s.id)
		c.out = append(c.out, p[:n]...)
		if p = p[n:]; len(p) == 0 {
			break
		}
	}
	if end {
		c.sideEnded(s)
	}
}

// sideEnded notes our END_STREAM.
func (c *Conn) sideEnded(s *Stream) {
	s.sentEnd = true
	c.noteEnd(s)
}

// noteEnd takes note of a stream that both sides may have ended. The lock is
// held.
func (c *Conn) noteEnd(s *Stream) {
	switch {
	case c.client:
		c.dropDone(s)
	case s.ended && s.sentEnd && s.err == nil && !s.finished:
		s.finished = true
		c.finished++
	}
}

func (c *Conn) appendReset(id uint32, code Code) {
	c.out = appendFrameHead(c.out, 4, http2.FrameRSTStream, 0, id)
	c.out = binary.BigEndian.AppendUint32(c.out, uint32(code))
	c.closed.add(id)
}

func (c *Conn) appendWindowUpdate(id uint32, n int) {
	c.out = appendFrameHead(c.out, 4, http2.FrameWindowUpdate, 0, id)
	c.out = binary.BigEndian.AppendUint32(c.out, uint32(n))
}

func (c *Conn) appendGoAway(last uint32, code Code) {
	c.out = appendFrameHead(c.out, 8, http2.FrameGoAway, 0, 0)
	c.out = binary.BigEndian.AppendUint32(c.out, last)
	c.out = binary.BigEndian.AppendUint32(c.out, uint32(code))
}

func (c *Conn) appendPing(ack bool, data [8]byte) {
	flags := http2.Flags(0)
	if ack {
		flags = http2.FlagPingAck
	}
	c.out = appendFrameHead(c.out, 8, http2.FramePing, flags, 0)
	c.out = append(c.out, data[:]...)
}

func (c *Conn) appendSettings(settings ...http2.Setting) {
	c.out = appendFrameHead(c.out, 6*len(settings), http2.FrameSettings, 0, 0)
	for _, s := range settings {
		c.out = binary.BigEndian.AppendUint16(c.out, uint16(s.ID))
		c.out = binary.BigEndian.AppendUint32(c.out, s.Val)
	}
}

// reply counts an answer to a control frame that waits to be written (H5.7).
// The lock is held.
func (c *Conn) reply() error {
	if c.replies++; c.replies > c.limits.Replies {
		return &connError{calm, "answers are not taken"}
	}
	return nil
}

// giveBack returns credit for n octets that were read or dropped and reports
// whether something is to be written. The lock is held.
func (c *Conn) giveBack(s *Stream, n int) (tell bool) {
	if s != nil {
		if s.owed += n; s.owed >= c.limits.StreamWindow/2 && !s.ended && s.err == nil {
			c.appendWindowUpdate(s.id, s.owed)
			s.credit += s.owed
			s.owed, tell = 0, true
		}
	}
	if c.owed += n; c.owed >= c.limits.ConnWindow/2 {
		c.appendWindowUpdate(0, c.owed)
		c.credit += c.owed
		c.owed, tell = 0, true
	}
	return tell
}

// keptOut is how large a write buffer a connection keeps between two writes.
const keptOut = 4 << 10

// flush writes what is pending unless somebody does so already.
func (c *Conn) flush() {
	c.mu.Lock()
	if c.flushing || len(c.out) == 0 {
		c.mu.Unlock()
		return
	}
	c.flushing = true
	c.mu.Unlock()
	runtime.Gosched()
	c.writeOut()
}

// flushSoon is flush for the goroutine that reads, which must never wait for
// the peer to do so.
func (c *Conn) flushSoon() {
	c.mu.Lock()
	start := !c.flushing && len(c.out) > 0
	if start {
		c.flushing = true
	}
	c.mu.Unlock()
	if start {
		c.running.Go(c.writeOut)
	}
}

// writeOut writes until nothing is pending. Only who set flushing calls it.
func (c *Conn) writeOut() {
	c.mu.Lock()
	for len(c.out) > 0 && !c.cut {
		out := c.out
		c.out, c.spare, c.replies = c.spare[:0], nil, 0
		closing := c.closing
		c.mu.Unlock()
		now := time.Now()
		if closing {
			_ = c.nc.SetWriteDeadline(now.Add(goodbye))
		} else if left := c.writeBy.Sub(now); left < c.config.WriteIdle || left > c.config.WriteIdle+slack {
			c.writeBy = now.Add(c.config.WriteIdle + slack)
			_ = c.nc.SetWriteDeadline(c.writeBy)
		}
		_, err := c.nc.Write(out)
		c.mu.Lock()
		if cap(out) <= keptOut || len(c.streams) > 0 && cap(out) <= 2*c.limits.Pending {
			c.spare = out
		}
		if err != nil {
			c.cut = true
			c.failLocked(err)
		}
		c.wakeWriters()
	}
	c.flushing = false
	if len(c.streams) == 0 {
		if cap(c.out) > keptOut && len(c.out) == 0 {
			c.out = nil
		}
		if cap(c.spare) > keptOut {
			c.spare = nil
		}
	}
	c.idle.Broadcast()
	c.mu.Unlock()
}

// slack is how much later than wanted a deadline may be: moving it with every
// frame would cost more than it is worth.
const slack = 2 * time.Second

// wakeWriters wakes the streams that wait to send. The lock is held.
func (c *Conn) wakeWriters() {
	for _, s := range c.waiters {
		s.waiting = false
		signal(s.writable)
	}
	clear(c.waiters)
	c.waiters = c.waiters[:0]
}

// The connection as a whole must make some progress while octets wait for a
// window: a peer that opens it by one octet at a time keeps everything that
// waits in memory (H5.8).

func (c *Conn) beginStall() {
	if c.stalling == 0 && (c.stallFrom.IsZero() || time.Since(c.stallEnd) > time.Second) {
		c.stallFrom, c.stallSent = time.Now(), c.sent
	}
	c.stalling++
}

func (c *Conn) endStall() {
	if c.stalling--; c.stalling == 0 {
		c.stallEnd = time.Now()
	}
}

func (c *Conn) stalled() bool {
	if time.Since(c.stallFrom) < c.limits.Stall {
		return false
	}
	slow := c.sent-c.stallSent < c.limits.StallBytes
	c.stallFrom, c.stallSent = time.Now(), c.sent
	return slow
}
